"""Time windows: from a store's local time to UTC instants, across clock changes. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from wallet_service.errors import Invalid

Occurrence = Literal["first", "last"]


def instant_of(local: datetime | None, zone: str, *, occurrence: Occurrence = "first") -> datetime:
    """The UTC instant at which a clock on the wall of the store shows `local`.

    A time that the clocks jump over in spring counts from the hour before: 02:30 becomes 03:30 (as RFC 5545 has it), so
    that spans keep their length. A time that comes twice in autumn is the `first` or the `last` of the two.

    Args:
        local: without offset.
        zone: the store's, e.g. `Europe/Paris`.

    Raises:
        Invalid: there is no time, it has an offset, or the zone is unknown.
    """
    if local is None:
        raise Invalid.at("", "a time is missing")
    if local.tzinfo is not None:
        raise Invalid.at("", f"{local.isoformat()} has an offset; the store's own time has none")
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise Invalid.at(
            "time_zone", f"{zone!r} is not a time zone's name; it should look like Europe/Paris"
        ) from error
    early, late = (local.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
    comes_twice = late > early  # in the gap of spring the offsets stand the other way round
    return late if comes_twice and occurrence == "last" else early


def span_of(starts_local: datetime, ends_local: datetime, zone: str) -> tuple[datetime, datetime]:
    """The half-open span between two times of one store, in UTC: never shorter than its clock shows.

    Raises:
        Invalid: as `instant_of`, or the end is not after the start.
    """
    starts_at = instant_of(starts_local, zone)
    ends_at = instant_of(ends_local, zone, occurrence="last")
    if ends_at <= starts_at:
        raise Invalid.at("ends_at_local", f"{ends_local.isoformat()} is not after {starts_local.isoformat()} in {zone}")
    return starts_at, ends_at
