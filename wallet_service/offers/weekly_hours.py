"""Hours of the week in which an offer holds, by a store's own clock, across clock changes. Pure.

What counts is what a clock on the wall of the store shows: an hour that the clocks jump over in spring never comes, one
that comes twice in autumn counts twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from wallet_service.documents.offers import WEEKDAYS, clock_minutes

_LOOK_AHEAD = 15
"""Days. A week's only span may fall into the hour that a clock change leaves out, and comes a week later then."""


@dataclass(frozen=True, slots=True)
class WeeklySpan:
    """A half-open span of one day of the week (0 is Monday), in minutes since midnight; 1440 is the day's end."""

    day: int
    begins: int
    ends: int


def weekly_spans(stored: Iterable[Mapping[str, Any]]) -> tuple[WeeklySpan, ...]:
    """The spans of an offer as its row has them."""
    return tuple(
        WeeklySpan(WEEKDAYS.index(span["day"]), clock_minutes(span["from"]), clock_minutes(span["to"]))
        for span in stored
    )


def in_weekly_hours(spans: Sequence[WeeklySpan], zone: str, at: datetime) -> bool:
    """Whether an instant lies in one of the spans; no spans: always."""
    if not spans:
        return True
    local = at.astimezone(ZoneInfo(zone))
    day, minute = local.weekday(), local.hour * 60 + local.minute
    return any(span.day == day and span.begins <= minute < span.ends for span in spans)


def weekly_hours_change_at(spans: Sequence[WeeklySpan], zone: str, at: datetime) -> datetime | None:
    """The first instant after `at` at which `in_weekly_hours` is another; None: it never is."""
    if not spans:
        return None
    inside = in_weekly_hours(spans, zone, at)
    candidates = sorted({instant for instant in _instants(spans, zone, at) if instant > at})
    return next((instant for instant in candidates if in_weekly_hours(spans, zone, instant) != inside), None)


def _instants(spans: Sequence[WeeklySpan], zone: str, at: datetime) -> Iterator[datetime]:
    """Where the answer may change: the spans' ends on the days around, and the clock changes."""
    place = ZoneInfo(zone)
    first = at.astimezone(place).date() - timedelta(days=1)
    for ahead in range(_LOOK_AHEAD + 1):
        day = first + timedelta(days=ahead)
        for span in spans:
            if span.day == day.weekday():
                midnight = datetime.combine(day, time())
                for local in (midnight + timedelta(minutes=minutes) for minutes in (span.begins, span.ends)):
                    for fold in (0, 1):
                        yield local.replace(tzinfo=place, fold=fold).astimezone(UTC)
        changed_at = _clock_change(zone, day)
        if changed_at is not None:
            yield changed_at


@lru_cache(maxsize=4096)
def _clock_change(zone: str, day: date) -> datetime | None:
    """The instant in a UTC day at which a zone's offset becomes another, to the second."""
    place = ZoneInfo(zone)
    before = datetime.combine(day, time(), UTC)
    after = before + timedelta(days=1)
    old = before.astimezone(place).utcoffset()
    if after.astimezone(place).utcoffset() == old:
        return None
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        if middle.astimezone(place).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after
