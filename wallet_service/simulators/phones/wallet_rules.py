"""What Wallet demands of a `.pkpass` before it adds it: the archive, the manifest, the signature, `pass.json`.

Source: apple-wallet.md, sections 1, 2 and 8.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wallet_service.errors import Fault, Invalid
from wallet_service.simulators.phones.cms import Signer, verify_signature
from wallet_service.simulators.phones.pass_rules import pass_faults

APPLE_ROOT_PEM = Path(__file__).with_name("data").joinpath("AppleRootCA.pem").read_bytes()
MIME_TYPE = "application/vnd.apple.pkpass"
LIMIT_BYTES = 20_000_000

# Largest width and height at @3x, in pixels.
_IMAGE_LIMITS = {
    "icon": (114, 114),
    "logo": (480, 150),
    "strip": (1125, 432),
    "thumbnail": (270, 270),
    "background": (1029, 1509),
    "footer": (858, 45),
    "primaryLogo": (378, 90),
    "secondaryLogo": (405, 36),
    "artwork": (1074, 1344),
}
_LITTER = re.compile(r"(^|/)(\.DS_Store|Thumbs\.db)$|^__MACOSX/")


class PassRefused(Invalid):
    """Wallet does not add this pass; `faults` say why, each with the file or key that is wrong."""


@dataclass(frozen=True)
class PassBundle:
    """A pass that Wallet accepts: its files, its `pass.json` and who signed it."""

    data: bytes
    files: Mapping[str, bytes]
    content: Mapping[str, Any]
    signer: Signer

    @property
    def pass_type_id(self) -> str:
        """The pass type identifier."""
        return str(self.content["passTypeIdentifier"])

    @property
    def serial_number(self) -> str:
        """The serial number."""
        return str(self.content["serialNumber"])


def open_bundle(data: bytes, *, roots_pem: bytes = APPLE_ROOT_PEM, allow_http: bool = False) -> PassBundle:
    """Open a pass as Wallet does.

    Args:
        data: the `.pkpass` file.
        roots_pem: trusted roots; Apple's, or the development root.
        allow_http: accept a plain-http web service, as a phone with the developer switch does.

    Raises:
        PassRefused: Wallet would not add it.
    """
    try:
        files = _unpack(data)
        _check_manifest(files)
        signer = verify_signature(files["signature"], files["manifest.json"], roots_pem)
        content = _strict_json("pass.json", files["pass.json"])
        faults = [*pass_faults(content, allow_http=allow_http), *_image_faults(files)]
        if not faults:
            faults = _identity_faults(content, signer)
    except PassRefused:
        raise
    except Invalid as error:
        raise PassRefused(*error.faults) from error
    if faults:
        raise PassRefused(*faults)
    return PassBundle(data, files, content, signer)


def _image_fault(name: str, data: bytes) -> str | None:
    """What is wrong with one image, None if nothing."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR" or len(data) < 24:
        return "this is not a PNG image"
    width, height = struct.unpack(">II", data[16:24])
    stem = re.sub(r"(@[23]x)?\.png$", "", name.rpartition("/")[2])
    limit = _IMAGE_LIMITS.get(stem)
    if width == 0 or height == 0 or (limit and (width > limit[0] or height > limit[1])):
        return f"{width} x {height} pixels is outside what Wallet draws" + (f" (at most {limit})" if limit else "")
    return None


def _refused(path: str, reason: str) -> PassRefused:
    return PassRefused(Fault(path, reason))


def _unpack(data: bytes) -> dict[str, bytes]:
    if not data.startswith(b"PK\x03\x04"):
        raise _refused("", "the file does not begin with a ZIP entry")
    if data[-22:-18] != b"PK\x05\x06":
        raise _refused("", "bytes follow the end of the archive, or it has a comment")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > LIMIT_BYTES:
                raise _refused("", "the unpacked pass is too large")
            for info in archive.infolist():
                _check_entry(info, data)
            files = {info.filename: archive.read(info) for info in archive.infolist()}
            if len(files) != len(archive.infolist()):
                raise _refused("", "two entries have the same name")
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise _refused("", f"this is not a readable ZIP archive: {error}") from error
    for name in ("pass.json", "manifest.json", "signature"):
        if name not in files:
            raise _refused(name, "the file is missing at the root of the archive")
    if not any(f"icon{scale}.png" in files for scale in ("", "@2x", "@3x")):
        raise _refused("icon.png", "a pass needs an icon")
    return files


def _check_entry(info: zipfile.ZipInfo, data: bytes) -> None:
    name = info.filename
    # The local header repeats flags and extra field; readers that stream see those.
    flags = struct.unpack_from("<H", data, info.header_offset + 6)[0]
    extra_length = struct.unpack_from("<H", data, info.header_offset + 28)[0]
    wrong = {
        "directory entries are not allowed": name.endswith("/"),
        "the name must be ASCII, relative, with / and without ..": not name.isascii()
        or name.startswith("/")
        or ".." in name.split("/")
        or "\\" in info.orig_filename,
        "the entry is neither stored nor deflated": info.compress_type
        not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
        "the entry is encrypted": bool((info.flag_bits | flags) & 0x1),
        "the entry has a data descriptor": bool((info.flag_bits | flags) & 0x8),
        "the entry has an extra field": bool(info.extra) or extra_length > 0,
        "this file does not belong in a pass": bool(_LITTER.search(name)),
    }
    for reason, found in wrong.items():
        if found:
            raise _refused(name, reason)


def _check_manifest(files: Mapping[str, bytes]) -> None:
    manifest = _strict_json("manifest.json", files["manifest.json"])
    if not isinstance(manifest, dict):
        raise _refused("manifest.json", "this must be an object")
    listed, present = set(manifest), set(files) - {"manifest.json", "signature"}
    for name in sorted(present - listed):
        raise _refused(name, "the file is not in the manifest")
    for name in sorted(listed - present):
        raise _refused(name, "the manifest lists a file that is missing")
    for name, digest in manifest.items():
        if digest != hashlib.sha1(files[name], usedforsecurity=False).hexdigest():
            raise _refused(name, "the SHA-1 in the manifest is not that of the file")


def _strict_json(name: str, data: bytes) -> Any:
    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(keys) != len(set(keys)):
            raise ValueError("a key appears twice")
        return dict(pairs)

    def no_constants(text: str) -> Any:
        raise ValueError(f"{text} is not JSON")

    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=no_duplicates, parse_constant=no_constants)
    except ValueError as error:
        raise _refused(name, f"this is not strict UTF-8 JSON: {error}") from error


def _image_faults(files: Mapping[str, bytes]) -> list[Fault]:
    found = ((name, _image_fault(name, data)) for name, data in files.items() if name.endswith(".png"))
    return [Fault(name, reason) for name, reason in found if reason]


def _identity_faults(content: Mapping[str, Any], signer: Signer) -> list[Fault]:
    pairs = (
        ("passTypeIdentifier", signer.pass_type_id, "UID"),
        ("teamIdentifier", signer.team_id, "OU"),
    )
    return [
        Fault(f"pass.json: {key}", f"{content[key]!r} is not the {part} of the signing certificate, {value!r}")
        for key, value, part in pairs
        if content[key] != value
    ]
