"""The archive, read with other code than wrote it (checklist 1 to 10, 22, 29)."""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import subprocess
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.wallets.apple.conftest import CARD, NOW, PROGRAM, SERVICE, Chain, card_with, files_of, make_template
from tests.wallets.apple.test_signing import openssl_verify
from wallet_service.cards.content import Stamps
from wallet_service.errors import Invalid
from wallet_service.offers.facts import Place
from wallet_service.wallets.apple.certificates import PassIdentity
from wallet_service.wallets.apple.passes.archive import PassBuilder


def test_item_01_it_opens(bundle: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        assert archive.testzip() is None
    (tmp_path / "card.pkpass").write_bytes(bundle)
    tested = subprocess.run(["unzip", "-t", "card.pkpass"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_item_02_what_must_be_there(bundle: bytes) -> None:
    names = list(files_of(bundle))
    assert names[:3] == ["pass.json", "manifest.json", "signature"]
    assert names[3:] == sorted(names[3:])
    assert {"icon.png", "icon@2x.png", "icon@3x.png"} <= set(names)


def test_item_03_and_05_names(bundle: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        names = archive.namelist()
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z]+(@[23]x)?\.(png|json)|signature", name) for name in names)


def test_item_04_headers(bundle: bytes) -> None:
    """Methods, flags, extra fields and comments, in the directory and in the local headers."""
    assert bundle.startswith(b"PK\x03\x04")
    assert bundle[-22:-18] == b"PK\x05\x06", "nothing follows the end record, and it has no comment"
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        for info in archive.infolist():
            assert info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            assert info.flag_bits == 0
            assert (info.extra, info.comment) == (b"", b"")
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            header = struct.unpack_from("<4sHHHHHIIIHH", bundle, info.header_offset)
            assert header[0] == b"PK\x03\x04"
            assert header[2:5] == (0, info.compress_type, 0)
            assert header[6:9] == (info.CRC, info.compress_size, info.file_size)
            assert header[10] == 0


def test_item_06_and_07_manifest(bundle: bytes) -> None:
    files = files_of(bundle)
    manifest = json.loads(files["manifest.json"])
    assert set(manifest) == set(files) - {"manifest.json", "signature"}
    for name, digest in manifest.items():
        assert re.fullmatch(r"[0-9a-f]{40}", digest)
        assert digest == hashlib.sha1(files[name]).hexdigest()


def test_item_08_strict_json(bundle: bytes) -> None:
    def no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    files = files_of(bundle)
    for name in ("manifest.json", "pass.json"):
        assert not files[name].startswith(b"\xef\xbb\xbf")
        json.loads(files[name].decode("utf-8"), object_pairs_hook=no_repeats)
    assert not set(files["manifest.json"]) & set(b"\r\n")


def test_item_09_reproducible(identity: PassIdentity, bundle: bytes) -> None:
    assert PassBuilder(identity, web_service_url=SERVICE).build(CARD, at=NOW) == bundle
    later = files_of(PassBuilder(identity, web_service_url=SERVICE).build(CARD, at=NOW + timedelta(seconds=1)))
    now = files_of(bundle)
    assert later.pop("signature") != now.pop("signature")
    assert later == now


def test_item_17_the_signature_holds(bundle: bytes, chain: Chain, tmp_path: Path) -> None:
    files = files_of(bundle)
    verified = openssl_verify(tmp_path, files["signature"], files["manifest.json"], chain, "-purpose", "any")
    assert verified.returncode == 0, verified.stderr


def test_item_22_the_key_is_not_in_the_bundle(bundle: bytes, identity: PassIdentity) -> None:
    numbers = identity.key.private_numbers()
    for secret in (numbers.d, numbers.p, numbers.q):
        assert secret.to_bytes((secret.bit_length() + 7) // 8, "big") not in bundle
    assert b"PRIVATE KEY" not in bundle


def test_item_29_serial_and_token_stay(builder: PassBuilder) -> None:
    documents = [
        json.loads(files_of(builder.build(card, at=NOW))["pass.json"])
        for card in (CARD, replace(card_with(voided=True), version=8))
    ]
    for key in ("serialNumber", "authenticationToken", "passTypeIdentifier"):
        assert documents[0][key] == documents[1][key]


def test_only_what_changes_is_made_again(builder: PassBuilder, bundle: bytes) -> None:
    other = files_of(builder.build(card_with(voided=True), at=NOW))
    for name, body in files_of(bundle).items():
        if name.endswith(".png"):
            assert other[name] == body
    assert other["pass.json"] != files_of(bundle)["pass.json"]


def test_stamps_draw_their_own_strip(builder: PassBuilder, bundle: bytes) -> None:
    three = files_of(builder.build(card_with(stamps=Stamps(earned=3, total=10)), at=NOW))
    four = files_of(builder.build(card_with(stamps=Stamps(earned=4, total=10)), at=NOW))
    assert len({files["strip@3x.png"] for files in (three, four, files_of(bundle))}) == 3
    assert three["logo.png"] == four["logo.png"]
    assert json.loads(four["manifest.json"])["strip.png"] == hashlib.sha1(four["strip.png"]).hexdigest()


def test_wrong_passes_are_not_signed(builder: PassBuilder) -> None:
    places = tuple(Place(store_id=str(number), latitude=45, longitude=number) for number in range(11))
    with pytest.raises(Invalid, match="locations"):
        builder.build(card_with(places=places), at=NOW)
    with pytest.raises(Invalid, match=r"passTypeIdentifier: is pass\.example\.other"):
        builder.build(replace(CARD, program=replace(PROGRAM, pass_type_id="pass.example.other")), at=NOW)
    with pytest.raises(Invalid, match=r"images\.icon"):
        builder.build(card_with(template=make_template(images={})), at=NOW)


def test_a_personalization_token_is_signed(builder: PassBuilder, chain: Chain, tmp_path: Path) -> None:
    """Item 66, the signature: detached, over the token's bytes."""
    signature = builder.sign(b"token-of-the-phone", at=NOW)
    assert openssl_verify(tmp_path, signature, b"token-of-the-phone", chain, "-purpose", "any").returncode == 0
