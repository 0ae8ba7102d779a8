"""Checking any pass, ours or not, against the rules: `pass check`. Damaged and hostile files are expected."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from wallet_service.errors import Invalid
from wallet_service.wallets.apple.certificates import Trust
from wallet_service.wallets.apple.checking.archive import (
    MOST_BUNDLE_BYTES,
    OpenedBundle,
    is_junk,
    open_bundle,
    open_folder,
    open_passes,
)
from wallet_service.wallets.apple.checking.foreign import findings_in_any
from wallet_service.wallets.apple.checking.images import image_findings
from wallet_service.wallets.apple.checking.signature import signature_findings
from wallet_service.wallets.apple.checking.strings import strings_findings
from wallet_service.wallets.apple.findings import WORST_FIRST, Finding
from wallet_service.wallets.apple.passes.personalization import personalization_findings
from wallet_service.wallets.apple.passes.rules import Rules

_OUTSIDE_MANIFEST = {"manifest.json", "signature"}
_DEEPEST = 60
_MOST_REPEATED = 10
_LONGEST_SIGNATURE = 64 * 1024
_SHIPPED = re.compile(r"pass\.json|manifest\.json|signature|personalization\.json|[^/]+\.lproj/pass\.strings|.*\.png")


def check_path(path: Path, *, now: datetime, trust: Trust) -> list[Finding]:
    """Everything that is wrong with a `.pkpass`, a `.pkpasses` or a folder of a pass's files, worst first.

    Raises:
        Invalid: the path cannot be read.
    """
    try:
        if path.is_dir():
            return _worst_first(_check_files(open_folder(path), now=now, trust=trust, signed=False))
        if path.stat().st_size > MOST_BUNDLE_BYTES:
            return [Finding("82", "archive", f"is larger than {MOST_BUNDLE_BYTES // 10**6} MB", "send fewer passes")]
        data = path.read_bytes()
    except OSError as error:
        raise Invalid.at(str(path), f"cannot be read: {error.strerror}") from error
    if path.suffix == ".pkpasses":
        return check_passes(data, now=now, trust=trust)
    return check_bundle(data, now=now, trust=trust)


def check_passes(data: bytes, *, now: datetime, trust: Trust) -> list[Finding]:
    """Everything that is wrong with a `.pkpasses` and with each pass in it, worst first."""
    opened = open_passes(data)
    findings = [*opened.findings]
    for name, body in opened.files.items():
        for finding in check_bundle(body, now=now, trust=trust):
            findings.append(replace(finding, path=f"{name}: {finding.path}"))
    return _worst_first(findings)


def check_bundle(data: bytes, *, now: datetime, trust: Trust) -> list[Finding]:
    """Everything that is wrong with a `.pkpass`, worst first; no errors for a pass that Wallet takes.

    Args:
        data: the file's bytes, whatever they are.
        now: for what has expired.
        trust: whose signatures count: Apple's, or a development root's.
    """
    return _worst_first(_check_files(open_bundle(data), now=now, trust=trust, signed=True))


def _worst_first(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: (WORST_FIRST.index(finding.severity), int(finding.rule)))


def _check_files(opened: OpenedBundle, *, now: datetime, trust: Trust, signed: bool) -> list[Finding]:
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
    findings += image_findings(files, document or {})
    findings += strings_findings(files, document or {})
    findings += _strangers(files)
    findings += personalization_findings(files, document or {})
    if signed and "signature" in files and "manifest.json" in files:
        findings += _signature(files, document, now=now, trust=trust)
    if document is not None:
        rules = Rules(ours=False, plain_http=trust.pinned_intermediate is None, now=now)
        findings += [replace(one, path=f"pass.json {one.path}") for one in findings_in_any(document, rules)]
    return findings


def _signature(
    files: Mapping[str, bytes], document: dict[str, Any] | None, *, now: datetime, trust: Trust
) -> list[Finding]:
    if len(files["signature"]) > _LONGEST_SIGNATURE:
        return [Finding("13", "signature", f"is longer than {_LONGEST_SIGNATURE:,} bytes", "sign detached")]
    return signature_findings(
        files["signature"],
        files["manifest.json"],
        pass_type_id=_text(document, "passTypeIdentifier"),
        team_id=_text(document, "teamIdentifier"),
        now=now,
        trust=trust,
    )


def _strangers(files: Mapping[str, bytes]) -> Iterator[Finding]:
    for name in sorted(files):
        if not _SHIPPED.fullmatch(name) and not is_junk(name):
            yield Finding("5", name, "is not a file that Wallet knows", "leave it out, also of the manifest", "note")


def _text(document: Mapping[str, Any] | None, key: str) -> str | None:
    value = (document or {}).get(key)
    return value if isinstance(value, str) else None


def _noting(repeated: list[str]) -> Callable[[list[tuple[str, object]]], dict[str, object]]:
    """A reader of objects that notes keys which stand twice, and keeps the last."""

    def pairs_read(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated.extend(key for key, count in counts.items() if count > 1)
        return found

    return pairs_read


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def _strict_json(name: str, body: bytes, *, one_line: bool = False) -> tuple[dict[str, Any] | None, list[Finding]]:
    findings = []
    if one_line and (b"\n" in body or b"\r" in body):
        words = "has line breaks, which some signers change before they sign"
        findings.append(Finding("8", name, words, "write it in one line", "note"))
    if body.startswith(_BYTE_ORDER_MARK):
        findings.append(Finding("8", name, "begins with a byte order mark", "write it without", "warning"))
    repeated: list[str] = []
    try:
        text = body.removeprefix(_BYTE_ORDER_MARK).decode("utf-8")
        document = json.loads(text, object_pairs_hook=_noting(repeated), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        words = f"is not strict JSON in UTF-8: {error}"
        return None, [*findings, Finding("8", name, words, "write it with a JSON library")]
    for key in list(dict.fromkeys(repeated))[:_MOST_REPEATED]:
        words = f"has the key {key} twice, and readers differ in which they take"
        findings.append(Finding("8", name, words, "keep one", "warning"))
    if _depth(document) > _DEEPEST:
        return None, [*findings, Finding("8", name, f"is nested more than {_DEEPEST} deep", "make it plain")]
    if not isinstance(document, dict):
        return None, [*findings, Finding("8", name, "is not a JSON object", "write an object")]
    return document, findings


def _depth(document: object) -> int:
    """How deep lists and objects stand in each other; counted level by level, for the stack is not endless."""
    depth, level = 0, [document]
    while level:
        depth += 1
        within = [each for each in level if isinstance(each, dict | list)]
        level = [inner for each in within for inner in (each.values() if isinstance(each, dict) else each)]
    return depth


def _manifest(manifest: Mapping[str, object], files: Mapping[str, bytes]) -> Iterator[Finding]:
    packed = files.keys() - _OUTSIDE_MANIFEST
    for name in sorted(packed - manifest.keys()):
        yield Finding("6", f"manifest.json {name}", "is packed and not listed", "list it")
    for name in sorted(manifest.keys() - packed):
        yield Finding("6", f"manifest.json {name}", "is listed and not packed", "pack it or remove the line")
    for name in sorted(manifest.keys() & packed):
        path, digest = f"manifest.json {name}", manifest[name]
        if not isinstance(digest, str) or not re.fullmatch(r"[0-9A-Fa-f]{40}", digest):
            yield Finding("7", path, "is not a SHA-1 in hex", "write 40 hex digits")
            continue
        if digest != digest.lower():
            yield Finding("7", path, "is a SHA-1 in upper case", "write lower-case hex digits", "warning")
        if digest.lower() != hashlib.sha1(files[name]).hexdigest():  # noqa: S324  (Apple's manifest is SHA-1)
            yield Finding("7", path, "is not the SHA-1 of the packed file", "make the manifest from the packed bytes")
