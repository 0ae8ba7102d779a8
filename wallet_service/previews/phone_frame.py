"""Drawing a card in a phone: the whole phone, with the card on top of its wallet."""

from __future__ import annotations

import io
from typing import Literal

from PIL import Image

from wallet_service.previews.canvas import Box, Canvas, Colour

WIDTH, HEIGHT, BEZEL = 390.0, 844.0, 11.0
"""Of the screen, and the rim around it, in points."""
_TOP = 60.0
_HANDLE = 20.0

Phone = Literal["iphone", "android"]
_RADIUS = {"iphone": 54.0, "android": 34.0}
_RIM: Colour = (24, 24, 27)
_PAGE: Colour = (246, 246, 249)
_INK: Colour = (24, 24, 27)


def phone_body(scale: float, phone: Phone = "iphone") -> tuple[Canvas, Box]:
    """An empty phone, 412 by 866 points, and the box of its screen; nothing is around it."""
    canvas = Canvas(WIDTH + 2 * BEZEL, HEIGHT + 2 * BEZEL, scale)
    canvas.rectangle((0, 0, canvas.width, canvas.height), _RIM, radius=screen_radius(phone) + BEZEL)
    return canvas, (BEZEL, BEZEL, BEZEL + WIDTH, BEZEL + HEIGHT)


def screen_radius(phone: Phone = "iphone") -> float:
    """Of the screen's corners."""
    return _RADIUS[phone]


def camera_and_handle(canvas: Canvas, colour: Colour, phone: Phone = "iphone") -> None:
    """What lies on every screen: the camera above, the handle below."""
    middle, bottom = canvas.width / 2, BEZEL + HEIGHT - 8
    if phone == "iphone":
        canvas.rectangle((middle - 62, BEZEL + 12, middle + 62, BEZEL + 48), (0, 0, 0), radius=18)
        canvas.rectangle((middle - 68, bottom - 5, middle + 68, bottom), colour, radius=2.5)
    else:
        canvas.rectangle((middle - 10, BEZEL + 16, middle + 10, BEZEL + 36), (0, 0, 0), radius=10)
        canvas.rectangle((middle - 54, bottom - 4, middle + 54, bottom), colour, radius=2)


def draw_in_phone(card: bytes, phone: Phone = "iphone", *, scale: float = 2) -> bytes:
    """Draw a whole phone with a card in its wallet.

    Args:
        card: a PNG picture of a card, as `draw_iphone` or `draw_android` makes it; what is longer
            than the screen is cut below.
        phone: whose.
        scale: pixels for each point; the phone is 412 by 866 points.

    Returns:
        A PNG picture of the whole phone, transparent around it.
    """
    canvas, screen = phone_body(scale, phone)
    canvas.rectangle(screen, _PAGE, radius=screen_radius(phone))
    picture = Image.open(io.BytesIO(card)).convert("RGBA")
    top, room = BEZEL + _TOP, HEIGHT - _TOP - _HANDLE
    shown = min(WIDTH * picture.height / picture.width, room)
    picture = picture.crop((0, 0, picture.width, round(picture.width * shown / WIDTH)))
    canvas.paste(picture, (BEZEL, top, BEZEL + WIDTH, top + shown))
    camera_and_handle(canvas, _INK, phone)
    return canvas.png()
