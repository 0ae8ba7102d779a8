"""Checking any pass, ours or not, against the rules: `pass check`. Damaged and hostile files are welcome here."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from wallet_service.wallets.apple.archive_check import open_bundle
from wallet_service.wallets.apple.certificates import Trust
from wallet_service.wallets.apple.findings import Finding
from wallet_service.wallets.apple.pass_rules import Rules, findings_in
from wallet_service.wallets.apple.signature_check import signature_findings

_OUTSIDE_MANIFEST = {"manifest.json", "signature"}
_LARGEST_SCALE = 3
_PNG = b"\x89PNG\r\n\x1a\n"
_IMAGE = re.compile(r"(?:(?P<folder>[^/]+)/)?(?P<stem>[A-Za-z]+)(?:@(?P<scale>[23])x)?\.png")
_LPROJ = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*\.lproj")
_POINTS: Mapping[str, tuple[int, int]] = {
    "icon": (38, 38), "logo": (160, 50), "strip": (375, 144), "thumbnail": (90, 90), "background": (343, 503),
    "footer": (286, 15), "primaryLogo": (126, 30), "secondaryLogo": (135, 12), "artwork": (358, 448),
    "personalizationLogo": (150, 40),
}  # fmt: skip
"""Largest sizes, points (Human Interface Guidelines and older guidance together)."""


def check_bundle(data: bytes, *, now: datetime, trust: Trust) -> list[Finding]:
    """Everything that is wrong with a `.pkpass`, worst first; empty for a pass that Wallet takes.

    Args:
        data: the file's bytes, whatever they are.
        now: for what has expired.
        trust: whose signatures count: Apple's, or a development root's.
    """
    opened = open_bundle(data)
    files, findings = opened.files, [*opened.findings]
    manifest = document = None
    if "manifest.json" in files:
        manifest, faults = _strict_json("manifest.json", files["manifest.json"], one_line=True)
        findings += faults
    if "pass.json" in files:
        document, faults = _strict_json("pass.json", files["pass.json"])
        findings += faults
    if manifest is not None:
        findings += _manifest(manifest, files)
    findings += _images(files)
    findings += _localizations(files, document or {})
    if "signature" in files and "manifest.json" in files:
        named = {key: _text(document, key) for key in ("passTypeIdentifier", "teamIdentifier")}
        findings += signature_findings(
            files["signature"],
            files["manifest.json"],
            pass_type_id=named["passTypeIdentifier"],
            team_id=named["teamIdentifier"],
            now=now,
            trust=trust,
        )
    if document is not None:
        rules = Rules(ours=False, plain_http=trust.pinned_intermediate is None, now=now)
        for finding in findings_in(document, rules):
            path = f"pass.json {finding.path}"
            findings.append(Finding(finding.rule, path, finding.message, finding.remedy, finding.severity))
    return sorted(findings, key=lambda finding: (finding.severity != "error", int(finding.rule)))


def _text(document: Mapping[str, Any] | None, key: str) -> str | None:
    value = (document or {}).get(key)
    return value if isinstance(value, str) else None


class _Repeated(ValueError):
    """A key stands twice in one object."""


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise _Repeated(key)
        found[key] = value
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _strict_json(name: str, body: bytes, *, one_line: bool = False) -> tuple[dict[str, Any] | None, list[Finding]]:
    findings = []
    if one_line and (b"\n" in body or b"\r" in body):
        words = "has line breaks, which some signers change before they sign"
        findings.append(Finding("8", name, words, "write it in one line", "warning"))
    try:
        if body.startswith(b"\xef\xbb\xbf"):
            raise ValueError("it begins with a byte order mark")
        document = json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except _Repeated as error:
        return None, [*findings, Finding("8", name, f"has the key {error} twice", "keep one")]
    except (ValueError, RecursionError) as error:
        return None, [
            *findings,
            Finding("8", name, f"is not strict JSON in UTF-8: {error}", "write it with a JSON library"),
        ]
    if not isinstance(document, dict):
        return None, [*findings, Finding("8", name, "is not a JSON object", "write an object")]
    return document, findings


def _manifest(manifest: Mapping[str, object], files: Mapping[str, bytes]) -> Iterator[Finding]:
    packed = files.keys() - _OUTSIDE_MANIFEST
    for name in sorted(packed - manifest.keys()):
        yield Finding("6", f"manifest.json {name}", "is packed and not listed", "list it")
    for name in sorted(manifest.keys() - packed):
        yield Finding("6", f"manifest.json {name}", "is listed and not packed", "pack it or remove the line")
    for name in sorted(manifest.keys() & packed):
        path, digest = f"manifest.json {name}", manifest[name]
        if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{40}", digest):
            yield Finding("7", path, "is not a SHA-1 in lower-case hex", "write 40 hex digits")
        elif digest != hashlib.sha1(files[name]).hexdigest():  # noqa: S324  (Apple's manifest is SHA-1)
            yield Finding("7", path, "is not the SHA-1 of the packed file", "make the manifest from the packed bytes")


def _images(files: Mapping[str, bytes]) -> Iterator[Finding]:
    at_root = {match["stem"] for name in files if (match := _IMAGE.fullmatch(name)) and not match["folder"]}
    for name, body in sorted(files.items()):
        if not name.endswith(".png"):
            continue
        match = _IMAGE.fullmatch(name)
        size = struct.unpack_from(">II", body, 16) if body.startswith(_PNG) and len(body) >= 24 else (0, 0)
        if 0 in size:
            yield Finding("10", name, "is not a PNG image", "save it as PNG")
        elif match is not None and match["stem"] in _POINTS:
            yield from _size(name, size, _POINTS[match["stem"]], int(match["scale"] or 1))
        if match is not None and match["folder"] and match["stem"] in at_root:
            yield Finding("11", name, "is also at the root, which wins", "keep one of the two")


def _size(name: str, size: tuple[int, ...], points: tuple[int, int], scale: int) -> Iterator[Finding]:
    def beyond(factor: int) -> bool:
        return any(found > limit * factor for found, limit in zip(size, points, strict=True))

    if beyond(scale):
        width, height = (limit * scale for limit in points)
        words = f"is {size[0]} x {size[1]} pixels; at this scale at most {width} x {height} are drawn"
        yield Finding("10", name, words, "scale it down", "error" if beyond(_LARGEST_SCALE) else "warning")


_ENTRY = re.compile(r'"((?:[^"\\]|\\.)*)"\s*=\s*"(?:[^"\\]|\\.)*"\s*;', re.DOTALL)


def _localizations(files: Mapping[str, bytes], document: Mapping[str, Any]) -> Iterator[Finding]:
    keys_of: dict[str, frozenset[str]] = {}
    for folder in sorted({name.split("/")[0] for name in files if "/" in name}):
        if not _LPROJ.fullmatch(folder):
            yield Finding("12", folder, "is not the name of a language folder", "name it like fr.lproj")
    for name, body in sorted(files.items()):
        if not name.endswith(".lproj/pass.strings"):
            continue
        has_mark = body.startswith((b"\xff\xfe", b"\xfe\xff"))
        try:
            text = body.decode("utf-16" if has_mark else "utf-8")
        except UnicodeDecodeError:
            yield Finding("12", name, "is neither UTF-16 with a byte order mark nor UTF-8", "save it as UTF-16")
            continue
        if not has_mark and not body.isascii():
            yield Finding("12", name, "is UTF-8; Apple asks for UTF-16", "save it as UTF-16 with its mark", "warning")
        keys_of[name] = frozenset(_ENTRY.findall(text))
    if len(set(keys_of.values())) > 1:
        yield Finding("12", "pass.strings", "do not have the same keys in every language", "complete them")
    used = frozenset(_texts(document))
    for key in sorted(frozenset[str]().union(*keys_of.values()) - used):
        words = f"the key {key!r} does not occur in pass.json"
        yield Finding("12", "pass.strings", words, "correct its spelling", "warning")


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)
