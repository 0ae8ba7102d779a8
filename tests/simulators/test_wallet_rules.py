"""Wallet's rules: the good pass is added, each broken one is refused with its reason."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from pyasn1.codec.der import decoder, encoder
from pyasn1.type.univ import Any as AnyType
from pyasn1.type.univ import SetOf
from pyasn1_modules import rfc5652

from tests.simulators.pass_maker import (
    IMAGES,
    OPTIONS,
    compact,
    make_pass,
    manifest_of,
    pass_content,
    png,
    sign,
    signed_files,
    zipped,
)
from tests.system import PASS_TYPE, TEAM
from wallet_service.simulators.apple_pki import Chain, make_chain
from wallet_service.simulators.phones.wallet_rules import PassRefused, open_bundle

NOW = datetime.now(UTC)


def test_a_good_pass_is_opened(chain: Chain) -> None:
    begun_at = datetime.now(UTC).replace(microsecond=0)
    bundle = open_bundle(make_pass(pass_content(), chain), roots_pem=chain.root_pem)
    assert (bundle.pass_type_id, bundle.serial_number) == (PASS_TYPE, "carte-0001")
    assert begun_at <= bundle.signer.signed_at <= datetime.now(UTC)


def test_a_pass_signed_by_openssl_is_opened(chain: Chain, tmp_path: Path) -> None:
    files = {"pass.json": compact(pass_content()), **IMAGES}
    manifest = json.dumps(json.loads(manifest_of(files)), indent=2).encode()
    for name, body in {
        "leaf.pem": chain.leaf_pem,
        "leaf.key": chain.key_pem,
        "wwdr.pem": chain.intermediate_pem,
        "manifest.json": manifest,
    }.items():
        tmp_path.joinpath(name).write_bytes(body)
    order = (
        "openssl cms -sign -binary -nosmimecap -md sha256 -signer leaf.pem -inkey leaf.key -certfile wwdr.pem "
        "-in manifest.json -outform DER -out signature"
    )
    subprocess.run(order.split(), cwd=tmp_path, check=True, capture_output=True)
    signature = tmp_path.joinpath("signature").read_bytes()
    open_bundle(zipped({**files, "manifest.json": manifest, "signature": signature}), roots_pem=chain.root_pem)


def test_only_trusted_roots_count(chain: Chain) -> None:
    with pytest.raises(PassRefused, match="trusted root"):
        open_bundle(make_pass(pass_content(), chain))


def resigned(files: dict[str, bytes], chain: Chain, **how: Any) -> bytes:
    manifest = files.get("manifest.json") or manifest_of(files)
    return zipped({**files, "manifest.json": manifest, "signature": sign(manifest, chain, **how)})


def unsigned() -> dict[str, bytes]:
    return {"pass.json": compact(pass_content()), **IMAGES}


def pretty_without_binary(chain: Chain) -> bytes:
    manifest = json.dumps(json.loads(manifest_of(unsigned())), indent=2).encode()
    options = tuple(one for one in OPTIONS if one != pkcs7.PKCS7Options.Binary)
    return resigned({**unsigned(), "manifest.json": manifest}, chain, options=options)


def without_attributes(chain: Chain) -> bytes:
    options = (*OPTIONS[:2], pkcs7.PKCS7Options.NoAttributes)
    return resigned(unsigned(), chain, options=options)


def without_intermediate(chain: Chain) -> bytes:
    return resigned(unsigned(), chain, intermediate_pem=b"")


def wrong_intermediate(chain: Chain) -> bytes:
    other = make_chain(PASS_TYPE, TEAM, "Autre", NOW)
    return resigned(unsigned(), chain, intermediate_pem=other.intermediate_pem)


def content_inside(chain: Chain) -> bytes:
    options = tuple(one for one in OPTIONS if one != pkcs7.PKCS7Options.DetachedSignature)
    return resigned(unsigned(), chain, options=options)


def changed_after_signing(chain: Chain) -> bytes:
    files = signed_files(pass_content(), chain)
    return zipped({**files, "manifest.json": files["manifest.json"] + b" "})


def changed_file(chain: Chain) -> bytes:
    return zipped({**signed_files(pass_content(), chain), "pass.json": compact(pass_content(points=9999))})


def extra_file(chain: Chain) -> bytes:
    return zipped({**signed_files(pass_content(), chain), "logo.png": png(160, 50)})


def missing_file(chain: Chain) -> bytes:
    files = signed_files(pass_content(), chain)
    del files["icon@2x.png"]
    return zipped(files)


def wrapper_folder(chain: Chain) -> bytes:
    return zipped({f"Carte.pass/{name}": body for name, body in signed_files(pass_content(), chain).items()})


def directory_entry(chain: Chain) -> bytes:
    return zipped({"fr.lproj/": b"", **signed_files(pass_content(), chain)})


def data_descriptor(chain: Chain) -> bytes:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation

    out = Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in signed_files(pass_content(), chain).items():
            archive.writestr(name, body)
    return out.getvalue()


def trailing_bytes(chain: Chain) -> bytes:
    return make_pass(pass_content(), chain) + b"\n"


def leading_bytes(chain: Chain) -> bytes:
    return b"\n" + make_pass(pass_content(), chain)


def missing_icon(chain: Chain) -> bytes:
    return make_pass(pass_content(), chain, images={})


def expired_leaf(chain: Chain) -> bytes:
    return resigned(unsigned(), make_chain(PASS_TYPE, TEAM, "Maison Lumière", NOW, days=-1))


def other_pass_type(chain: Chain) -> bytes:
    return make_pass(pass_content(passTypeIdentifier="pass.fr.autre"), chain)


def other_team(chain: Chain) -> bytes:
    return make_pass(pass_content(teamIdentifier="ZZ00000000"), chain)


def image_that_is_none(chain: Chain) -> bytes:
    return make_pass(pass_content(), chain, images={**IMAGES, "strip.png": b"\xff\xd8\xff\xe0"})


def image_too_large(chain: Chain) -> bytes:
    return make_pass(pass_content(), chain, images={**IMAGES, "logo.png": png(481, 150)})


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (pretty_without_binary, "signature: the digest is not that of manifest.json"),
        (without_attributes, "signature: the signed attribute contentType is missing"),
        (without_intermediate, "signature: the intermediate certificate"),
        (wrong_intermediate, "signature: the certificates do not chain"),
        (content_inside, "signature: the signed content is inside"),
        (changed_after_signing, "signature: the digest is not that"),
        (changed_file, "pass.json: the SHA-1"),
        (extra_file, "logo.png: the file is not in the manifest"),
        (missing_file, "icon@2x.png: the manifest lists a file that is missing"),
        (wrapper_folder, "pass.json: the file is missing at the root"),
        (directory_entry, "fr.lproj/: directory entries"),
        (data_descriptor, "the entry has a data descriptor"),
        (trailing_bytes, "bytes follow the end of the archive"),
        (leading_bytes, "does not begin with a ZIP entry"),
        (missing_icon, "icon.png: a pass needs an icon"),
        (expired_leaf, "not valid at the signing time"),
        (other_pass_type, "passTypeIdentifier: 'pass.fr.autre' is not the UID"),
        (other_team, "teamIdentifier: 'ZZ00000000' is not the OU"),
        (image_that_is_none, "strip.png: this is not a PNG image"),
        (image_too_large, "logo.png: 481 x 150 pixels"),
    ],
)
def test_a_broken_pass_is_refused_with_its_reason(chain: Chain, broken: Callable[[Chain], bytes], reason: str) -> None:
    with pytest.raises(PassRefused) as refusal:
        open_bundle(broken(chain), roots_pem=chain.root_pem)
    assert reason in str(refusal.value)


def test_a_signature_without_signing_time_alone_is_refused(chain: Chain) -> None:
    """The library always writes all three attributes; cut the one out and sign what is left again."""
    manifest = manifest_of(unsigned())
    outer, _ = decoder.decode(sign(manifest, chain), asn1Spec=rfc5652.ContentInfo())
    inner, _ = decoder.decode(outer["content"], asn1Spec=rfc5652.SignedData())
    info = inner["signerInfos"][0]
    kept = [one for one in info["signedAttrs"] if str(one["attrType"]) != "1.2.840.113549.1.9.5"]
    attributes = SetOf(componentType=rfc5652.Attribute())
    attributes.extend(kept)
    info["signedAttrs"].clear()
    info["signedAttrs"].extend(kept)
    key = serialization.load_pem_private_key(chain.key_pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    info["signature"] = key.sign(encoder.encode(attributes), padding.PKCS1v15(), hashes.SHA256())
    outer["content"] = AnyType(encoder.encode(inner))
    broken = zipped({**unsigned(), "manifest.json": manifest, "signature": encoder.encode(outer)})
    with pytest.raises(PassRefused, match="signingTime is missing"):
        open_bundle(broken, roots_pem=chain.root_pem)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"formatVersion": True}, "formatVersion"),
        ({"organizationName": ""}, "organizationName"),
        ({"coupon": {}}, "exactly one style"),
        ({"backgroundColor": "#1c2440"}, "backgroundColor"),
        ({"backgroundColor": "rgb(1, 2, 256)"}, "backgroundColor"),
        ({"expirationDate": "2027-12-31"}, "expirationDate"),
        ({"webServiceURL": "http://127.0.0.1", "authenticationToken": "x" * 16}, "webServiceURL"),
        ({"webServiceURL": "https://maisonlumiere.example/apple"}, "authenticationToken"),
        ({"locations": [{"latitude": 1, "longitude": 1}] * 11}, "locations"),
        ({"locations": [{"latitude": "45.7", "longitude": 4.8}]}, "locations[0].latitude"),
        ({"maxDistance": 0}, "maxDistance"),
        ({"barcodes": [{"format": "PKBarcodeFormatQR", "message": "€", "messageEncoding": "iso-8859-1"}]}, "barcodes"),
        ({"barcodes": {"format": "PKBarcodeFormatQR"}}, "barcodes"),
        ({"logoText": None}, "logoText"),
        (
            {"storeCard": {"headerFields": [{"key": "a", "value": 1}], "backFields": [{"key": "a", "value": 2}]}},
            "twice",
        ),
        ({"storeCard": {"primaryFields": [{"key": "a"}]}}, "storeCard.primaryFields[0].value"),
        ({"storeCard": {"primaryFields": [{"key": "a", "value": "1", "currencyCode": "EUR"}]}}, "currencyCode"),
        (
            {"storeCard": {"primaryFields": [{"key": "a", "value": "demain", "dateStyle": "PKDateStyleShort"}]}},
            "dateStyle",
        ),
    ],
)
def test_a_wrong_pass_json_is_refused_with_its_path(chain: Chain, changes: dict[str, Any], path: str) -> None:
    with pytest.raises(PassRefused) as refusal:
        open_bundle(make_pass(pass_content(**changes), chain), roots_pem=chain.root_pem)
    assert path in str(refusal.value)


def test_json_is_read_strictly(chain: Chain) -> None:
    good = compact(pass_content())
    for bad in (b"\xef\xbb\xbf" + good, good.replace(b"{", b'{"formatVersion":1,', 1), good[:-1] + b",}", b"[]"):
        files = {"pass.json": bad, **IMAGES}
        with pytest.raises(PassRefused, match=r"pass\.json"):
            open_bundle(resigned(files, chain), roots_pem=chain.root_pem)
