"""Barcodes as pictures, black on white: QR by segno, Code 128 here."""

from __future__ import annotations

import io

import segno
from PIL import Image

# Widths of bars and gaps for the values 0 to 106 of Code 128 (ISO/IEC 15417); 104 starts set B, 106 stops.
_WIDTHS = """
212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222
123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321
232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121
313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224
111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111
111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113
114311 411113 411311 113141 114131 311141 411131 211412 211214 211232 2331112
"""
_PATTERNS = tuple(_WIDTHS.split())
_START_B, _STOP = 104, 106


def qr(message: str, encoding: str = "iso-8859-1") -> Image.Image:
    """A QR code without its quiet zone."""
    out = io.BytesIO()
    segno.make(message, error="m", micro=False, encoding=encoding).save(out, kind="png", scale=8, border=0)
    return Image.open(io.BytesIO(out.getvalue())).convert("RGBA")


def code128_widths(message: str) -> list[int]:
    """The widths of bars and gaps, in modules, beginning with a bar, for a message of printable ASCII.

    Raises:
        ValueError: a character is outside set B.
    """
    values = [ord(mark) - 32 for mark in message]
    if not values or not all(0 <= value <= 95 for value in values):
        raise ValueError("Code 128 set B holds printable ASCII only")
    check = (_START_B + sum(place * value for place, value in enumerate(values, start=1))) % 103
    return [int(width) for value in (_START_B, *values, check, _STOP) for width in _PATTERNS[value]]


def code128(message: str) -> Image.Image:
    """A Code 128 barcode without its quiet zone."""
    widths, module, height = code128_widths(message), 4, 200
    picture, x = Image.new("RGBA", (sum(widths) * module, height), (255, 255, 255, 255)), 0
    for index, width in enumerate(widths):
        if index % 2 == 0:
            picture.paste((0, 0, 0, 255), (x, 0, x + width * module, height))
        x += width * module
    return picture
