"""Time windows: from a store's local time to UTC instants, across clock changes. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Literal, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from wallet_service.errors import Invalid

Occurrence = Literal["first", "last"]


def instant_of(local: datetime | None, zone: str, *, occurrence: Occurrence = "first") -> datetime:
    """The UTC instant at which a clock on the wall of the store shows `local`.

    A time that the clocks jump over in spring is refused: nobody can say which other one was meant. A time that comes
    twice in autumn is the `first` or the `last` of the two.

    Args:
        local: without offset.
        zone: the store's, e.g. `Europe/Paris`.

    Raises:
        Invalid: there is no time, it has an offset, no clock there ever shows it, or the zone is unknown.
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
    if late < early:  # in the gap of spring the offsets stand the other way round
        raise Invalid.at(
            "",
            f"{local.isoformat()} does not exist in {zone}: the clocks jump over it",
            "local_time_does_not_exist",
            local=local.isoformat(),
            zone=zone,
        )
    return late if occurrence == "last" else early


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The last second of a day in a zone, in UTC; of one that comes twice, the later."""
    return datetime.combine(day, time(23, 59, 59, fold=1), zone).astimezone(UTC)


def span_of(starts_local: datetime, ends_local: datetime, zone: str) -> tuple[datetime, datetime]:
    """The half-open span between two times of one store, in UTC: never shorter than its clock shows.

    Raises:
        Invalid: as `instant_of`, or the end is not after the start.
    """
    starts_at = instant_at("starts_at_local", starts_local, zone)
    ends_at = instant_at("ends_at_local", ends_local, zone, occurrence="last")
    if ends_at <= starts_at:
        raise Invalid.at("ends_at_local", f"{ends_local.isoformat()} is not after {starts_local.isoformat()} in {zone}")
    return starts_at, ends_at


class SaysSpan(Protocol):
    """A document that says its span by instants or by local times, each end in one of the two ways."""

    @property
    def starts_at(self) -> datetime | None:
        """With an offset."""

    @property
    def ends_at(self) -> datetime | None:
        """With an offset."""

    @property
    def starts_at_local(self) -> datetime | None:
        """By the clock there."""

    @property
    def ends_at_local(self) -> datetime | None:
        """By the clock there."""


def span_said(document: SaysSpan, zone: str) -> tuple[datetime, datetime]:
    """The half-open span that a document says, in UTC; local times are those of `zone`.

    Raises:
        Invalid: as `instant_of`, or the end is not after the start.
    """
    starts_at = document.starts_at or instant_at("starts_at_local", document.starts_at_local, zone)
    ends_at = document.ends_at or instant_at("ends_at_local", document.ends_at_local, zone, occurrence="last")
    if starts_at >= ends_at:
        name = "ends_at_local" if document.ends_at is None else "ends_at"
        raise Invalid.at(name, "is not after the start", "ends_before_start")
    return starts_at, ends_at


def instant_at(path: str, local: datetime | None, zone: str, *, occurrence: Occurrence = "first") -> datetime:
    """`instant_of`, its faults under the path of a document's field."""
    try:
        return instant_of(local, zone, occurrence=occurrence)
    except Invalid as error:
        raise error.under(path) from error
