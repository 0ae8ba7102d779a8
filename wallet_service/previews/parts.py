"""The pieces that cards of every style are drawn with: header, strip, rows of fields, barcode."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image

from wallet_service.previews import codes
from wallet_service.previews.canvas import Canvas, Colour
from wallet_service.previews.field_text import Place, displayed
from wallet_service.previews.pass_content import style_of

INSET, STRIP_HEIGHT = 14.0, 137.0


@dataclass(frozen=True)
class Look:
    """A pass on a phone: what it says, its images, and where and when it is looked at."""

    content: Mapping[str, Any]
    images: Mapping[str, bytes]
    place: Place

    def colour(self, key: str, default: Colour) -> Colour:
        """A colour of the pass."""
        match = re.fullmatch(r"rgb\((\d+), ?(\d+), ?(\d+)\)", self.content.get(key, ""))
        return (int(match[1]), int(match[2]), int(match[3])) if match else default

    @property
    def label_colour(self) -> Colour:
        """Of labels."""
        return self.colour("labelColor", self.colour("foregroundColor", (255, 255, 255)))

    @property
    def value_colour(self) -> Colour:
        """Of values."""
        return self.colour("foregroundColor", (255, 255, 255))

    def fields(self, name: str, style: str | None = None) -> Sequence[Mapping[str, Any]]:
        """The fields of one array; of the pass's own style, or of its poster."""
        found: Sequence[Mapping[str, Any]] = self.content[style or style_of(self.content)].get(name, ())
        return found

    def image(self, stem: str) -> Image.Image | None:
        """The largest image of that name."""
        for scale in ("@3x", "@2x", ""):
            if data := self.images.get(f"{stem}{scale}.png"):
                return Image.open(io.BytesIO(data))
        return None


def header(card: Canvas, look: Look, left: float, top: float, right: float) -> None:
    """The logo, the logo's text and the header fields."""
    x = left
    if logo := look.image("logo"):
        x += card.fit(logo, (left, top + 11, left + 160, top + 51)) + 9
    for field in reversed(look.fields("headerFields")[:3]):
        label, value = field.get("label", ""), displayed(field, look.place)
        width = max(card.measure(label, 11, "Medium"), card.measure(value, 19))
        card.text(right, top + 24, label, size=11, colour=look.label_colour, weight="Medium", align="right")
        card.text(right, top + 46, value, size=19, colour=look.value_colour, align="right")
        right -= width + 16
    if words := look.content.get("logoText"):
        most = right - x - 4
        card.text(x, top + 37, words, size=18, colour=look.value_colour, weight="Medium", most=most, least_size=14)


def strip(card: Canvas, look: Look, left: float, top: float, right: float) -> float:
    """The strip with the primary field on it; returns where it ends."""
    bottom = top + STRIP_HEIGHT
    strip = look.image("strip")
    if strip is not None:
        card.paste(strip, (left, top, right, bottom))
    for field in look.fields("primaryFields")[:1]:
        most = right - left - 2 * INSET
        value, label = displayed(field, look.place), field.get("label", "")
        y = top + 74 if label else top + 86
        card.text(left + INSET, y, value, size=54, colour=look.value_colour, weight="Light", most=most, least_size=24)
        card.text(left + INSET, y + 25, label, size=14, colour=look.label_colour, weight="Medium", most=most)
    return bottom if strip is not None or look.fields("primaryFields") else top


def row(card: Canvas, look: Look, fields: Sequence[Mapping[str, Any]], left: float, top: float, right: float) -> None:
    """Fields side by side, each as wide as it needs; the last one stands to the right."""
    wanted = [
        max(card.measure(one.get("label", ""), 11, "Medium"), card.measure(displayed(one, look.place), 18), 40)
        for one in fields
    ]
    gap = 14.0
    space = right - left - gap * (len(fields) - 1)
    widths = shares(wanted, space)
    spare = max(0.0, space - sum(widths)) / max(1, len(fields) - 1)
    x = left
    for index, (field, width) in enumerate(zip(fields, widths, strict=True)):
        last = index == len(fields) - 1 and len(fields) > 1
        align: Literal["left", "right"] = "right" if last else "left"
        at, most = right if last else x, width + 0.5
        label, value = field.get("label", ""), displayed(field, look.place)
        card.text(
            at,
            top + 10,
            label,
            size=11,
            colour=look.label_colour,
            weight="Medium",
            most=most,
            least_size=8,
            align=align,
        )
        card.text(at, top + 32, value, size=18, colour=look.value_colour, most=most, least_size=12, align=align)
        x += width + gap + spare


def shares(wanted: Sequence[float], space: float) -> list[float]:
    """Divide the width of a row: fields that want little get it, the others share what is left."""
    shares = [0.0] * len(wanted)
    for rank, index in enumerate(sorted(range(len(wanted)), key=lambda one: wanted[one])):
        shares[index] = min(wanted[index], space / (len(wanted) - rank))
        space -= shares[index]
    return shares


def barcode(card: Canvas, look: Look, centre: float, bottom: float) -> None:
    """The first code that the phone can draw, on white."""
    code = next(iter(look.content.get("barcodes", ())), None)
    if code is None:
        return
    alt_text = code.get("altText", "")
    picture = None
    if code["format"] == "PKBarcodeFormatQR":
        picture, width, height = codes.qr(code["message"], code["messageEncoding"]), 132.0, 132.0
    elif code["format"] == "PKBarcodeFormatCode128":
        picture, width, height = codes.code128(code["message"]), 250.0, 66.0
    else:
        # The other formats have no drawing here; the frame says which one the phone would draw.
        width, height, alt_text = 250.0, 66.0, alt_text or code["message"]
    foot = 22.0 if alt_text else 10.0
    top = bottom - foot - height
    card.rectangle((centre - width / 2 - 10, top - 10, centre + width / 2 + 10, bottom), (255, 255, 255), radius=6)
    box = (centre - width / 2, top, centre + width / 2, top + height)
    if picture is not None:
        card.stamp(picture, box)
    else:
        name = code["format"].removeprefix("PKBarcodeFormat")
        card.text(centre, top + 40, name, size=20, colour=(120, 120, 120), align="centre")
    card.text(centre, bottom - 7, alt_text, size=12, colour=(0, 0, 0), align="centre", most=width, least_size=8)
