"""The field types that documents share: texts for people, identifiers, places, numbers. Pure."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from wallet_service.parsing import OBJECT, OBJECT_OR_PLAIN, PLAIN, refusal


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise refusal("time_zone", "should be a time zone's name, e.g. Europe/Paris") from error
    return name


TimeZone = Annotated[str, AfterValidator(_zone)]
Locale = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]


LARGEST = 2**53 - 1
"""Every integer that JSON can carry safely."""

Identifier = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\s/\x00-\x1f]+$")]
ShortText = Annotated[str, Field(min_length=1, max_length=200)]
Texts = dict[Locale, Annotated[str, Field(min_length=1, max_length=500)]]
PeopleText = Annotated[
    Annotated[Texts, OBJECT] | Annotated[str, Field(min_length=1, max_length=500), PLAIN], OBJECT_OR_PLAIN
]
"""A text for people: `{locale: text}`, or one text in the programme's first locale."""
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]


def texts_of(text: PeopleText | None, locale: str) -> dict[str, str]:
    """A text for people as `{locale: text}`; one bare string is in the programme's first locale."""
    if text is None:
        return {}
    return {locale: text} if isinstance(text, str) else dict(text)


_METROPOLE = ((41.0, 51.5), (-5.5, 10.0))


def is_swapped(latitude: float, longitude: float) -> bool:
    """Whether a point lies in metropolitan France only when its coordinates are exchanged."""
    (south, north), (west, east) = _METROPOLE
    inside = south <= latitude <= north and west <= longitude <= east
    exchanged = south <= longitude <= north and west <= latitude <= east
    return exchanged and not inside
