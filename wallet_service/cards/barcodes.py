"""What each format of a card's code can carry. Pure.

Sources: Apple, "Pass.Barcodes"; the symbologies' own standards (ISO/IEC 15420 for EAN-13, 16388 for Code 39, 16390 for
interleaved 2 of 5, 15417 for Code 128; EN 798 for Codabar).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from wallet_service.cards.content import BarcodeFormat

_LONGEST = 400
"""Bytes in a square code or PDF417; no scanner at a till reads more with ease."""
_LONGEST_LINE = 64
_LINES: Mapping[BarcodeFormat, re.Pattern[str]] = {
    "code128": re.compile(rf"[ -~]{{1,{_LONGEST_LINE}}}"),
    "code39": re.compile(rf"[0-9A-Z .$/+%-]{{1,{_LONGEST_LINE}}}"),
    "codabar": re.compile(rf"[0-9$:/.+-]{{1,{_LONGEST_LINE}}}|[A-D][0-9$:/.+-]{{1,{_LONGEST_LINE}}}[A-D]"),
    "ean13": re.compile(r"[0-9]{12,13}"),
    "itf": re.compile(rf"(?:[0-9]{{2}}){{1,{_LONGEST_LINE // 2}}}"),
}
SAMPLES: Mapping[BarcodeFormat, str] = {
    "qr": "x", "aztec": "x", "pdf417": "x", "code128": "x", "code39": "0", "codabar": "0", "ean13": "0" * 12,
    "itf": "0" * 14,
}  # fmt: skip
"""A text that each format can carry."""


def can_carry(barcode: BarcodeFormat, value: str) -> bool:
    """Whether a code of that format can hold the text.

    Code 128: printable ASCII. Code 39: capitals, digits and seven signs. Codabar: digits and six signs, with or without
    its letters A to D around them. EAN-13: 12 digits, or 13 with a right check digit. ITF: an even number of digits.
    PDF417: Latin-1, for scanners read it so. QR and Aztec: any text.
    """
    line = _LINES.get(barcode)
    if line is not None:
        if line.fullmatch(value) is None:
            return False
        return barcode != "ean13" or value[12:] in ("", check_digit(value[:12]))
    if barcode == "pdf417":
        try:
            return 0 < len(value.encode("iso-8859-1")) <= _LONGEST
        except UnicodeEncodeError:
            return False
    try:
        return 0 < len(value.encode()) <= _LONGEST
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def check_digit(digits: str) -> str:
    """The check digit of GS1's numbers (EAN-13, GTIN-14): weights 3 and 1 in turn, 3 for the last one."""
    total = sum(int(digit) * (3 if index % 2 == 0 else 1) for index, digit in enumerate(reversed(digits)))
    return str(-total % 10)
