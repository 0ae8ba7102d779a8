"""The images of a bundle, in all their sizes, made from a design's one good source each.

Apple, Human Interface Guidelines, "Wallet" (revision of summer 2026): points times scale; an image of another shape is
scaled to fill, then cropped.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageOps, UnidentifiedImageError

from wallet_service.cards.content import Stamps
from wallet_service.cards.template import ImageName, Template
from wallet_service.errors import Fault, Invalid

SCALES = (1, 2, 3)
_PALETTE_ABOVE = 150_000
"""Bytes; a picture that stays larger as full-colour PNG is reduced to 256 colours."""
_STAMP_MARGIN = 0.08
_MOST_PIXELS = 40_000_000

Stem = Literal["icon", "logo", "strip"]


@dataclass(frozen=True, slots=True)
class Size:
    """Points. `fill`: exactly this size, cropped; otherwise fitted into it, never padded."""

    width: int
    height: int
    fill: bool = True


ICON = Size(38, 38)
LOGO = Size(160, 50, fill=False)
_STRIP = Size(375, 144)
_TICKET_STRIP = Size(375, 98)

_SIZES: Mapping[str, Mapping[Stem, Size]] = {
    "store_card": {"icon": ICON, "logo": LOGO, "strip": _STRIP},
    "gift_card": {"icon": ICON, "logo": LOGO, "strip": _STRIP},
    "coupon": {"icon": ICON, "logo": LOGO, "strip": _STRIP},
    "event_ticket": {"icon": ICON, "logo": LOGO, "strip": _TICKET_STRIP},
    "generic": {"icon": ICON, "logo": LOGO},
}


def bundle_images(template: Template, stamps: Stamps | None) -> dict[str, bytes]:
    """Make every PNG of a card: `icon@2x.png` → bytes. Takes tenths of a second: keep the result.

    Raises:
        Invalid: with the path `images.<name>`: missing, not a PNG, or too small for its largest size.
    """
    files: dict[str, bytes] = {}
    faults: list[Fault] = []
    for stem, size in _SIZES[template.document.style].items():
        try:
            source = _stamp_strip(template, stamps, size) if stem == "strip" and stamps else _source(template, stem)
            if source is not None:
                files |= _sizes(stem, source, size)
        except Invalid as refused:
            faults += refused.faults
    if faults:
        raise Invalid(*faults)
    return files


def _source(template: Template, name: ImageName) -> Image.Image | None:
    data = template.images.get(name)
    if data is None:
        if name == "icon":
            raise Invalid.at("images.icon", "is missing, and Wallet opens no pass without one")
        return None
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise Invalid.at(f"images.{name}", f"is {image.width} x {image.height} pixels, too large to work with")
            return image.convert("RGBA" if image.has_transparency_data else "RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise Invalid.at(f"images.{name}", "is not a PNG that can be read") from error


def _sizes(stem: Stem, source: Image.Image, size: Size) -> dict[str, bytes]:
    largest = SCALES[-1]
    width, height = size.width * largest, size.height * largest
    enough = source.width >= width and source.height >= height
    if not size.fill:
        enough = source.width >= width or source.height >= height
    if not enough:
        joined = "and" if size.fill else "or"
        message = f"is {source.width} x {source.height} pixels; it needs {width} in width {joined} {height} in height"
        raise Invalid.at(f"images.{stem}", message)
    return {
        stem + ("" if scale == 1 else f"@{scale}x") + ".png": _png(_scaled(source, size, scale)) for scale in SCALES
    }


def _scaled(source: Image.Image, size: Size, scale: int) -> Image.Image:
    wanted = (size.width * scale, size.height * scale)
    resampling = Image.Resampling.LANCZOS
    return ImageOps.fit(source, wanted, resampling) if size.fill else ImageOps.contain(source, wanted, resampling)


def _png(image: Image.Image) -> bytes:
    data = _encoded(image)
    if len(data) > _PALETTE_ABOVE:
        data = _encoded(image.quantize(256, Image.Quantize.FASTOCTREE if image.mode == "RGBA" else None))
    return data


def _encoded(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True)
    return out.getvalue()


def _stamp_strip(template: Template, stamps: Stamps, size: Size) -> Image.Image:
    """Draw `earned` full and the rest empty stamps in even rows, over the design's strip or its background colour."""
    scale = SCALES[-1]
    width, height = size.width * scale, size.height * scale
    backdrop = _source(template, "strip")
    if backdrop is None:
        canvas = Image.new("RGB", (width, height), template.document.colours.background)
    else:
        canvas = ImageOps.fit(backdrop, (width, height), Image.Resampling.LANCZOS)
    full, empty = _source(template, "stamp"), _source(template, "stamp_empty")
    if full is None or empty is None:
        missing = "stamp" if full is None else "stamp_empty"
        raise Invalid.at(f"images.{missing}", "is missing, and a stamp card is drawn from it")
    columns, rows = stamp_grid(stamps.total, width / height)
    cell = min(width / columns, height / rows)
    side = round(cell * (1 - 2 * _STAMP_MARGIN))
    left, top = (width - columns * cell) / 2, (height - rows * cell) / 2
    for index in range(stamps.total):
        stamp = ImageOps.contain(full if index < stamps.earned else empty, (side, side), Image.Resampling.LANCZOS)
        row, column = divmod(index, columns)
        x = round(left + column * cell + (cell - stamp.width) / 2)
        y = round(top + row * cell + (cell - stamp.height) / 2)
        canvas.paste(stamp, (x, y), stamp if stamp.mode == "RGBA" else None)
    return canvas


def stamp_grid(total: int, aspect: float) -> tuple[int, int]:
    """Columns and rows that make `total` stamps largest in a strip of that ratio of width to height."""

    def side(rows: int) -> float:
        return min(aspect / -(-total // rows), 1 / rows)

    rows = max(range(1, total + 1), key=lambda rows: (round(side(rows), 6), -rows))
    return -(-total // rows), rows
