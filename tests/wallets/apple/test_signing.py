"""The signature, verified with code that did not make it: the openssl program and a structure read byte by byte."""

from __future__ import annotations

import hashlib
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import pkcs7
from pyasn1.codec.der import decoder, encoder
from pyasn1_modules import rfc5652

from tests.wallets.apple.conftest import NOW, Chain
from wallet_service.wallets.apple.certificates import PassIdentity, pem_of
from wallet_service.wallets.apple.passes import cms
from wallet_service.wallets.apple.passes.signing import ManifestSigner

MANIFEST = b'{"pass.json":"2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"}'


def openssl_verify(
    folder: Path, signature: bytes, content: bytes, chain: Chain, *purpose: str
) -> subprocess.CompletedProcess[str]:
    (folder / "signature").write_bytes(signature)
    (folder / "content").write_bytes(content)
    (folder / "root.pem").write_bytes(pem_of(chain.root))
    command = ["openssl", "cms", "-verify", "-inform", "DER", "-in", "signature", "-content", "content", "-binary"]
    command += ["-CAfile", "root.pem", *purpose, "-attime", str(int(NOW.timestamp())), "-out", "/dev/null"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_item_13_detached_signed_data_with_one_signer(identity: PassIdentity) -> None:
    signature = ManifestSigner(identity).sign(MANIFEST, at=NOW)
    info, rest = decoder.decode(signature, asn1Spec=rfc5652.ContentInfo())
    assert rest == b""
    assert encoder.encode(info) == signature, "not DER"
    signed, _ = decoder.decode(info["content"], asn1Spec=rfc5652.SignedData())
    assert str(info["contentType"]) == "1.2.840.113549.1.7.2"
    assert not signed["encapContentInfo"]["eContent"].isValue
    assert len(signed["signerInfos"]) == 1
    assert int(signed["signerInfos"][0]["version"]) == 1


def test_item_14_and_15_signed_attributes(identity: PassIdentity) -> None:
    """14: content type, digest and the signing time that was passed in; 15: the signature is over their DER SET."""
    signature = ManifestSigner(identity).sign(MANIFEST, at=NOW)
    info, _ = decoder.decode(signature, asn1Spec=rfc5652.ContentInfo())
    signed, _ = decoder.decode(info["content"], asn1Spec=rfc5652.SignedData())
    signer = signed["signerInfos"][0]
    attributes = {str(each["attrType"]): bytes(each["attrValues"][0]) for each in signer["signedAttrs"]}
    assert attributes["1.2.840.113549.1.9.3"] == bytes.fromhex("06092a864886f70d010701")
    assert attributes["1.2.840.113549.1.9.4"][2:] == hashlib.sha256(MANIFEST).digest()
    assert attributes["1.2.840.113549.1.9.5"] == b"\x17\x0d261121103000Z"
    as_set = rfc5652.SignedAttributes()
    as_set.extend(signer["signedAttrs"])
    identity.key.public_key().verify(
        bytes(signer["signature"]), encoder.encode(as_set), padding.PKCS1v15(), hashes.SHA256()
    )


def test_item_16_the_certificate_and_its_issuer_travel_along(identity: PassIdentity, chain: Chain) -> None:
    certificates = pkcs7.load_der_pkcs7_certificates(ManifestSigner(identity).sign(MANIFEST, at=NOW))
    assert {each.serial_number for each in certificates} == {
        chain.leaf.serial_number,
        chain.intermediate.serial_number,
    }


def test_item_17_openssl_verifies_and_one_changed_byte_fails(
    identity: PassIdentity, chain: Chain, tmp_path: Path
) -> None:
    signature = ManifestSigner(identity).sign(MANIFEST, at=NOW)
    assert openssl_verify(tmp_path, signature, MANIFEST, chain, "-purpose", "any").returncode == 0
    changed = bytes([MANIFEST[0] ^ 1]) + MANIFEST[1:]
    wrong = openssl_verify(tmp_path, signature, changed, chain, "-purpose", "any")
    assert wrong.returncode != 0
    assert "content verify error" in wrong.stderr
    assert openssl_verify(tmp_path, signature, MANIFEST, chain).returncode != 0, "the S/MIME purpose should not fit"


def test_item_21_a_manifest_with_newlines_verifies(identity: PassIdentity, chain: Chain, tmp_path: Path) -> None:
    pretty = b'{\n  "pass.json": "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"\n}\n'
    signature = ManifestSigner(identity).sign(pretty, at=NOW)
    assert openssl_verify(tmp_path, signature, pretty, chain, "-purpose", "any").returncode == 0


def test_item_09_equal_inputs_give_equal_bytes(identity: PassIdentity) -> None:
    assert ManifestSigner(identity).sign(MANIFEST, at=NOW) == ManifestSigner(identity).sign(MANIFEST, at=NOW)


def test_it_equals_the_library_at_the_same_instant(identity: PassIdentity) -> None:
    """Byte for byte what the library's own builder makes, which is slower and takes no signing time."""
    options = [
        pkcs7.PKCS7Options.DetachedSignature,
        pkcs7.PKCS7Options.Binary,
        pkcs7.PKCS7Options.NoCapabilities,
    ]
    builder = pkcs7.PKCS7SignatureBuilder().set_data(MANIFEST)
    builder = builder.add_signer(identity.leaf, identity.key, hashes.SHA256()).add_certificate(identity.intermediate)
    theirs = builder.sign(serialization.Encoding.DER, options)
    (signer,) = asn1.decode_der(cms.ContentInfo, theirs).content.signer_infos.as_list()
    assert signer.signed_attrs is not None
    times = [each.values.as_list()[0] for each in signer.signed_attrs if each.type == cms.SIGNING_TIME]
    at = datetime.strptime(bytes(times[0].data).decode(), "%y%m%d%H%M%SZ").replace(tzinfo=UTC)
    assert ManifestSigner(identity).sign(MANIFEST, at=at) == theirs


def test_openssl_reads_the_structure(identity: PassIdentity, tmp_path: Path) -> None:
    (tmp_path / "signature").write_bytes(ManifestSigner(identity).sign(MANIFEST, at=NOW))
    command = ["openssl", "asn1parse", "-inform", "DER", "-in", "signature"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "UTCTIME           :261121103000Z" in shown
    order = [shown.index(word) for word in (":contentType", ":signingTime", ":messageDigest")]
    assert order == sorted(order)


def test_years_that_utctime_cannot_say_are_refused(identity: PassIdentity) -> None:
    with pytest.raises(ValueError, match="2050"):
        ManifestSigner(identity).sign(MANIFEST, at=datetime(2050, 1, 1, tzinfo=UTC))
