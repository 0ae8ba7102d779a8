"""Whether a store is open, and until when, in its own zone and with its country's public holidays. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from opening_hours import OpeningHours, State, UnknownCountryError  # type: ignore[attr-defined]  # its stubs lack it

_FRANCE = "FR"
_AS_FAR_AS = timedelta(days=400)
"""What does not change within a year does not change."""


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
    # Not `next_change`: it looks on for ever where a store never closes, and stops where two rules meet at midnight.
    states = hours.intervals(local, local + _AS_FAR_AS)
    changes_at = next((begins for begins, _, state, _ in states if (state == State.OPEN) != is_open), None)
    return Opening(is_open, None if changes_at is None else changes_at.astimezone(UTC))


@lru_cache(maxsize=4096)
def _compiled(text: str, zone: str, country: str) -> OpeningHours:
    try:
        return OpeningHours(text, timezone=ZoneInfo(zone), country=country)
    except UnknownCountryError:
        return OpeningHours(text, timezone=ZoneInfo(zone), country=_FRANCE)
