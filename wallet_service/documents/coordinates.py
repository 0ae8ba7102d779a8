"""Coordinates out of what people paste: two numbers, or a link of a map service. Pure; nothing is asked anywhere."""

from __future__ import annotations

import re
from urllib.parse import unquote

_POINT = r"([-+]?\d{1,3}(?:\.\d+)?)"
_DECIMAL = r"([-+]?\d{1,3}\.\d+)"
_COMMA = r"([-+]?\d{1,3},\d+)"
_PATTERNS = (
    rf"!3d{_POINT}!4d{_POINT}",  # the pin of a link, which goes before the middle of its picture
    rf"[?&](?:q|query|ll|daddr|destination|center|coordinate|sll)=(?:loc:)?{_POINT},\s*{_POINT}",
    rf"[?&]mlat={_POINT}&mlon={_POINT}",
    rf"[?&]cp={_POINT}~{_POINT}",
    rf"#(?:map=)?[\d.]+/{_POINT}/{_POINT}",
    rf"@{_POINT},{_POINT}",
    rf"^geo:{_POINT},{_POINT}",
    rf"/{_POINT},\s*{_POINT}(?:[/?]|$)",
    rf"^{_DECIMAL},{_DECIMAL}$",
    rf"^{_POINT}(?:,\s+|\s*;\s*|\s+){_POINT}$",
    rf"^{_COMMA}(?:,\s*|\s*;\s*|\s+){_COMMA}$",  # as French spreadsheets write them; "48,85" alone is one number
)


def coordinates_in(text: str) -> tuple[float, float] | None:
    """Latitude and longitude, in degrees, that `text` names; None where it names none, or none on Earth."""
    plain = unquote(text).strip()
    for pattern in _PATTERNS:
        found = re.search(pattern, plain)
        if found is not None:
            latitude, longitude = (float(part.replace(",", ".")) for part in found.groups())
            return (latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None
    return None
