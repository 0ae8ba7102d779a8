"""How an iPhone draws a card: its front, and its details.

Source: apple-wallet.md, sections 1.2, 2.3 and 2.6.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from PIL import Image

from wallet_service.clock import system_clock
from wallet_service.simulators.phones.display import Place, displayed
from wallet_service.simulators.phones.drawing import codes
from wallet_service.simulators.phones.drawing.canvas import Canvas, Colour
from wallet_service.simulators.phones.pass_rules import style_of
from wallet_service.simulators.phones.wallet_rules import expired, unpack

_WIDTH, _HEIGHT, _MARGIN, _INSET = 390.0, 520.0, 16.0, 14.0
_STRIP_HEIGHT = 137.0
_FIELDS_IN_A_ROW = 4


@dataclass(frozen=True)
class _Look:
    content: Mapping[str, Any]
    images: Mapping[str, bytes]
    place: Place

    def colour(self, key: str, default: Colour) -> Colour:
        match = re.fullmatch(r"rgb\((\d+), ?(\d+), ?(\d+)\)", self.content.get(key, ""))
        return (int(match[1]), int(match[2]), int(match[3])) if match else default

    @property
    def label_colour(self) -> Colour:
        return self.colour("labelColor", self.colour("foregroundColor", (255, 255, 255)))

    @property
    def value_colour(self) -> Colour:
        return self.colour("foregroundColor", (255, 255, 255))

    def fields(self, name: str) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.content[style_of(self.content)].get(name, ())
        return found

    def image(self, stem: str) -> Image.Image | None:
        for scale in ("@3x", "@2x", ""):
            if data := self.images.get(f"{stem}{scale}.png"):
                return Image.open(io.BytesIO(data))
        return None


def draw_iphone(
    pass_bundle: bytes,
    *,
    locale: str = "fr_FR",
    face: Literal["front", "back"] = "front",
    scale: float = 2,
    time_zone: str = "Europe/Paris",
    now: datetime | None = None,
) -> bytes:
    """Draw a pass as Wallet shows it.

    Args:
        pass_bundle: a `.pkpass` file; its archive is checked, its signature is not, so that templates can be previewed.
        locale: the phone's language and region.
        face: the card, or the page behind the three dots.
        scale: pixels for each point; the card is 390 points wide with its margin, which is transparent.
        time_zone: the phone's.
        now: for what is relative to the present; the system's time if absent.

    Returns:
        A PNG picture.

    Raises:
        PassRefused: the archive or its JSON cannot be read.
    """
    files, content = unpack(pass_bundle)
    look = _Look(content, files, Place(locale, time_zone, now or system_clock()))
    return _back(look, scale) if face == "back" else _front(look, scale)


def _front(look: _Look, scale: float) -> bytes:
    canvas = Canvas(_WIDTH, _HEIGHT, scale)
    left, top, right, bottom = _MARGIN, _MARGIN, _WIDTH - _MARGIN, _HEIGHT - _MARGIN - 8
    canvas.shadow((left, top + 6, right, bottom + 4), 14, blur=7, strength=0.34)
    card = Canvas(_WIDTH, _HEIGHT, scale)
    card.rectangle((left, top, right, bottom), look.colour("backgroundColor", (60, 60, 67)))
    _header(card, look, left + _INSET, top, right - _INSET)
    y = _strip(card, look, left, top + 62, right)
    _row(card, look, left + _INSET, y + 18, right - _INSET)
    _barcode(card, look, (left + right) / 2, bottom - 16)
    if expired(look.content, look.place.now):
        card.fade(0.45, (255, 255, 255))
    edges = (left, top, right, bottom)
    canvas.paste(card.image.crop(card.pixels_of(edges)), edges, radius=14)
    return canvas.png()


def _header(card: Canvas, look: _Look, left: float, top: float, right: float) -> None:
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


def _strip(card: Canvas, look: _Look, left: float, top: float, right: float) -> float:
    bottom = top + _STRIP_HEIGHT
    strip = look.image("strip")
    if strip is not None:
        card.paste(strip, (left, top, right, bottom))
    for field in look.fields("primaryFields")[:1]:
        most = right - left - 2 * _INSET
        value, label = displayed(field, look.place), field.get("label", "")
        y = top + 74 if label else top + 86
        card.text(left + _INSET, y, value, size=54, colour=look.value_colour, weight="Light", most=most, least_size=24)
        card.text(left + _INSET, y + 25, label, size=14, colour=look.label_colour, weight="Medium", most=most)
    return bottom if strip is not None or look.fields("primaryFields") else top


def _row(card: Canvas, look: _Look, left: float, top: float, right: float) -> None:
    fields = [*look.fields("secondaryFields"), *look.fields("auxiliaryFields")][:_FIELDS_IN_A_ROW]
    wanted = [
        max(card.measure(one.get("label", ""), 11, "Medium"), card.measure(displayed(one, look.place), 18), 40)
        for one in fields
    ]
    gap = 14.0
    room = right - left - gap * (len(fields) - 1)
    widths = _shares(wanted, room)
    spare = max(0.0, room - sum(widths)) / max(1, len(fields) - 1)
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


def _shares(wanted: Sequence[float], room: float) -> list[float]:
    """Divide a row: who wants little gets it, the others share what is left."""
    shares = [0.0] * len(wanted)
    for rank, index in enumerate(sorted(range(len(wanted)), key=lambda one: wanted[one])):
        shares[index] = min(wanted[index], room / (len(wanted) - rank))
        room -= shares[index]
    return shares


def _barcode(card: Canvas, look: _Look, centre: float, bottom: float) -> None:
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


def _back(look: _Look, scale: float) -> bytes:
    ink, grey = (0, 0, 0), (118, 118, 124)
    inner = _WIDTH - 2 * _MARGIN - 2 * _INSET
    fields = look.fields("backFields")
    measure = Canvas(_WIDTH, 1, scale)
    heights = [
        34 + 20 * len(measure.lines(displayed(field, look.place), 15, inner)) if field.get("label") else 20.0
        for field in fields
    ]
    canvas = Canvas(_WIDTH, 132 + sum(heights) + 24, scale)
    canvas.rectangle((0, 0, _WIDTH, canvas.height), (242, 242, 247), radius=14)
    icon = look.image("icon")
    if icon is not None:
        canvas.paste(icon, (_WIDTH / 2 - 24, 20, _WIDTH / 2 + 24, 68), radius=11)
    name = look.content["organizationName"]
    canvas.text(_WIDTH / 2, 94, name, size=19, colour=ink, weight="Bold", align="centre", most=inner)
    words = look.content["description"]
    canvas.text(_WIDTH / 2, 113, words, size=13, colour=grey, align="centre", most=inner)
    top = 128.0
    canvas.rectangle((_MARGIN, top, _WIDTH - _MARGIN, top + sum(heights)), (255, 255, 255), radius=12)
    for index, (field, height) in enumerate(zip(fields, heights, strict=True)):
        x = _MARGIN + _INSET
        canvas.text(x, top + 20, field.get("label", ""), size=13, colour=grey, most=inner)
        link = (0, 102, 204) if "attributedValue" in field else ink
        canvas.paragraph(x, top + 23, displayed(field, look.place), size=15, colour=link, most=inner)
        top += height
        if index < len(fields) - 1:
            canvas.line(x, _WIDTH - _MARGIN, top, (218, 218, 222))
    return canvas.png()
