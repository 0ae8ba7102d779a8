"""The images of a bundle, in all their sizes, made from a design's one good source each.

Apple, Human Interface Guidelines, "Wallet" (revision of summer 2026): points times scale; an image of another shape is
scaled to fill, then cropped. Checksums and compression are paid once for each design: see `bundle.ARTWORKS`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

from wallet_service.cards.content import Stamps
from wallet_service.cards.template import ImageName, Template
from wallet_service.errors import Fault, Invalid

SCALES = (1, 2, 3)
PERSONALIZATION_TABLE, POSTER_TABLE = "personalization", "poster"
_PALETTE_ABOVE = 80_000
"""Bytes; a picture that stays larger as full-colour PNG is reduced to 256 colours."""
_EFFORT = 6
"""Of the compression: 9 and Pillow's `optimize` take ten times as long for a twentieth of the bytes."""
_STAMP_MARGIN = 0.08
_MOST_PIXELS = 40_000_000


@dataclass(frozen=True, slots=True)
class Slot:
    """One image of a bundle.

    Attributes:
        stem: its file name without scale, e.g. `strip` of `strip@2x.png`.
        source: the design's image that it is made from.
        width: points.
        height: points.
        fill: exactly this size, cropped; otherwise fitted into it, never padded.
        scales: the scales that are shipped.
    """

    stem: str
    source: ImageName
    width: int
    height: int
    fill: bool = True
    scales: tuple[int, ...] = SCALES


ICON = Slot("icon", "icon", 38, 38)
LOGO = Slot("logo", "logo", 160, 50, fill=False)
_STRIP = Slot("strip", "strip", 375, 144)
_TICKET_STRIP = Slot("strip", "strip", 375, 98)
_HERO = Slot("hero", "hero", 344, 112)
_THUMBNAIL = Slot("thumbnail", "thumbnail", 90, 90, fill=False)
_BACKGROUND = Slot("background", "background", 343, 503)
_FOOTER = Slot("footer", "footer", 268, 15)
_PRIMARY_LOGO = Slot("primaryLogo", "primary_logo", 126, 30, fill=False)
_SECONDARY_LOGO = Slot("secondaryLogo", "secondary_logo", 135, 12, fill=False)
_ARTWORK = Slot("artwork", "artwork", 358, 448)
_PERSONALIZATION_LOGO = Slot("personalizationLogo", "personalization_logo", 150, 40, fill=False, scales=(2, 3))

_SLOTS: Mapping[str, tuple[Slot, ...]] = {
    "store_card": (ICON, LOGO, _STRIP),
    "gift_card": (ICON, LOGO, _STRIP),
    "coupon": (ICON, LOGO, _STRIP),
    "event_ticket": (ICON, LOGO, _TICKET_STRIP, _BACKGROUND, _THUMBNAIL),
    "generic": (ICON, LOGO, _THUMBNAIL),
    "boarding_pass": (ICON, LOGO, _FOOTER),
}


def slots_of(template: Template) -> tuple[Slot, ...]:
    """The images that cards of a design carry, if the design has a source for them."""
    document = template.document
    slots = _SLOTS["boarding_pass" if "boardingPass" in document.apple else document.style]
    if POSTER_TABLE in document.apple:
        slots += (_PRIMARY_LOGO, _ARTWORK)
    if "posterEventTicket" in document.apple.get("preferredStyleSchemes", ()):
        slots += (_PRIMARY_LOGO, _SECONDARY_LOGO, _ARTWORK)
    if PERSONALIZATION_TABLE in document.apple:
        slots += (_PERSONALIZATION_LOGO,)
    return tuple(dict.fromkeys(slots))


def bundle_images(template: Template, stamps: Stamps | None, locale: str | None = None) -> dict[str, bytes]:
    """Make every PNG of a card: `icon@2x.png` → bytes. Takes tenths of a second: keep the result.

    Args:
        locale: whose own images go before the design's common ones.

    Raises:
        Invalid: with the path `images.<name>`: missing, not a PNG, or too small for its largest size.
    """
    files = constant_images(template, locale, with_strip=stamps is None)
    return files if stamps is None else files | stamp_strips(template, stamps, locale)


def constant_images(template: Template, locale: str | None, *, with_strip: bool) -> dict[str, bytes]:
    """The images that all cards of a design in one language share; without the strip where that shows stamps.

    Raises:
        Invalid: as `bundle_images`.
    """
    images = template.images_for(locale)
    files: dict[str, bytes] = {}
    faults: list[Fault] = []
    for slot in slots_of(template):
        if slot.stem == "strip" and not with_strip:
            continue
        try:
            if (source := _source(images, slot.source)) is not None:
                files |= _sizes(slot, source)
        except Invalid as refused:
            faults += refused.faults
    if faults:
        raise Invalid(*faults)
    return files


