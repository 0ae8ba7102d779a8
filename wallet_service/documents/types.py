"""The field types that documents share: texts, identifiers, instants and days, places, numbers. Pure.

Each refuses in words and with a code of its own. What owns a fact decides it: RFC 3339 instants, BCP 47 language tags,
IANA time zones; money is in `wallet_service.values`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

import langcodes
import orjson
from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, Strict, WithJsonSchema

from wallet_service.errors import Invalid
from wallet_service.parsing import OBJECT, OBJECT_OR_PLAIN, PLAIN, refusal, require_sound
from wallet_service.values import LARGEST as LARGEST

# Texts

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_BUT_NEWLINE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def _one_line(text: str) -> str:
    if _CONTROL.search(text):
        raise refusal("control_character", "holds a control character or a line break")
    return _not_blank(text)


def _lines(text: str) -> str:
    text = text.replace("\r\n", "\n")
    if _CONTROL_BUT_NEWLINE.search(text):
        raise refusal("control_character", "holds a control character")
    return _not_blank(text)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise refusal("blank", "holds nothing that can be seen")
    return text


def printable(text: str) -> str:
    """The text, if a person could read all of it aloud."""
    if not text.isprintable() or text != text.strip():
        raise refusal("not_printable", "should hold printable characters only, and no space at its ends")
    return text


def _identifier(text: str) -> str:
    if "/" in text or not text.isprintable() or any(letter.isspace() for letter in text) or text in (".", ".."):
        raise refusal("not_an_identifier", "should hold printable characters only, without spaces or slashes")
    return text


Identifier = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_identifier)]
"""An id of somebody else's; it is part of an address of ours."""
Code = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(printable)]
"""What a till reads from a screen: short enough for every barcode that can carry any text."""
ShortText = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
LongText = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_lines)]

# Language tags


@cache
def _known_tag(tag: str) -> str | None:
    try:
        return langcodes.standardize_tag(tag) if langcodes.tag_is_valid(tag) else None
    except ValueError:
        return None


def _language_tag(tag: str) -> str:
    written = _known_tag(tag)
    if written is None:
        raise refusal("language_tag", "should be a language tag (BCP 47), e.g. fr, fr-FR, es-419 or zh-Hant")
    return written


Locale = Annotated[str, Field(min_length=1, max_length=35), AfterValidator(_language_tag)]
"""A BCP 47 language tag; `fr_FR` is written back as `fr-FR`."""


def _one_text_a_language(texts: Any) -> Any:
    if isinstance(texts, Mapping):
        tags = [_known_tag(tag) or tag for tag in texts if isinstance(tag, str) and len(tag) <= 35]
        for tag in tags:
            if tags.count(tag) > 1:
                raise refusal("doubled_language", "the language {tag} comes twice", tag=tag)
    return texts


Texts = Annotated[dict[Locale, LongText], Field(max_length=50), BeforeValidator(_one_text_a_language)]
PeopleText = Annotated[Annotated[Texts, OBJECT] | Annotated[LongText, PLAIN], OBJECT_OR_PLAIN]
"""A text for people: `{locale: text}`, or one text in the programme's first locale."""


def require_one_span(document: Any) -> None:
    """Refuse a document that says its start or its end twice or not at all: with an offset or by the store's clock."""
    for name in ("starts_at", "ends_at"):
        instant, local = getattr(document, name), getattr(document, f"{name}_local")
        if (instant is None) == (local is None):
            raise refusal("one_instant", "give either {name} (with an offset) or {name}_local", path=name, name=name)


def texts_of(text: PeopleText | None, locale: str) -> dict[str, str]:
    """A text for people as `{locale: text}`; one bare string is in the programme's first locale."""
    if text is None:
        return {}
    return {locale: text} if isinstance(text, str) else dict(text)


