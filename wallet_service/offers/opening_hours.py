"""Whether a store is open, and until when, in its own zone and with its country's public holidays. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from opening_hours import OpeningHours, UnknownCountryError  # type: ignore[attr-defined]  # its stubs lack it

_FRANCE = "FR"
_FAR = datetime(9000, 1, 1, tzinfo=UTC)
"""The library's word for "never" is a date beyond the calendar's use."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How a store stands at a moment. `changes_at` is when that ends by itself; None: never."""

    is_open: bool
    changes_at: datetime | None


def opening_at(text: str, zone: str, country: str | None, at: datetime) -> Opening:
    """Read opening hours at an instant.

    Args:
        text: in OpenStreetMap's form, already accepted by `documents.opening_hours`.
        zone: the store's time zone; its clock changes count.
        country: two letters, for public holidays; unknown or None: France's.
        at: aware.
    """
    hours = _compiled(text, zone, (country or _FRANCE).upper())
    local = at.astimezone(ZoneInfo(zone))
    is_open = hours.is_open(local)
    changes_at: datetime | None = hours.next_change(local)
    # two rules that meet (until midnight, from midnight) are no change that a person would see
    while changes_at is not None and changes_at < _FAR and hours.is_open(changes_at) == is_open:
        changes_at = hours.next_change(changes_at)
    never = changes_at is None or changes_at.astimezone(UTC) >= _FAR
    return Opening(is_open, None if never or changes_at is None else changes_at.astimezone(UTC))


@lru_cache(maxsize=4096)
def _compiled(text: str, zone: str, country: str) -> OpeningHours:
    try:
        return OpeningHours(text, timezone=ZoneInfo(zone), country=country)
    except UnknownCountryError:
        return OpeningHours(text, timezone=ZoneInfo(zone), country=_FRANCE)
