"""A drawing surface measured in points, with text that fits and corners that are smooth."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from itertools import groupby
from typing import Literal

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from wallet_service.previews.fonts import Weight, font

Colour = tuple[int, int, int] | tuple[int, int, int, int]
Box = tuple[float, float, float, float]
Align = Literal["left", "centre", "right"]

_SMOOTH = 4
_SHAPES = frozenset("●○★☆")


class Canvas:
    """An RGBA picture; every measure is in points, `scale` pixels each. Boxes are (left, top, right, bottom)."""

    def __init__(self, width: float, height: float, scale: float, colour: Colour = (0, 0, 0, 0)) -> None:
        self.width, self.height, self.scale = width, height, scale
        self.image = Image.new("RGBA", (self._px(width), self._px(height)), colour)
        self._draw = ImageDraw.Draw(self.image)

    def png(self) -> bytes:
        """The picture as PNG."""
        out = io.BytesIO()
        self.image.save(out, "PNG", optimize=False)
        return out.getvalue()

    def rectangle(self, box: Box, colour: Colour, radius: float = 0) -> None:
        """Fill a box, corners rounded."""
        self.paste(Image.new("RGBA", self.size_of(box), colour), box, radius)

    def shadow(self, box: Box, radius: float, *, blur: float, strength: float) -> None:
        """A soft shadow under a box; `strength` from 0 to 1."""
        layer = Image.new("L", self.image.size, 0)
        edges = [self._px(value) for value in box]
        ImageDraw.Draw(layer).rounded_rectangle(edges, self._px(radius), fill=int(255 * strength))
        layer = layer.filter(ImageFilter.GaussianBlur(self._px(blur)))
        self.image.alpha_composite(_tinted(layer))

    def paste(self, picture: Image.Image, box: Box, radius: float = 0) -> None:
        """Scale a picture to fill a box, crop what is over, round the corners."""
        left, top = self._px(box[0]), self._px(box[1])
        filled = _filling(picture.convert("RGBA"), self.size_of(box))
        if radius:
            mask = _rounded(filled.size, self._px(radius))
            filled.putalpha(ImageChops.multiply(filled.getchannel("A"), mask))
        layer = Image.new("RGBA", self.image.size, (0, 0, 0, 0))
        layer.paste(filled, (left, top))
        self.image.alpha_composite(layer)

    def fit(self, picture: Image.Image, box: Box, align: Align = "left") -> float:
        """Scale a picture to fit inside a box, vertically centred; returns the width that it takes, in points."""
        width, height = self.size_of(box)
        factor = min(width / picture.width, height / picture.height)
        size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
        shown = picture.convert("RGBA").resize(size, Image.Resampling.LANCZOS)
        free = width - size[0]
        shift = {"left": 0, "centre": free // 2, "right": free}[align]
        self.image.alpha_composite(shown, (self._px(box[0]) + shift, self._px(box[1]) + (height - size[1]) // 2))
        return size[0] / self.scale

    def circle(self, picture: Image.Image, box: Box) -> None:
        """Mask a picture to a circle."""
        self.paste(picture, box, radius=(box[2] - box[0]) / 2)

    def text(
        self,
        x: float,
        baseline: float,
        words: str,
        *,
        size: float,
        colour: Colour,
        weight: Weight = "Regular",
        align: Align = "left",
        most: float | None = None,
        least_size: float | None = None,
    ) -> float:
        """One line of text; smaller down to `least_size` and then cut with an ellipsis to be at most `most` wide.

        Returns:
            The width that it takes.
        """
        words = " ".join(words.split("\n"))
        while most is not None and size > (least_size or size) and self.measure(words, size, weight) > most:
            size -= 0.5
        if most is not None and self.measure(words, size, weight) > most:
            while words and self.measure(words + "…", size, weight) > most:
                words = words[:-1].rstrip()
            words += "…"
        width = self.measure(words, size, weight)
        at = x - {"left": 0.0, "centre": width / 2, "right": width}[align]
        layer = Image.new("RGBA", self.image.size, (0, 0, 0, 0))
        draw = ImageDraw.Draw(layer)
        for is_shape, run in _runs(words):
            if is_shape:
                for mark in run:
                    self._mark(draw, mark, at, baseline, size, colour)
                    at += self._mark_width(size)
            else:
                face = font(weight, self._px(size))
                draw.text((at * self.scale, baseline * self.scale), run, font=face, fill=colour, anchor="ls")
                at += face.getlength(run) / self.scale
        self.image.alpha_composite(layer)
        return width

    def paragraph(
        self, x: float, top: float, words: str, *, size: float, colour: Colour, most: float, weight: Weight = "Regular"
    ) -> float:
        """Text in lines of at most `most`; returns the height that it takes."""
        leading, y = size * 1.32, top
        for line in self.lines(words, size, most, weight):
            y += leading
            self.text(x, y - leading * 0.24, line, size=size, colour=colour, weight=weight, most=most)
        return y - top

    def lines(self, words: str, size: float, most: float, weight: Weight = "Regular") -> list[str]:
        """Break text into lines of at most `most`."""
        found: list[str] = []
        for paragraph in words.split("\n"):
            line = ""
            for word in paragraph.split(" "):
                longer = f"{line} {word}".strip()
                if line and self.measure(longer, size, weight) > most:
                    found.append(line)
                    longer = word
                line = longer
            found.append(line)
        return found

    def measure(self, words: str, size: float, weight: Weight = "Regular") -> float:
        """The width of a line of text."""
        width = 0.0
        for is_shape, run in _runs(words):
            face = font(weight, self._px(size))
            width += len(run) * self._mark_width(size) if is_shape else face.getlength(run) / self.scale
        return width

    def line(self, left: float, right: float, y: float, colour: Colour, thickness: float = 0.5) -> None:
        """A thin horizontal line."""
        self.rectangle((left, y, right, y + max(thickness, 1 / self.scale)), colour)

    def fade(self, opacity: float, colour: Colour) -> None:
        """Lay a veil over everything that is drawn; `opacity` from 0 to 1."""
        alpha = self.image.getchannel("A").point([int(value * opacity) for value in range(256)])
        veil = Image.new("RGBA", self.image.size, (*colour[:3], 0))
        veil.putalpha(alpha)
        self.image.alpha_composite(veil)

    def _mark(
        self, draw: ImageDraw.ImageDraw, mark: str, x: float, baseline: float, size: float, colour: Colour
    ) -> None:
        radius = size * 0.40 * self.scale
        centre_x, centre_y = (x + self._mark_width(size) / 2) * self.scale, (baseline - size * 0.36) * self.scale
        stroke = max(1, round(size * 0.07 * self.scale))
        if mark in "●○":
            edges = (centre_x - radius, centre_y - radius, centre_x + radius, centre_y + radius)
            draw.ellipse(edges, fill=colour if mark == "●" else None, outline=colour, width=stroke)
            return
        points = [
            (
                centre_x + radius * (1.1 if corner % 2 == 0 else 0.45) * math.sin(corner * math.pi / 5),
                centre_y - radius * (1.1 if corner % 2 == 0 else 0.45) * math.cos(corner * math.pi / 5),
            )
            for corner in range(10)
        ]
        if mark == "★":
            draw.polygon(points, fill=colour)
        else:
            draw.line([*points, points[0]], fill=colour, width=stroke, joint="curve")

    @staticmethod
    def _mark_width(size: float) -> float:
        return size * 0.98

    def size_of(self, box: Box) -> tuple[int, int]:
        """The pixels of a box."""
        return (
            max(1, self._px(box[2]) - self._px(box[0])),
            max(1, self._px(box[3]) - self._px(box[1])),
        )

    def pixels_of(self, box: Box) -> tuple[int, int, int, int]:
        """The edges of a box in pixels."""
        return self._px(box[0]), self._px(box[1]), self._px(box[2]), self._px(box[3])

    def stamp(self, picture: Image.Image, box: Box) -> None:
        """Put a picture into a box with hard edges, as a scanner likes it."""
        shown = picture.resize(self.size_of(box), Image.Resampling.NEAREST)
        self.image.paste(shown, self.pixels_of(box)[:2])

    def _px(self, points: float) -> int:
        return round(points * self.scale)


def _runs(words: str) -> Iterator[tuple[bool, str]]:
    for is_shape, run in groupby(words, key=lambda mark: mark in _SHAPES):
        yield is_shape, "".join(run)


def _rounded(size: tuple[int, int], radius: int) -> Image.Image:
    large = Image.new("L", (size[0] * _SMOOTH, size[1] * _SMOOTH), 0)
    edges = (0, 0, large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle(edges, radius * _SMOOTH, fill=255)
    return large.resize(size, Image.Resampling.LANCZOS)


def _tinted(alpha: Image.Image) -> Image.Image:
    black = Image.new("RGBA", alpha.size, (0, 0, 0, 0))
    black.putalpha(alpha)
    return black


def _filling(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    if picture.size == size:
        return picture.copy()
    factor = max(size[0] / picture.width, size[1] / picture.height)
    scaled = picture.resize(
        (max(size[0], round(picture.width * factor)), max(size[1], round(picture.height * factor))),
        Image.Resampling.LANCZOS,
    )
    left, top = (scaled.width - size[0]) // 2, (scaled.height - size[1]) // 2
    return scaled.crop((left, top, left + size[0], top + size[1]))
