"""Formatting a field's value as a phone does: numbers, money and dates in its own language and zone. Pure.

Source: apple-wallet.md, section 2.6.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from html import unescape
from typing import Any, Literal
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.numbers import format_currency, format_decimal, format_percent, format_scientific

_Length = Literal["short", "medium", "long", "full"]
_LENGTHS: dict[str, _Length] = {
    "PKDateStyleShort": "short",
    "PKDateStyleMedium": "medium",
    "PKDateStyleLong": "long",
    "PKDateStyleFull": "full",
}


@dataclass(frozen=True)
class Place:
    """Where and how a phone lives: its language and region (`fr_FR`), its time zone, and what time it is there."""

    locale: str
    time_zone: str
    now: datetime

    @property
    def zone(self) -> tzinfo:
        """The zone by its name."""
        return ZoneInfo(self.time_zone)


def displayed(field: Mapping[str, Any], place: Place) -> str:
    """The text that the phone shows for a field."""
    if "attributedValue" in field and isinstance(field["attributedValue"], str):
        return unescape(re.sub(r"</?a\b[^>]*>", "", field["attributedValue"]))
    value = field["value"]
    if isinstance(value, str):
        return _date(field, value, place) if "dateStyle" in field or "timeStyle" in field else value
    return _number(field, value, Locale.parse(place.locale))


def _number(field: Mapping[str, Any], value: float, locale: Locale) -> str:
    if "currencyCode" in field:
        return format_currency(value, field["currencyCode"], locale=locale)
    match field.get("numberStyle"):
        case "PKNumberStylePercent":
            return format_percent(value, locale=locale)
        case "PKNumberStyleScientific":
            return format_scientific(value, locale=locale)
        case "PKNumberStyleDecimal" | "PKNumberStyleSpellOut":
            return format_decimal(value, locale=locale)
        case _:
            return str(value)


def _date(field: Mapping[str, Any], value: str, place: Place) -> str:
    instant = datetime.fromisoformat(value)
    if field.get("isRelative"):
        return format_timedelta(instant - place.now, add_direction=True, locale=place.locale)
    instant = instant.replace(tzinfo=None) if field.get("ignoresTimeZone") else instant.astimezone(place.zone)
    date_length = _LENGTHS.get(field.get("dateStyle", "PKDateStyleNone"))
    time_length = _LENGTHS.get(field.get("timeStyle", "PKDateStyleNone"))
    if date_length and time_length:
        day = format_date(instant, date_length, locale=place.locale)
        return f"{day} {_time(instant, time_length, place)}"
    if time_length:
        return _time(instant, time_length, place)
    return format_date(instant, date_length, locale=place.locale) if date_length else format_datetime(instant)


def _time(instant: datetime, length: _Length, place: Place) -> str:
    return format_time(instant.timetz() if instant.tzinfo else instant.time(), length, locale=place.locale)
