"""Drawing a card as an iPhone shows it: its front in every style, the poster of iOS 27, and its details.

Source: apple-wallet.md, sections 1.2, 2.3, 2.6 and 2.7.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from wallet_service.clock import system_clock
from wallet_service.previews.canvas import Canvas, Colour
from wallet_service.previews.field_text import Place, displayed
from wallet_service.previews.parts import INSET, Look, barcode
from wallet_service.previews.pass_content import expired, read_pass, style_of
from wallet_service.previews.styles import BODIES, draw_poster

_WIDTH, _HEIGHT, _MARGIN = 390.0, 520.0, 16.0

Face = Literal["front", "poster", "back"]


def draw_iphone(
    pass_bundle: bytes,
    *,
    locale: str = "fr_FR",
    face: Face = "front",
    dark: bool = False,
    scale: float = 2,
    time_zone: str = "Europe/Paris",
    now: datetime | None = None,
) -> bytes:
    """Draw a pass as Wallet shows it.

    Args:
        pass_bundle: a `.pkpass` file, whoever signed it.
        locale: the phone's language and region.
        face: the card, the poster that iOS 27 draws instead if the pass has one, or the page behind the three dots.
        dark: the phone is in dark mode; a card's own colours stay.
        scale: pixels for each point; the card is 390 points wide with its margin, which is transparent.
        time_zone: the phone's.
        now: for what is relative to the present; the system's time if absent.

    Returns:
        A PNG picture.

    Raises:
        Invalid: the archive or its JSON cannot be read.
    """
    files, content = read_pass(pass_bundle)
    look = Look(content, files, Place(locale, time_zone, now or system_clock()))
    if face == "back":
        return _back(look, scale, dark=dark)
    return _front(look, scale, poster=face == "poster" and "posterGeneric" in content)


def _front(look: Look, scale: float, *, poster: bool) -> bytes:
    canvas = Canvas(_WIDTH, _HEIGHT, scale)
    left, top, right, bottom = _MARGIN, _MARGIN, _WIDTH - _MARGIN, _HEIGHT - _MARGIN - 8
    canvas.shadow((left, top + 6, right, bottom + 4), 14, blur=7, strength=0.34)
    card = Canvas(_WIDTH, _HEIGHT, scale)
    edges = (left, top, right, bottom)
    card.rectangle(edges, look.colour("backgroundColor", (60, 60, 67)))
    if poster:
        draw_poster(card, look, edges)
    else:
        BODIES[style_of(look.content)](card, look, edges)
    barcode(card, look, (left + right) / 2, bottom - 16)
    if expired(look.content, look.place.now):
        card.fade(0.45, (255, 255, 255))
    canvas.paste(card.image.crop(card.pixels_of(edges)), edges, radius=14)
    return canvas.png()


def _back(look: Look, scale: float, *, dark: bool) -> bytes:
    ink: Colour = (255, 255, 255) if dark else (0, 0, 0)
    grey: Colour = (152, 152, 158) if dark else (118, 118, 124)
    page: Colour = (0, 0, 0) if dark else (242, 242, 247)
    sheet: Colour = (28, 28, 30) if dark else (255, 255, 255)
    blue: Colour = (64, 156, 255) if dark else (0, 102, 204)
    rule: Colour = (56, 56, 58) if dark else (218, 218, 222)
    inner = _WIDTH - 2 * _MARGIN - 2 * INSET
    fields = look.fields("backFields")
    measure = Canvas(_WIDTH, 1, scale)
    heights = [
        34 + 20 * len(measure.lines(displayed(field, look.place), 15, inner)) if field.get("label") else 20.0
        for field in fields
    ]
    canvas = Canvas(_WIDTH, 132 + sum(heights) + 24, scale)
    canvas.rectangle((0, 0, _WIDTH, canvas.height), page, radius=14)
    icon = look.image("icon")
    if icon is not None:
        canvas.paste(icon, (_WIDTH / 2 - 24, 20, _WIDTH / 2 + 24, 68), radius=11)
    name = look.content["organizationName"]
    canvas.text(_WIDTH / 2, 94, name, size=19, colour=ink, weight="Bold", align="centre", most=inner)
    words = look.content["description"]
    canvas.text(_WIDTH / 2, 113, words, size=13, colour=grey, align="centre", most=inner)
    top = 128.0
    canvas.rectangle((_MARGIN, top, _WIDTH - _MARGIN, top + sum(heights)), sheet, radius=12)
    for index, (field, height) in enumerate(zip(fields, heights, strict=True)):
        x = _MARGIN + INSET
        canvas.text(x, top + 20, field.get("label", ""), size=13, colour=grey, most=inner)
        link = blue if "attributedValue" in field else ink
        canvas.paragraph(x, top + 23, displayed(field, look.place), size=15, colour=link, most=inner)
        top += height
        if index < len(fields) - 1:
            canvas.line(x, _WIDTH - _MARGIN, top, rule)
    return canvas.png()
