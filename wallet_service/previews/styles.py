"""What each style of pass puts where on its card. Barcode, shadow and corners are the same for all.

Source: Apple, Human Interface Guidelines, "Wallet"; apple-wallet.md, sections 1.2, 2.6 and 2.7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from PIL import Image, ImageEnhance, ImageFilter

from wallet_service.previews.canvas import Box, Canvas
from wallet_service.previews.field_text import displayed
from wallet_service.previews.parts import INSET, Look, header, row, strip

_HEADER_HEIGHT, _THUMBNAIL, _FIELDS_IN_A_ROW = 62.0, 90.0, 4


def _store_card(card: Canvas, look: Look, edges: Box) -> None:
    """Store cards, coupons: the strip across, one row of fields under it."""
    left, top, right, _ = edges
    header(card, look, left + INSET, top, right - INSET)
    y = strip(card, look, left, top + _HEADER_HEIGHT, right)
    fields = [*look.fields("secondaryFields"), *look.fields("auxiliaryFields")][:_FIELDS_IN_A_ROW]
    row(card, look, fields, left + INSET, y + 18, right - INSET)


def _generic(card: Canvas, look: Look, edges: Box) -> None:
    """Memberships: the primary field beside a thumbnail, then rows; under a square code one row is all there is."""
    left, top, right, _ = edges
    header(card, look, left + INSET, top, right - INSET)
    y = _beside_thumbnail(card, look, left + INSET, top + _HEADER_HEIGHT + 12, right - INSET)
    second, third = look.fields("secondaryFields"), look.fields("auxiliaryFields")
    codes = look.content.get("barcodes", ())
    if codes and codes[0]["format"] in ("PKBarcodeFormatQR", "PKBarcodeFormatAztec"):
        row(card, look, [*second, *third][:_FIELDS_IN_A_ROW], left + INSET, y + 14, right - INSET)
    else:
        _rows(card, look, left + INSET, y + 14, right - INSET)


def _event_ticket(card: Canvas, look: Look, edges: Box) -> None:
    """Tickets: a strip as on store cards, or a blurred background with a thumbnail."""
    left, top, right, _ = edges
    if (background := look.image("background")) is not None:
        soft = background.convert("RGB").filter(ImageFilter.GaussianBlur(background.width / 28))
        card.paste(ImageEnhance.Brightness(soft).enhance(0.72), edges)
    header(card, look, left + INSET, top, right - INSET)
    if look.image("strip") is not None:
        y = strip(card, look, left, top + _HEADER_HEIGHT, right)
    else:
        y = _beside_thumbnail(card, look, left + INSET, top + _HEADER_HEIGHT + 12, right - INSET)
    _rows(card, look, left + INSET, y + 14, right - INSET)


def _boarding_pass(card: Canvas, look: Look, edges: Box) -> None:
    """From and to, large, with an arrow between; auxiliary fields stand above secondary ones."""
    left, top, right, bottom = edges
    header(card, look, left + INSET, top, right - INSET)
    y = top + _HEADER_HEIGHT + 20
    ends: tuple[tuple[float, Literal["left", "right"]], ...] = ((left + INSET, "left"), (right - INSET, "right"))
    for (x, align), field in zip(ends, look.fields("primaryFields"), strict=False):
        card.text(x, y, field.get("label", ""), size=12, colour=look.label_colour, weight="Medium", align=align)
        value, ink = displayed(field, look.place), look.value_colour
        card.text(x, y + 42, value, size=42, colour=ink, weight="Light", align=align, most=140, least_size=20)
    card.line((left + right) / 2 - 26, (left + right) / 2 + 26, y + 26, look.label_colour, thickness=2)
    for number, name in enumerate(("auxiliaryFields", "secondaryFields")):
        row(card, look, look.fields(name)[:5], left + INSET, y + 62 + 46 * number, right - INSET)
    if (footer := look.image("footer")) is not None:
        card.fit(footer, (left + 40, bottom - 190, right - 40, bottom - 175), align="centre")


BODIES: Mapping[str, Callable[[Canvas, Look, Box], None]] = {
    "storeCard": _store_card,
    "coupon": _store_card,
    "generic": _generic,
    "eventTicket": _event_ticket,
    "boardingPass": _boarding_pass,
}
"""Style → what draws its card but for the barcode."""


def draw_poster(card: Canvas, look: Look, edges: Box) -> None:
    """`posterGeneric` (iOS 27): full artwork, the logo, one header field, a title and its fields, one footer field."""
    left, top, right, bottom = edges
    if (artwork := look.image("artwork")) is not None:
        card.paste(artwork, edges)
    card.image.alpha_composite(
        _veil(card, (left, bottom - 250, right, bottom)), card.pixels_of((left, bottom - 250, right, bottom))[:2]
    )
    if (logo := look.image("primaryLogo")) is not None:
        card.fit(logo, (left + INSET, top + 14, left + INSET + 126, top + 44))
    for field in look.fields("headerFields", "posterGeneric")[:1]:
        card.text(right - INSET, top + 24, field.get("label", ""), size=11, colour=look.label_colour, align="right")
        value = displayed(field, look.place)
        card.text(right - INSET, top + 45, value, size=18, colour=look.value_colour, align="right")
    inner, y = right - left - 2 * INSET, top + 204.0
    primary = look.fields("primaryFields", "posterGeneric")[:4]
    for title in primary[:1]:
        words = displayed(title, look.place)
        card.text(left + INSET, y, words, size=30, colour=look.value_colour, weight="Bold", most=inner, least_size=18)
    row(card, look, primary[1:], left + INSET, y + 18, right - INSET)
    for field in look.fields("footerFields", "posterGeneric")[:1]:
        card.text(left + INSET, y + 82, displayed(field, look.place), size=14, colour=look.label_colour, most=inner)


def _veil(card: Canvas, box: Box) -> Image.Image:
    width, height = card.size_of(box)
    ramp = Image.linear_gradient("L").resize((width, height)).point([value * 7 // 10 for value in range(256)])
    veil = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    veil.putalpha(ramp)
    return veil


def _beside_thumbnail(card: Canvas, look: Look, left: float, top: float, right: float) -> float:
    """The primary field, at the left of a thumbnail if there is one; returns where the two end."""
    most = right - left
    if (thumbnail := look.image("thumbnail")) is not None:
        card.fit(thumbnail, (right - _THUMBNAIL, top, right, top + _THUMBNAIL), align="right")
        most -= _THUMBNAIL + INSET
    for field in look.fields("primaryFields")[:1]:
        card.text(left, top + 14, field.get("label", ""), size=11, colour=look.label_colour, weight="Medium", most=most)
        value = displayed(field, look.place)
        card.text(left, top + 44, value, size=28, colour=look.value_colour, most=most, least_size=16)
    return top + _THUMBNAIL


def _rows(card: Canvas, look: Look, left: float, top: float, right: float) -> None:
    """Secondary fields, auxiliary fields, and the second row of auxiliary fields of a ticket."""
    auxiliary = look.fields("auxiliaryFields")
    lines = (
        look.fields("secondaryFields"),
        [field for field in auxiliary if not field.get("row")],
        [field for field in auxiliary if field.get("row")],
    )
    for number, fields in enumerate(line for line in lines if line):
        row(card, look, fields[:_FIELDS_IN_A_ROW], left, top + 46 * number, right)
