"""Drawing a lock screen with a notification of Wallet."""

from __future__ import annotations

import io
from datetime import datetime
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_skeleton
from PIL import Image, ImageFilter

from wallet_service.clock import system_clock
from wallet_service.previews.canvas import Canvas, Colour
from wallet_service.previews.pass_content import read_pass
from wallet_service.previews.phone_frame import BEZEL, WIDTH, camera_and_handle, phone_body, screen_radius

_LIGHT: tuple[Colour, Colour] = ((232, 150, 118), (64, 104, 176))
_DARK: tuple[Colour, Colour] = ((38, 44, 84), (10, 10, 24))


def draw_lock_screen(
    pass_bundle: bytes,
    *,
    text: str | None,
    title: str | None = None,
    locale: str = "fr_FR",
    dark: bool = False,
    scale: float = 2,
    time_zone: str = "Europe/Paris",
    now: datetime | None = None,
) -> bytes:
    """Draw an iPhone's lock screen with one notification, or one nearby card, of a pass.

    Args:
        pass_bundle: the `.pkpass` file that the icon and the name come from.
        text: what the notification says; None draws none.
        title: who says it; the pass's organization if absent.
        locale, time_zone, now: how and when the phone shows time; the system's time if `now` is absent.
        dark: a dark wallpaper and a dark notification.
        scale: pixels for each point; the phone is 412 by 866 points.

    Returns:
        A PNG picture of the whole phone, transparent around it.
    """
    files, content = read_pass(pass_bundle)
    icon = next((files[f"icon{size}.png"] for size in ("@3x", "@2x", "") if f"icon{size}.png" in files), None)
    said = title or content["organizationName"]
    return lock_screen_of(icon, said, text, locale=locale, dark=dark, scale=scale, time_zone=time_zone, now=now)


def lock_screen_of(
    icon: bytes | None,
    title: str,
    text: str | None,
    *,
    locale: str = "fr_FR",
    dark: bool = False,
    scale: float = 2,
    time_zone: str = "Europe/Paris",
    now: datetime | None = None,
) -> bytes:
    """`draw_lock_screen` for a pass that nobody has made yet: with its icon (PNG) and the name of who says it."""
    instant = (now or system_clock()).astimezone(ZoneInfo(time_zone))
    canvas, screen = phone_body(scale)
    canvas.paste(_wallpaper(_DARK if dark else _LIGHT), screen, radius=screen_radius())
    middle = canvas.width / 2
    white: Colour = (255, 255, 255)
    today = format_date(instant, "EEEE d MMMM" if not locale.startswith("en") else "EEEE, MMMM d", locale=locale)
    canvas.text(middle, 116, today[:1].upper() + today[1:], size=20, colour=white, weight="Medium", align="centre")
    hour = format_skeleton("Hm", instant, locale=locale)
    canvas.text(middle, 204, hour, size=92, colour=white, weight="Medium", align="centre")
    if text is not None:
        _notification(canvas, icon, title, text, _now_word(locale), dark=dark)
    camera_and_handle(canvas, white)
    return canvas.png()


def _notification(canvas: Canvas, icon: bytes | None, title: str, text: str, when: str, *, dark: bool) -> None:
    ink: Colour = (255, 255, 255) if dark else (18, 18, 20)
    faint: Colour = (255, 255, 255, 150) if dark else (18, 18, 20, 140)
    left, right = BEZEL + 12, BEZEL + WIDTH - 12
    x, most = left + 62, right - left - 62 - 16
    body = canvas.lines(text, 15, most)[:4]
    height = max(64.0, 36 + 20 * len(body) + 10)
    top = 560.0 - height / 2
    box = (left, top, right, top + height)
    blurred = canvas.image.crop(canvas.pixels_of(box))
    blurred = blurred.filter(ImageFilter.GaussianBlur(12 * canvas.scale))
    tint = Image.new("RGBA", blurred.size, (74, 74, 86, 255) if dark else (255, 255, 255, 255))
    canvas.paste(Image.blend(blurred, tint, 0.55 if dark else 0.66), box, radius=22)
    if icon is not None:
        middle = top + height / 2
        canvas.paste(Image.open(io.BytesIO(icon)), (left + 13, middle - 19, left + 51, middle + 19), radius=9)
    taken = canvas.text(right - 16, top + 26, when, size=13, colour=faint, align="right")
    canvas.text(x, top + 26, title, size=15, colour=ink, weight="Bold", most=most - taken - 10)
    for index, line in enumerate(body):
        canvas.text(x, top + 47 + 20 * index, line, size=15, colour=ink, most=most)


def _now_word(locale: str) -> str:
    return "maintenant" if locale.startswith("fr") else "now"


def _wallpaper(colours: tuple[Colour, Colour]) -> Image.Image:
    """A soft diagonal of two colours with a glow."""
    small = Image.new("RGB", (3, 3))
    first, second = colours
    for x in range(3):
        for y in range(3):
            share = (x + 2 * y) / 6
            glow = 1.18 if (x, y) == (2, 0) else 1.0
            small.putpixel(
                (x, y),
                tuple(min(255, int((a * (1 - share) + b * share) * glow)) for a, b in zip(first, second, strict=True)),
            )
    return small.resize((390, 844), Image.Resampling.BICUBIC)
