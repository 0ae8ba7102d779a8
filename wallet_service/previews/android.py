"""Drawing a loyalty card as Google Wallet shows it.

Source: google-wallet.md, sections 6 to 10.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image, ImageColor

from wallet_service.previews import codes
from wallet_service.previews.android_card import AndroidField, card_of
from wallet_service.previews.canvas import Canvas, Colour

_WIDTH, _MARGIN, _INSET = 412.0, 16.0, 24.0
_HERO_RATIO = 336 / 1032

FetchImage = Callable[[str], bytes | None]


def draw_android(
    item: Mapping[str, Any],
    cls: Mapping[str, Any],
    *,
    locale: str = "fr_FR",
    fetch_image: FetchImage = lambda _: None,
    scale: float = 2,
) -> bytes:
    """Draw a loyalty object and its class.

    Args:
        item: the LoyaltyObject.
        cls: its LoyaltyClass.
        locale: the phone's language and region.
        fetch_image: gives the bytes of an image by its address, None if there are none.
        scale: pixels for each point; the card is 412 points wide with its margin, which is transparent.

    Returns:
        A PNG picture.
    """
    card = card_of(item, cls, locale)
    logo = _image(cls.get("programLogo"), fetch_image)
    hero = _image(item.get("heroImage") or cls.get("heroImage"), fetch_image)
    ground = _ground(cls, hero or logo)
    ink = _ink(ground)
    rows = _rows(card.fields)
    height = 132 + 68 * len(rows) + (254 if "barcode" in item else 0)
    hero_height = (_WIDTH - 2 * _MARGIN) * _HERO_RATIO if hero is not None else 0.0
    canvas = Canvas(_WIDTH, height + hero_height + 2 * _MARGIN + 10, scale)
    left, top, right = _MARGIN, _MARGIN, _WIDTH - _MARGIN
    bottom = top + height + hero_height
    canvas.shadow((left, top + 5, right, bottom + 3), 26, blur=7, strength=0.30)
    canvas.rectangle((left, top, right, bottom), ground, radius=26)
    x, most = left + _INSET, right - left - 2 * _INSET
    shift = 0.0
    if logo is not None:
        canvas.circle(logo, (x, top + 22, x + 44, top + 66))
        shift = 58
    canvas.text(x + shift, top + 50, card.issuer_name, size=17, colour=ink, weight="Medium", most=most - shift)
    canvas.line(left, right, top + 84, (*ink[:3], 46), thickness=1)
    canvas.text(x, top + 122, card.program_name, size=27, colour=ink, most=most, least_size=18)
    y = top + 142
    for row in rows:
        _draw_row(canvas, row, x, y, most, ink)
        y += 68
    if code := item.get("barcode"):
        _barcode(canvas, code, _WIDTH / 2, y + 6)
    if hero is not None:
        _hero(canvas, hero, (left, top + height, right, bottom))
    if card.state not in ("", "ACTIVE"):
        canvas.fade(0.45, (255, 255, 255))
    return canvas.png()


def _rows(fields: Mapping[str, AndroidField]) -> list[list[AndroidField]]:
    tiers = [name for name in ("rewardsTier", "secondaryRewardsTier") if name in fields]
    wanted = (["loyaltyPoints", "secondaryLoyaltyPoints", *tiers], ["accountName", "accountId"])
    rows = [[fields[name] for name in row if name in fields] for row in wanted]
    return [row[:3] for row in rows if row]


def _draw_row(canvas: Canvas, row: list[AndroidField], x: float, top: float, most: float, ink: Colour) -> None:
    faint: Colour = (*ink[:3], 190)
    share = (most - 16 * (len(row) - 1)) / len(row)
    for index, field in enumerate(row):
        last = index == len(row) - 1 and len(row) > 1
        at = x + most if last else x + index * (share + 16)
        align: Any = "right" if last else "left"
        canvas.text(at, top + 20, field.label, size=13, colour=faint, most=share, align=align)
        canvas.text(at, top + 47, field.text, size=21, colour=ink, most=share, least_size=13, align=align)


def _barcode(canvas: Canvas, code: Mapping[str, Any], centre: float, top: float) -> None:
    words = str(code.get("alternateText") or code["value"])
    is_line = code.get("type") == "CODE_128"
    width, height = (270.0, 92.0) if is_line else (172.0, 172.0)
    top += (172 - height) / 2
    frame = (centre - width / 2 - 18, top, centre + width / 2 + 18, top + height + 52)
    canvas.rectangle(frame, (255, 255, 255), radius=18)
    box = (centre - width / 2, top + 18, centre + width / 2, top + 18 + height)
    if code.get("type") in ("QR_CODE", "CODE_128"):
        picture = codes.code128(code["value"]) if is_line else codes.qr(code["value"], "utf-8")
        canvas.stamp(picture, box)
    else:
        # The other types have no drawing here; the frame says which one the phone would draw.
        canvas.text(centre, top + 18 + height / 2, str(code.get("type")), size=18, colour=(90, 90, 90), align="centre")
    canvas.text(centre, frame[3] - 13, words, size=14, colour=(32, 33, 36), align="centre", most=width, least_size=9)


def _hero(canvas: Canvas, hero: Image.Image, box: tuple[float, float, float, float]) -> None:
    # Rounded below only: the rounding above is covered by drawing the picture square over the upper half.
    canvas.paste(hero, box, radius=26)
    middle = (box[1] + box[3]) / 2
    layer = Canvas(canvas.width, canvas.height, canvas.scale)
    layer.paste(hero, box)
    upper = canvas.pixels_of((box[0], box[1], box[2], middle))
    canvas.image.paste(layer.image.crop(upper), upper[:2])


def _image(image: Mapping[str, Any] | None, fetch_image: FetchImage) -> Image.Image | None:
    uri = (image or {}).get("sourceUri", {}).get("uri")
    data = fetch_image(uri) if uri else None
    return Image.open(io.BytesIO(data)) if data else None


def _ground(cls: Mapping[str, Any], picture: Image.Image | None) -> Colour:
    if colour := cls.get("hexBackgroundColor"):
        return ImageColor.getrgb(colour)
    if picture is None:
        return (60, 64, 67)
    dominant = picture.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(dominant, tuple)  # noqa: S101  (an RGB picture's pixel)
    return int(dominant[0]), int(dominant[1]), int(dominant[2])


def _ink(ground: Colour) -> Colour:
    luminance = 0.299 * ground[0] + 0.587 * ground[1] + 0.114 * ground[2]
    return (255, 255, 255) if luminance < 150 else (32, 33, 36)
