"""Hostile archives: the linter answers each within bounds of memory and time, and never falls over."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

from click.testing import CliRunner

from tests.wallets.apple.conftest import CARD, NOW, SERVICE, Chain
from wallet_service.cli.passes import passes
from wallet_service.wallets.apple.certificates import PassIdentity, pem_of
from wallet_service.wallets.apple.checking.check import check_bundle, check_passes, check_path
from wallet_service.wallets.apple.passes.archive import PassBuilder

MEMORY_BYTES, SECONDS = 700 * 1024 * 1024, 60

BOUNDED = f"""
import resource, sys, time, pathlib
from datetime import UTC, datetime
from wallet_service.wallets.apple.certificates import apple_trust
from wallet_service.wallets.apple.checking.check import check_path
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY_BYTES}, {MEMORY_BYTES}))
resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS}, {SECONDS}))
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    started = time.process_time()
    findings = check_path(path, now=datetime(2026, 11, 21, tzinfo=UTC), trust=apple_trust())
    assert findings, path
    print(path.name, len(findings), round(time.process_time() - started, 2), findings[0], flush=True)
"""


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return out.getvalue()


def overlapping(count: int, size: int) -> bytes:
    """A bomb whose directory lines all point at one deflated file."""
    body = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = body.compress(bytes(size)) + body.flush()
    crc = zlib.crc32(bytes(size))
    sizes = (crc, len(packed), size, 1, 0)
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 33, *sizes) + b"a" + packed
    line = struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 20, 0, 8, 0, 33, *sizes, 0, 0, 0, 0, 0) + b"a"
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, count, count, len(line) * count, len(local), 0)
    return local + line * count + end


def hostile(good: bytes) -> dict[str, bytes]:
    """File name → bytes."""
    deep = b"[" * 900 + b"]" * 900
    bomb = zipped({"pass.json": bytes(200_000_000), "manifest.json": b"{}", "signature": b"x", "icon.png": b"x"})
    many = {f"{number}": b"" for number in range(100_000)}
    nested = zipped({"a.pkpass": zipped({"a.pkpass": bomb})})
    parts = {"icon.png": b"x", "signature": b"x", "manifest.json": b"{}"}
    lying = bytearray(good)
    end = lying.rindex(b"PK\x05\x06")
    lying[end + 8 : end + 12] = b"\xff\xff\xff\xff"
    crc = bytearray(good)
    crc[14:18] = b"\0\0\0\0"
    crc[crc.index(b"PK\x01\x02") + 16 : crc.index(b"PK\x01\x02") + 20] = b"\0\0\0\0"
    return {
        "bomb.pkpass": bomb,
        "overlap.pkpass": overlapping(400, 10_000_000),
        "many.pkpass": zipped(many, zipfile.ZIP_STORED),
        "many.pkpasses": zipped(many, zipfile.ZIP_STORED),
        "nested.pkpasses": nested,
        "truncated.pkpass": good[: len(good) // 2],
        "no-end.pkpass": good[:-22],
        "lying-count.pkpass": bytes(lying),
        "wrong-crc.pkpass": bytes(crc),
        "deep-json.pkpass": zipped(parts | {"pass.json": deep}),
        "deep-object.pkpass": zipped(parts | {"pass.json": b'{"userInfo":' * 900 + b"1" + b"}" * 900}),
        "quotes.pkpass": zipped(parts | {"pass.json": b"{}", "fr.lproj/pass.strings": b'"' + b'\\"' * 490_000}),
        "slashes.pkpass": zipped(parts | {"pass.json": b"{}", "fr.lproj/pass.strings": b"/*" * 490_000}),
        "numbers.pkpass": zipped(parts | {"pass.json": b'{"formatVersion": ' + b"9" * 5_000_000 + b"}"}),
        "ats.pkpass": zipped(parts | {"pass.json": _document_with("@" * 5_000_000)}),
        "codec.pkpass": zipped(parts | {"pass.json": _document_with("x", "punycode", "é" * 2_000_000)}),
        "undefined-codec.pkpass": zipped(parts | {"pass.json": _document_with("x", "undefined")}),
        "idna.pkpass": zipped(parts | {"pass.json": _document_with("x", "idna", "é" * 300)}),
        "der.pkpass": zipped(parts | {"pass.json": b"{}", "signature": b"\x30\x84\x7f\xff\xff\xff" + bytes(1000)}),
        "zip64.pkpass": good[:-22] + b"PK\x06\x07" + bytes(16) + good[-22:],
        "empty.pkpass": b"",
        "nothing.pkpass": b"PK\x05\x06" + bytes(18),
    }


def _document_with(value: str, encoding: str = "utf-8", message: str = "x") -> bytes:
    document = {
        "formatVersion": 1, "passTypeIdentifier": "pass.a", "serialNumber": "12345678", "teamIdentifier": "T",
        "organizationName": "O", "description": "D",
        "barcodes": [{"format": "PKBarcodeFormatQR", "message": message, "messageEncoding": encoding}],
        "storeCard": {"backFields": [{"key": "a", "value": value, "attributedValue": "<" * 1000}]},
    }  # fmt: skip
    return json.dumps(document).encode()


def test_hostile_archives_are_answered_within_bounds(identity: PassIdentity, tmp_path: Path) -> None:
    good = PassBuilder(identity, web_service_url=SERVICE).build(CARD, at=NOW)
    files = hostile(good)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    ran = subprocess.run(
        [sys.executable, "-c", BOUNDED, str(tmp_path)], capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert len(ran.stdout.splitlines()) == len(files)


def test_a_bundle_of_passes(identity: PassIdentity, chain: Chain, tmp_path: Path) -> None:
    """Item 82, read: 2 to 10 passes, each checked, each finding under its pass's name."""
    good = PassBuilder(identity, web_service_url=SERVICE).build(CARD, at=NOW)
    two = zipped({"one.pkpass": good, "two.pkpass": good + b"\n"}, zipfile.ZIP_STORED)
    (finding,) = check_passes(two, now=NOW, trust=chain.trust)
    assert finding.path == "two.pkpass: archive"
    path = tmp_path / "cards.pkpasses"
    path.write_bytes(zipped({f"{number}.pkpass": good for number in range(11)}))
    (refused,) = check_path(path, now=NOW, trust=chain.trust)
    assert "more than 10 files" in refused.message
    alone = check_passes(zipped({"one.pkpass": good}), now=NOW, trust=chain.trust)
    assert [one.severity for one in alone] == ["warning"]


