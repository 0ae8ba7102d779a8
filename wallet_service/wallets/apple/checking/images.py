"""What is wrong with the images of somebody's pass: lines 10 and 11 of the checklist, and what only looks bad.

Wallet refuses what is no PNG; sizes, scales and contrast are advice to whoever made the pass.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from wallet_service.cards.template_rules import contrast
from wallet_service.wallets.apple.findings import Finding
from wallet_service.wallets.apple.passes.model import STYLES

IMAGE = re.compile(r"(?:(?P<folder>[^/]+)/)?(?P<stem>[A-Za-z]+)(?:@(?P<scale>[23])x)?\.png")
HEAVY_BYTES = 1_000_000
LEAST_CONTRAST = 3.0
_LARGEST_SCALE = 3
_PNG = b"\x89PNG\r\n\x1a\n"
_POINTS: Mapping[str, tuple[int, int]] = {
    "icon": (38, 38), "logo": (160, 50), "strip": (375, 144), "thumbnail": (90, 90), "background": (343, 503),
    "footer": (286, 15), "primaryLogo": (126, 30), "secondaryLogo": (135, 12), "artwork": (358, 448),
    "personalizationLogo": (150, 40),
}  # fmt: skip
"""Largest sizes, points (Human Interface Guidelines and older guidance together)."""
_DRAWN: Mapping[str, frozenset[str]] = {
    "storeCard": frozenset(("logo", "strip")),
    "coupon": frozenset(("logo", "strip")),
    "generic": frozenset(("logo", "thumbnail")),
    "eventTicket": frozenset(("logo", "strip", "background", "thumbnail")),
    "boardingPass": frozenset(("logo", "footer")),
    "posterGeneric": frozenset(("artwork", "primaryLogo")),
}
_POSTER_TICKET = frozenset(("artwork", "primaryLogo", "secondaryLogo", "venueMap"))


def image_findings(files: Mapping[str, bytes], document: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything about the PNG files, and the colours that stand on them."""
    matches = {name: match for name in files if (match := IMAGE.fullmatch(name))}
    at_root = {match["stem"] for match in matches.values() if not match["folder"]}
    for name, body in sorted(files.items()):
        if not name.endswith(".png"):
            continue
        match = matches.get(name)
        size = struct.unpack_from(">II", body, 16) if body.startswith(_PNG) and len(body) >= 24 else (0, 0)
        if 0 in size:
            yield Finding("10", name, "is not a PNG image", "save it as PNG")
        elif match is not None and match["stem"] in _POINTS:
            yield from _size(name, size, _POINTS[match["stem"]], int(match["scale"] or 1))
        if match is not None and match["folder"] and match["stem"] in at_root:
            yield Finding("11", name, "is also at the root, which wins", "keep one of the two", "warning")
    yield from _scales(matches)
    yield from _stems(at_root | {match["stem"] for match in matches.values()}, document)
    weight = sum(map(len, files.values()))
    if weight > HEAVY_BYTES:
        words = f"hold {weight:,} bytes together; phones fetch them with every change"
        yield Finding("10", "images", words, "shrink the largest images", "note")
    yield from _colours(document)


def _size(name: str, size: tuple[int, ...], points: tuple[int, int], scale: int) -> Iterator[Finding]:
    def beyond(factor: int) -> bool:
        return any(found > limit * factor for found, limit in zip(size, points, strict=True))

    if beyond(scale):
        width, height = (limit * scale for limit in points)
        words = f"is {size[0]} x {size[1]} pixels; at this scale at most {width} x {height} are drawn"
        yield Finding("10", name, words, "scale it down", "warning" if beyond(_LARGEST_SCALE) else "note")


def _scales(matches: Mapping[str, re.Match[str]]) -> Iterator[Finding]:
    """Every language has the same resolutions of an image; and a phone's screen has two or three pixels to a point."""
    scales: dict[tuple[str, str], set[str]] = {}
    for match in matches.values():
        scales.setdefault((match["folder"] or "", match["stem"]), set()).add(match["scale"] or "1")
    for (folder, stem), found in sorted(scales.items()):
        others = {frozenset(there) for (other, name), there in scales.items() if name == stem and other and folder}
        if len(others) > 1:
            yield Finding(
                "12", f"{folder}/{stem}.png", "has other scales than in the other languages", "complete them", "warning"
            )
        if found == {"1"}:
            words = "is there for old screens only, and blurred on all others"
            yield Finding("10", f"{folder}/{stem}.png".lstrip("/"), words, f"add {stem}@2x.png, {stem}@3x.png", "note")


def _stems(stems: set[str], document: Mapping[str, Any]) -> Iterator[Finding]:
    styles = [style for style in (*STYLES, "posterGeneric") if style in document]
    if not styles:
        return
    schemes = document.get("preferredStyleSchemes")
    drawn = {"icon", "personalizationLogo"}.union(*(_DRAWN[style] for style in styles))
    if isinstance(schemes, list) and schemes:
        drawn |= _POSTER_TICKET
    for stem in sorted(stems & _POINTS.keys() - drawn):
        yield Finding(
            "10", f"{stem}.png", f"is drawn by no style of this pass ({', '.join(styles)})", "leave it out", "note"
        )
    if "eventTicket" in styles and "strip" in stems and stems & {"background", "thumbnail"}:
        yield Finding(
            "10",
            "strip.png",
            "excludes background and thumbnail on an event ticket",
            "keep one or the other",
            "warning",
        )
    if "posterGeneric" in styles and "artwork" not in stems:
        yield Finding(
            "10", "artwork.png", "is missing, and the poster is drawn on it", "add artwork@2x.png and @3x", "warning"
        )


def _colours(document: Mapping[str, Any]) -> Iterator[Finding]:
    ground = _hex(document.get("backgroundColor"))
    for key in ("foregroundColor", "labelColor"):
        ink = _hex(document.get(key))
        if ground and ink and (ratio := contrast(ink, ground)) < LEAST_CONTRAST:
            words = f"has a contrast of {ratio:.1f} with the background; {LEAST_CONTRAST:.0f} is the least to be read"
            yield Finding("27", f"pass.json {key}", words, "choose a lighter or darker colour", "note")


_RGB = re.compile(r"rgb\((\d{1,3}), ?(\d{1,3}), ?(\d{1,3})\)")


def _hex(colour: object) -> str | None:
    match = _RGB.fullmatch(colour) if isinstance(colour, str) else None
    parts = [int(part) for part in match.groups()] if match else []
    return "#" + "".join(f"{part:02x}" for part in parts) if parts and max(parts) < 256 else None
