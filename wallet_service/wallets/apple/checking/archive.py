"""Reading a `.pkpass` without trusting it: lines 1 to 5 of the conformance checklist, in bounded memory.

Apple publishes no profile of ZIP. What Wallet cannot read is an error; what `zip -r`, `ditto` and streaming writers put
into most passes that Wallet takes is told as a note.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wallet_service.wallets.apple.findings import Finding

MOST_BYTES = 32 * 1024 * 1024
"""Of the archive, and of all its files unpacked."""
MOST_ENTRIES = 500
MOST_BUNDLE_BYTES, MOST_PASSES = 150_000_000, 10
"""Apple's limits of a `.pkpasses`."""
_LARGEST_DIRECTORY = 1024 * 1024
"""Bytes of an archive's directory that are read at all; an entry's line has 46 and its name."""
_END_RECORD, _ZIP64_LOCATOR = b"PK\x05\x06", b"PK\x06\x07"
_END_SIZE, _LOCATOR_SIZE, _LONGEST_COMMENT = 22, 20, 65535
_ENCRYPTED, _DATA_DESCRIPTOR = 0x01, 0x08
_JUNK = (".DS_Store", "Thumbs.db", "__MACOSX")
_BUILD_AGAIN = "build the archive with a writer that seeks, without extras"


@dataclass(frozen=True)
class OpenedBundle:
    """The files that could be read, and everything that is wrong with how they are packed."""

    files: dict[str, bytes]
    findings: tuple[Finding, ...]


def open_bundle(data: bytes) -> OpenedBundle:
    """Read every file of an archive that may be damaged or hostile. Never raises for what it holds."""
    opened = _unpacked(data, most_bytes=MOST_BYTES, most_entries=MOST_ENTRIES)
    return OpenedBundle(opened.files, (*opened.findings, *_required(opened.files))) if opened.files else opened


def open_passes(data: bytes) -> OpenedBundle:
    """Read every pass of a `.pkpasses`: a plain archive of `.pkpass` files, without manifest or signature."""
    opened = _unpacked(data, most_bytes=MOST_BUNDLE_BYTES, most_entries=MOST_PASSES)
    strangers = [
        Finding("82", name, "is not a .pkpass at the root", "pack passes only")
        for name in opened.files
        if not name.endswith(".pkpass") or "/" in name
    ]
    few = Finding("82", "archive", "holds fewer than two passes", "send the .pkpass itself", "warning")
    passes = {name: body for name, body in opened.files.items() if name.endswith(".pkpass")}
    findings = [*opened.findings, *strangers, *([few] if opened.files and len(passes) < 2 else [])]
    return OpenedBundle(passes, tuple(findings))