# Time

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The instants that are taken: each is a day of the calendar in every time zone, in Python and in PostgreSQL."""
_FIRST_DAY = date(1800, 1, 1)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d\d:\d\d(:\d\d)?", re.ASCII)


def _instant(value: Any) -> datetime:
    if isinstance(value, datetime):  # a TOML document's, or one of ours
        if value.tzinfo is None:
            raise refusal("instant_without_offset", _INSTANT_WORDS)
        return _in_range(value)
    if not isinstance(value, str):
        raise refusal("instant", "should be a text, " + _INSTANT_WORDS.removeprefix("should be "))
    if not _INSTANT.fullmatch(value):
        lacks_offset = _LOCAL.fullmatch(value) or _DAY.fullmatch(value)
        raise refusal("instant_without_offset" if lacks_offset else "instant", _INSTANT_WORDS)
    try:
        instant = datetime.fromisoformat(value.upper())
    except ValueError as error:
        raise refusal("instant", "is not in the calendar: " + _INSTANT_WORDS) from error
    return _in_range(instant)


_INSTANT_WORDS = "should be an instant with its offset from UTC (RFC 3339), e.g. 2026-12-01T09:00:00+01:00"


def _in_range(instant: datetime) -> datetime:
    try:
        instant = instant.astimezone(UTC)
    except OverflowError:
        instant = datetime.max.replace(tzinfo=UTC)
    if not EARLIEST <= instant <= LATEST:
        raise refusal(
            "instant_out_of_range",
            "should lie between {earliest} and {latest}; leave it out where there is no end",
            earliest=EARLIEST.isoformat(),
            latest=LATEST.isoformat(),
        )
    return instant


def _day(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        day = value
    elif isinstance(value, str) and _DAY.fullmatch(value):
        try:
            day = date.fromisoformat(value)
        except ValueError as error:
            raise refusal("day", "is not a day of the calendar") from error
    else:
        raise refusal("day", "should be a day, e.g. 2026-12-31")
    if not _FIRST_DAY <= day <= LATEST.date():
        raise refusal(
            "day_out_of_range",
            "should lie between {earliest} and {latest}",
            earliest=str(_FIRST_DAY),
            latest=str(LATEST.date()),
        )
    return day


def _day_or_instant(value: Any) -> date | datetime:
    if isinstance(value, datetime) or not (
        isinstance(value, date) or (isinstance(value, str) and _DAY.fullmatch(value))
    ):
        return _instant(value)
    day = _day(value)
    if day < EARLIEST.date():
        raise refusal("day_out_of_range", "should not lie before {earliest}", earliest=str(EARLIEST.date()))
    return day


def _local_time(value: Any) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is None:
        local = value
    elif isinstance(value, str) and _LOCAL.fullmatch(value):
        try:
            local = datetime.fromisoformat(value.upper())
        except ValueError as error:
            raise refusal("local_time", "is not in the calendar") from error
    elif isinstance(value, datetime) or (isinstance(value, str) and _INSTANT.fullmatch(value)):
        raise refusal("offset_in_local_time", "is the store's own time: leave the offset out, or give an instant")
    else:
        raise refusal("local_time", "should be a local time without offset, e.g. 2026-12-01T09:00")
    if not EARLIEST.year < local.year <= LATEST.year:
        raise refusal(
            "local_time_out_of_range",
            "should lie in the years {earliest} to {latest}",
            earliest=EARLIEST.year + 1,
            latest=LATEST.year,
        )
    return local


def _time_of_day(value: Any) -> time:
    if isinstance(value, time):  # TOML has them
        return value
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            return time.fromisoformat(value)
        except ValueError:
            pass
    raise refusal("time_of_day", "should be a time of day, e.g. 21:30")


def _schema(format_: str, example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "format": format_, "examples": [example]})


Instant = Annotated[datetime, BeforeValidator(_instant), _schema("date-time", "2026-12-01T09:00:00+01:00")]
"""An RFC 3339 instant, in UTC once it is read."""
Day = Annotated[date, BeforeValidator(_day), _schema("date", "2026-12-31")]
DayOrInstant = Annotated[
    date | datetime,
    PlainValidator(_day_or_instant),
    PlainSerializer(lambda value: value.isoformat(), when_used="json-unless-none"),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}],
            "examples": ["2026-12-31", "2026-12-31T18:00:00+01:00"],
            "description": "A day is valid through its end in the programme's time zone.",
        }
    ),
]
LocalTime = Annotated[
    datetime,
    BeforeValidator(_local_time),
    WithJsonSchema({"type": "string", "examples": ["2026-12-01T09:00"], "description": "Without offset."}),
]
"""The time that a clock in the store shows."""
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day), _schema("time", "21:30")]


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - {"Factory", "localtime"})


def _zone(name: str) -> str:
    if name not in _zones():
        raise refusal("time_zone", "should be a time zone's name (IANA), e.g. Europe/Paris")
    return name


TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_zone)]

# Numbers

Integer = Annotated[int, Strict()]
"""An integer and nothing that looks like one: no `true`, no `5.0`, no `"5"`."""
Count = Annotated[Integer, Field(ge=0, le=LARGEST)]
Points = Annotated[Integer, Field(ge=-LARGEST, le=LARGEST)]
Truth = Annotated[bool, Strict()]
Latitude = Annotated[float, Strict(), Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Strict(), Field(ge=-180, le=180, allow_inf_nan=False)]

_METROPOLE = ((41.0, 51.5), (-5.5, 10.0))


def is_swapped(latitude: float, longitude: float) -> bool:
    """Whether a point lies in metropolitan France only when its coordinates are exchanged."""
    (south, north), (west, east) = _METROPOLE
    inside = south <= latitude <= north and west <= longitude <= east
    exchanged = south <= longitude <= north and west <= latitude <= east
    return exchanged and not inside


# Free forms

LARGEST_FREE_FORM_BYTES = 16 * 1024


def _free_form(document: dict[str, Any]) -> dict[str, Any]:
    try:
        require_sound(document)
    except Invalid as error:
        raise refusal(error.faults[0].code, str(error)) from error
    try:
        size = len(orjson.dumps(document))
    except TypeError as error:
        raise refusal("not_json", "holds what JSON has not") from error
    if size > LARGEST_FREE_FORM_BYTES:
        raise refusal(
            "too_large", "takes {found} bytes as JSON; {most} is the most", found=size, most=LARGEST_FREE_FORM_BYTES
        )
    return document


FreeForm = Annotated[dict[ShortText, Any], Field(max_length=200), AfterValidator(_free_form)]
"""An object of the sender's own names."""
