"""Draws the images of the sample designs of the fictitious brand Maison Lumière into `pass_templates/`.

Everything is geometry: a lamp-like arc over a rising sun, rays, and soft bands of light; nothing is borrowed.
Run `python tools/draw_template_images.py` after a change here; the PNG files are committed beside the designs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

FOLDER = Path(__file__).parent.parent / "pass_templates"
FINER = 3
"""Shapes are drawn this many times larger and then reduced, for smooth edges."""

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """`ground` is the card's own colour, `deep` to `warm` the sky, `light` the motif."""

    ground: Rgb
    deep: Rgb
    warm: Rgb
    light: Rgb


NIGHT = Palette(ground=(31, 35, 64), deep=(22, 30, 56), warm=(84, 52, 84), light=(236, 198, 128))
FOREST = Palette(ground=(22, 66, 60), deep=(14, 48, 44), warm=(58, 110, 92), light=(214, 226, 190))
CARMINE = Palette(ground=(140, 47, 57), deep=(112, 30, 44), warm=(196, 92, 74), light=(247, 214, 196))
VIOLET = Palette(ground=(36, 26, 58), deep=(22, 16, 42), warm=(96, 54, 110), light=(217, 200, 242))
SAND = Palette(ground=(243, 227, 211), deep=(243, 227, 211), warm=(233, 190, 152), light=(138, 75, 42))
IVORY = Palette(ground=(246, 236, 222), deep=(246, 236, 222), warm=(240, 214, 182), light=(150, 78, 48))


def _mixed(one: Rgb, other: Rgb, share: float) -> Rgb:
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def _sky(width: int, height: int, palette: Palette) -> Image.Image:
    """A slanted gradient: one slim column of colours, stretched and leant."""
    lean = width * 0.35
    column = Image.new("RGB", (1, 256))
    column.putdata([_mixed(palette.deep, palette.warm, (step / 255) ** 1.3) for step in range(256)])
    tall = column.resize((width, round(height + lean)), Image.Resampling.BICUBIC)
    return tall.transform(
        (width, height), Image.Transform.AFFINE, (1, 0, 0, lean / width, 1, 0), Image.Resampling.BICUBIC
    )


def _rays(
    draw: ImageDraw.ImageDraw,
    centre: tuple[float, float],
    inner: float,
    outer: float,
    angles: Iterable[float],
    width: float,
    colour: int,
) -> None:
    x, y = centre
    for angle in angles:
        cos, sin = math.cos(angle), math.sin(angle)
        draw.line((x + inner * cos, y + inner * sin, x + outer * cos, y + outer * sin), fill=colour, width=round(width))
        for radius in (inner, outer):
            dot = width / 2
            ex, ey = x + radius * cos, y + radius * sin
            draw.ellipse((ex - dot, ey - dot, ex + dot, ey + dot), fill=colour)


def _emblem(size: int) -> Image.Image:
    """The brand's sign as a mask: a half sun over a horizon, with nine rays; fills about 56 % of the square."""
    big = size * FINER
    mask = Image.new("L", (big, big), 0)
    draw = ImageDraw.Draw(mask)
    x, y, radius = big / 2, big * 0.60, big * 0.135
    stroke = big * 0.022
    draw.pieslice((x - radius, y - radius, x + radius, y + radius), 180, 360, fill=255)
    _rays(draw, (x, y), radius * 1.45, radius * 2.05, [math.pi * (1 + step / 8) for step in range(9)], stroke, 255)
    for index, half in enumerate((0.285, 0.19, 0.095)):
        level = y + big * (0.045 + 0.05 * index)
        draw.line((x - big * half, level, x + big * half, level), fill=255, width=round(stroke))
    return mask.resize((size, size), Image.Resampling.LANCZOS)


def _badge(ground: Image.Image, palette: Palette) -> Image.Image:
    ground.paste(palette.light, (0, 0), _emblem(ground.width))
    return ground