def open_folder(folder: Path) -> OpenedBundle:
    """Read the files of a pass that is not packed yet; manifest and signature need not be there."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    if len(paths) > MOST_ENTRIES or sum(path.stat().st_size for path in paths) > MOST_BYTES:
        return _unreadable(f"holds more than {MOST_ENTRIES} files or {MOST_BYTES // 2**20} MB")
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    findings = [*_names(list(files)), *(one for one in _required(files) if one.path not in _MADE_ON_SIGNING)]
    return OpenedBundle(files, tuple(findings))


_MADE_ON_SIGNING = ("manifest.json", "signature")


def _unpacked(data: bytes, *, most_bytes: int, most_entries: int) -> OpenedBundle:
    if len(data) > most_bytes:
        return _unreadable(f"is larger than {most_bytes // 2**20} MB")
    if (words := _hostile_directory(data)) is not None:
        return _unreadable(words)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, OverflowError) as error:
        return _unreadable(f"is not a ZIP archive: {error}")
    with archive:
        entries = archive.infolist()
        if len(entries) > most_entries or sum(entry.file_size for entry in entries) > most_bytes:
            return _unreadable(f"holds more than {most_entries} files or {most_bytes // 2**20} MB")
        findings = [*_frame(data, archive), *_names([entry.orig_filename for entry in entries])]
        files: dict[str, bytes] = {}
        for entry in entries:
            findings += _headers(data, entry)
            if not entry.orig_filename.endswith("/"):
                body = _read(archive, entry)
                if body is None:
                    findings.append(Finding("1", entry.orig_filename, "cannot be unpacked or is damaged", _BUILD_AGAIN))
                else:
                    files.setdefault(entry.orig_filename, body)
        findings += _harmless(data, entries)
    return OpenedBundle(files, tuple(findings))


def _hostile_directory(data: bytes) -> str | None:
    """What forbids even listing the archive: the reader would make an object for each line of its directory."""
    end = data.rfind(_END_RECORD, max(0, len(data) - _END_SIZE - _LONGEST_COMMENT))
    if end < 0 or end + _END_SIZE > len(data):
        return None
    if data[max(0, end - _LOCATOR_SIZE) : end].startswith(_ZIP64_LOCATOR):
        return "is a ZIP64 archive, which no pass needs to be"
    if int.from_bytes(data[end + 12 : end + 16], "little") > _LARGEST_DIRECTORY:
        return f"holds more than {MOST_ENTRIES} files"
    return None


def is_junk(name: str) -> bool:
    """Whether a file is one of those that systems leave behind in folders."""
    return any(part in _JUNK for part in name.split("/"))


def _unreadable(words: str) -> OpenedBundle:
    return OpenedBundle({}, (Finding("1", "archive", words, "send the .pkpass file itself"),))


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes | None:
    try:
        with archive.open(entry) as stream:
            body = stream.read(entry.file_size + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError, zlib.error):
        return None
    return body if len(body) == entry.file_size else None


def _frame(data: bytes, archive: zipfile.ZipFile) -> Iterator[Finding]:
    if not data.startswith(b"PK\x03\x04"):
        words = "something stands before its first file: iPhones open it, Macs and Android readers do not"
        yield Finding("4", "archive", words, _BUILD_AGAIN, "warning")
    if archive.comment:
        yield Finding("4", "archive", "has a comment", _BUILD_AGAIN, "note")
    elif data[-_END_SIZE : -_END_SIZE + 4] != _END_RECORD:
        yield Finding("4", "archive", "something follows its end", _BUILD_AGAIN, "warning")


def _names(names: list[str]) -> Iterator[Finding]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Finding("3", name, f"is there {count} times", "keep one")
        if name.endswith("/"):
            words = "is a folder's own entry; previews on iPhones have stumbled over such"
            yield Finding("3", name, words, "pack files only", "warning")
        if name.startswith("/") or ".." in name.split("/") or "\\" in name or "\0" in name:
            yield Finding("3", name, "is not a plain relative name", "rename it")
        elif not name.isascii():
            yield Finding("3", name, "is not an ASCII name", "rename it", "warning")
        if is_junk(name):
            yield Finding("5", name, "does not belong in a pass", "leave it out, also of the manifest", "warning")


def _headers(data: bytes, entry: zipfile.ZipInfo) -> Iterator[Finding]:
    path = entry.orig_filename
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        yield Finding("4", path, "is packed with another method than store and deflate", _BUILD_AGAIN)
    if entry.flag_bits & _ENCRYPTED:
        yield Finding("4", path, "is encrypted", _BUILD_AGAIN)
    if not _whole_extra(entry.extra) or not _whole_extra(_local_extra(data, entry)):
        yield Finding("4", path, "has an extra field that is cut short", _BUILD_AGAIN)


def _harmless(data: bytes, entries: list[zipfile.ZipInfo]) -> Iterator[Finding]:
    """What Wallet takes and other readers may not; told once, for every file of an archive has it alike."""
    streamed = sum(bool(entry.flag_bits & _DATA_DESCRIPTOR) for entry in entries)
    if streamed:
        words = f"{streamed} of {len(entries)} files have a data descriptor: they were written to a stream"
        yield Finding("4", "archive", words, _BUILD_AGAIN, "note")
    extra = sum(bool(entry.extra or _local_extra(data, entry)) for entry in entries)
    if extra:
        words = f"{extra} of {len(entries)} files have an extra field: times or owners, as `zip` writes them"
        yield Finding("4", "archive", words, "pack with `zip -X`, or a writer without extras", "note")


def _local_extra(data: bytes, entry: zipfile.ZipInfo) -> bytes:
    """The extra field of the entry's own header, which need not be the directory's."""
    lengths = data[entry.header_offset + 26 : entry.header_offset + 30]
    name, extra = int.from_bytes(lengths[:2], "little"), int.from_bytes(lengths[2:], "little")
    start = entry.header_offset + 30 + name
    return data[start : start + extra]


def _whole_extra(extra: bytes) -> bool:
    """Whether an extra field is a row of whole records (id, size, bytes); phones have failed on others."""
    place = 0
    while place + 4 <= len(extra):
        place += 4 + int.from_bytes(extra[place + 2 : place + 4], "little")
    return place == len(extra)


def _required(files: dict[str, bytes]) -> Iterator[Finding]:
    for name in ("pass.json", "manifest.json", "signature"):
        if name not in files:
            wrapped = next((other for other in files if other.endswith(f"/{name}")), None)
            words = f"is at {wrapped}, not at the root" if wrapped else "is missing"
            yield Finding("2", name, words, "pack the folder's contents, not the folder")
    if not {"icon.png", "icon@2x.png", "icon@3x.png"} & files.keys():
        yield Finding("2", "icon.png", "is missing in every size, and Wallet opens no pass without one", "add it")
