"""Several pictures side by side on one panel, as a brochure shows them."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

from wallet_service.previews.canvas import Canvas, Colour

_GAP, _PADDING, _RADIUS = 30.0, 44.0, 36.0
_FROM: Colour = (250, 244, 234)
_TO: Colour = (228, 217, 226)


def draw_together(pictures: Sequence[bytes], *, drawn_at: float = 2, scale: float = 1.5) -> bytes:
    """Put pictures next to each other, vertically centred, on a softly coloured panel.

    Args:
        pictures: PNG, from left to right.
        drawn_at: pixels for each point in them.
        scale: pixels for each point in the result.

    Returns:
        A PNG picture, transparent outside the panel's rounded corners.
    """
    opened = [Image.open(io.BytesIO(data)) for data in pictures]
    sizes = [(one.width / drawn_at, one.height / drawn_at) for one in opened]
    width = sum(one for one, _ in sizes) + _GAP * (len(sizes) - 1) + 2 * _PADDING
    height = max(one for _, one in sizes) + 2 * _PADDING
    canvas = Canvas(width, height, scale)
    canvas.paste(_panel(), (0, 0, width, height), radius=_RADIUS)
    x = _PADDING
    for picture, (wide, high) in zip(opened, sizes, strict=True):
        top = (height - high) / 2
        canvas.fit(picture, (x, top, x + wide, top + high))
        x += wide + _GAP
    return canvas.png()


def _panel() -> Image.Image:
    """Light from the upper left."""
    small = Image.new("RGB", (2, 2))
    for x in range(2):
        for y in range(2):
            share = (x + y) / 2
            small.putpixel((x, y), tuple(round(a + (b - a) * share) for a, b in zip(_FROM, _TO, strict=True)))
    return small.resize((640, 400), Image.Resampling.BILINEAR)