def _banner(width: int, height: int, palette: Palette, strength: float) -> Image.Image:
    """A sky with a sun low on the right whose rings and rays fade to the left."""
    picture = _sky(width, height, palette)
    big = (width * FINER // 2, height * FINER // 2)
    rings = Image.new("L", big, 0)
    draw = ImageDraw.Draw(rings)
    x, y, radius = big[0] * 0.80, big[1] * 1.02, big[1] * 0.30
    for index in range(1, 9):
        reach = radius * (1 + 0.42 * index)
        draw.arc(
            (x - reach, y - reach, x + reach, y + reach), 180, 360, fill=200 - 20 * index, width=max(2, big[1] // 190)
        )
    _rays(draw, (x, y), radius * 1.2, radius * 5.2, [math.pi * (1 + step / 32) for step in range(1, 32)], 2, 70)
    draw.pieslice((x - radius, y - radius, x + radius, y + radius), 180, 360, fill=255)
    rings = rings.resize((width, height), Image.Resampling.LANCZOS)
    glow = Image.new("L", (width // 8, height // 8), 0)
    gx, gy, spread = glow.width * 0.80, glow.height * 1.0, glow.height * 0.75
    ImageDraw.Draw(glow).ellipse((gx - spread, gy - spread, gx + spread, gy + spread), fill=120)
    glow = glow.filter(ImageFilter.GaussianBlur(spread * 0.45)).resize((width, height), Image.Resampling.BICUBIC)
    fade = Image.linear_gradient("L").rotate(90).resize((width, height))
    motif = ImageChops.multiply(rings, fade).point(lambda value: round(value * strength))
    picture.paste(palette.light, (0, 0), ImageChops.multiply(glow, fade).point(lambda value: round(value * strength)))
    picture.paste(palette.light, (0, 0), motif)
    return picture


def _stamp(size: int, palette: Palette, *, earned: bool) -> Image.Image:
    """One place of the stamp card, on transparent ground: a full disc with the sign, or an empty ring."""
    big = size * FINER
    ink = Image.new("L", (big, big), 0)
    draw = ImageDraw.Draw(ink)
    edge, stroke = big * 0.04, round(big * (0.03 if earned else 0.02))
    box = (edge, edge, big - edge, big - edge)
    if earned:
        draw.ellipse(box, fill=255)
    else:
        draw.ellipse(box, outline=150, width=stroke)
    ink = ink.resize((size, size), Image.Resampling.LANCZOS)
    sign = _emblem(size) if earned else _emblem(size).point(lambda value: value * 90 // 255)
    ink = ImageChops.subtract(ink, sign) if earned else ImageChops.lighter(ink, sign)
    picture = Image.new("RGBA", (size, size), (*palette.light, 0))
    picture.putalpha(ink)
    return picture


def _save(picture: Image.Image, design: str, name: str) -> None:
    picture.save(FOLDER / design / "images" / f"{name}.png", optimize=True)


def _wordless_logo(palette: Palette, width: int, height: int) -> Image.Image:
    """The sign on transparent ground, as wide as Apple's poster draws its logo."""
    picture = Image.new("RGBA", (width, height), (*palette.light, 0))
    sign = _emblem(height)
    picture.paste((*palette.light, 255), ((width - height) // 2, 0), sign)
    return picture


def main() -> None:
    """Draw all images of all designs."""
    designs = {
        "points-card": NIGHT, "stamp-card": IVORY, "cashback-card": FOREST, "voucher": CARMINE,
        "event-ticket": VIOLET, "gift-card": SAND,
    }  # fmt: skip
    for design, palette in designs.items():
        (FOLDER / design / "images").mkdir(exist_ok=True)
        light_ground = palette in (IVORY, SAND)
        _save(_badge(_sky(228, 228, palette), palette), design, "icon")
        _save(_badge(Image.new("RGB", (660, 660), palette.ground), palette), design, "logo")
        _save(_banner(1032, 336, palette, 0.5 if light_ground else 0.85), design, "hero")
    for design in ("points-card", "cashback-card", "voucher", "gift-card"):
        _save(_banner(1125, 432, designs[design], 0.5 if designs[design] is SAND else 0.85), design, "strip")
    _save(_sky(1125, 432, IVORY), "stamp-card", "strip")  # the stamps are drawn over it
    _save(_stamp(240, IVORY, earned=True), "stamp-card", "stamp")
    _save(_stamp(240, IVORY, earned=False), "stamp-card", "stamp_empty")
    _save(_banner(1074, 1344, FOREST, 0.85), "cashback-card", "artwork")
    _save(_wordless_logo(FOREST, 378, 90), "cashback-card", "primary_logo")
    _save(_banner(1029, 1509, VIOLET, 0.6), "event-ticket", "background")
    _save(_badge(_sky(270, 270, VIOLET), VIOLET), "event-ticket", "thumbnail")


if __name__ == "__main__":
    main()