def test_a_folder_is_checked_before_it_is_packed(identity: PassIdentity, chain: Chain, tmp_path: Path) -> None:
    good = PassBuilder(identity, web_service_url=SERVICE).build(CARD, at=NOW)
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        for name in archive.namelist():
            if name not in ("manifest.json", "signature"):
                (tmp_path / name).write_bytes(archive.read(name))
    assert check_path(tmp_path, now=NOW, trust=chain.trust) == []
    (tmp_path / "icon.png").unlink()
    (tmp_path / ".DS_Store").write_bytes(b"x")
    assert [one.path for one in check_path(tmp_path, now=NOW, trust=chain.trust)] == [".DS_Store"]


def test_exit_codes(identity: PassIdentity, chain: Chain, tmp_path: Path) -> None:
    """0: good, or warnings alone; 1: errors; 2: nothing to check."""
    (tmp_path / "root.pem").write_bytes(pem_of(chain.root))
    (tmp_path / "good.pkpass").write_bytes(PassBuilder(identity, web_service_url=SERVICE).build(CARD, at=NOW))
    (tmp_path / "bad.pkpass").write_bytes(b"nothing")
    root = ["--root", str(tmp_path / "root.pem")]
    clock = {"WALLET_CLOCK": f"file:{tmp_path / 'now'}"}
    (tmp_path / "now").write_text(NOW.isoformat())

    def run(*arguments: str) -> tuple[int, str]:
        told = CliRunner().invoke(passes, ["check", *arguments, *root], env=clock)
        return told.exit_code, told.output

    assert run(str(tmp_path / "good.pkpass"))[0] == 0
    assert run(str(tmp_path / "good.pkpass"), str(tmp_path / "bad.pkpass"))[0] == 1
    assert run(str(tmp_path / "absent.pkpass"))[0] == 2
    code, output = run(str(tmp_path / "bad.pkpass"), "--json")
    assert code == 1
    assert json.loads(output)[0] | {"message": "", "remedy": ""} == {
        "file": str(tmp_path / "bad.pkpass"), "rule": "1", "path": "archive", "severity": "error", "message": "",
        "remedy": "", "source": "Apple, Building a Pass",
    }  # fmt: skip


def test_damage_anywhere_is_found_and_never_a_crash(identity: PassIdentity, chain: Chain) -> None:
    """Every byte of the headers and texts, flipped: either Wallet would not notice, or the linter does."""
    good = PassBuilder(identity, web_service_url=SERVICE).build(CARD, at=NOW)
    texts = good.index(b"\x89PNG")
    missed = 0
    for place in range(0, texts, 5):
        damaged = good[:place] + bytes([good[place] ^ 0x55]) + good[place + 1 :]
        missed += not check_bundle(damaged, now=NOW, trust=chain.trust)
    assert missed < texts // 5 * 0.03, "only times and versions in headers say nothing"