def stamp_strips(template: Template, stamps: Stamps, locale: str | None = None) -> dict[str, bytes]:
    """The strip in all its sizes with `earned` full stamps and the rest empty; nothing if the style draws no strip.

    Raises:
        Invalid: an image of the stamps is missing or cannot be read.
    """
    slot = next((slot for slot in slots_of(template) if slot.stem == "strip"), None)
    if slot is None:
        return {}
    return _sizes(slot, _stamp_strip(template.images_for(locale), template.document.colours.background, stamps, slot))


def stamps_hero(template: Template, stamps: Stamps, locale: str | None = None) -> bytes:
    """The same for Google, which shows it across the card: a PNG of 1032 x 336 pixels.

    Raises:
        Invalid: an image of the stamps is missing or cannot be read.
    """
    images = dict(template.images_for(locale))
    if "hero" in images:
        images["strip"] = images["hero"]
    return _png(_stamp_strip(images, template.document.colours.background, stamps, _HERO))


def _source(images: Mapping[ImageName, bytes], name: ImageName) -> Image.Image | None:
    data = images.get(name)
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


def _sizes(slot: Slot, source: Image.Image) -> dict[str, bytes]:
    largest = SCALES[-1]
    width, height = slot.width * largest, slot.height * largest
    enough = source.width >= width and source.height >= height
    if not slot.fill:
        enough = source.width >= width or source.height >= height
    if not enough:
        joined = "and" if slot.fill else "or"
        message = f"is {source.width} x {source.height} pixels; it needs {width} in width {joined} {height} in height"
        raise Invalid.at(f"images.{slot.source}", message)
    return {
        slot.stem + ("" if scale == 1 else f"@{scale}x") + ".png": _png(_scaled(source, slot, scale))
        for scale in slot.scales
    }


def _scaled(source: Image.Image, slot: Slot, scale: int) -> Image.Image:
    wanted = (slot.width * scale, slot.height * scale)
    if source.size == wanted:
        return source
    resampling = Image.Resampling.LANCZOS
    return ImageOps.fit(source, wanted, resampling) if slot.fill else ImageOps.contain(source, wanted, resampling)


def _png(image: Image.Image) -> bytes:
    data = _encoded(image)
    if len(data) > _PALETTE_ABOVE:
        data = _encoded(image.quantize(256, Image.Quantize.FASTOCTREE if image.mode == "RGBA" else None))
    return data


def _encoded(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=_EFFORT)
    return out.getvalue()


def _stamp_strip(images: Mapping[ImageName, bytes], ground: str, stamps: Stamps, slot: Slot) -> Image.Image:
    """Stamps in even rows, over the design's strip or its background colour."""
    scale = SCALES[-1]
    width, height = slot.width * scale, slot.height * scale
    backdrop = _source(images, "strip")
    if backdrop is None:
        canvas = Image.new("RGB", (width, height), ground)
    else:
        canvas = ImageOps.fit(backdrop, (width, height), Image.Resampling.LANCZOS)
    columns, rows = stamp_grid(stamps.total, width / height)
    cell = min(width / columns, height / rows)
    side = round(cell * (1 - 2 * _STAMP_MARGIN))
    full, empty = _stamp(images, "stamp", side), _stamp(images, "stamp_empty", side)
    left, top = (width - columns * cell) / 2, (height - rows * cell) / 2
    for index in range(stamps.total):
        stamp = full if index < stamps.earned else empty
        row, column = divmod(index, columns)
        x = round(left + column * cell + (cell - stamp.width) / 2)
        y = round(top + row * cell + (cell - stamp.height) / 2)
        canvas.paste(stamp, (x, y), stamp if stamp.mode == "RGBA" else None)
    return canvas


def _stamp(images: Mapping[ImageName, bytes], name: ImageName, side: int) -> Image.Image:
    image = _source(images, name)
    if image is None:
        raise Invalid.at(f"images.{name}", "is missing, and a stamp card is drawn from it")
    return ImageOps.contain(image, (side, side), Image.Resampling.LANCZOS)


def stamp_grid(total: int, aspect: float) -> tuple[int, int]:
    """Columns and rows that make `total` stamps largest in a strip of that ratio of width to height."""

    def side(rows: int) -> float:
        return min(aspect / -(-total // rows), 1 / rows)

    rows = max(range(1, total + 1), key=lambda rows: (round(side(rows), 6), -rows))
    return -(-total // rows), rows
