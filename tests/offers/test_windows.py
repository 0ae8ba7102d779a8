"""Store-local times across the nights on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.errors import Invalid
from wallet_service.offers.windows import Occurrence, instant_of, span_of

PARIS = "Europe/Paris"


@pytest.mark.parametrize(
    ("local", "zone", "occurrence", "utc"),
    [
        ("2026-11-20T10:00", PARIS, "first", "2026-11-20T09:00"),
        ("2026-07-20T10:00", PARIS, "first", "2026-07-20T08:00"),
        ("2027-03-28T01:59", PARIS, "first", "2027-03-28T00:59"),
        ("2027-03-28T02:30", PARIS, "first", "2027-03-28T01:30"),  # does not exist: 03:30 on the wall
        ("2027-03-28T02:30", PARIS, "last", "2027-03-28T01:30"),
        ("2027-03-28T03:00", PARIS, "first", "2027-03-28T01:00"),
        ("2026-10-25T02:30", PARIS, "first", "2026-10-25T00:30"),  # comes twice
        ("2026-10-25T02:30", PARIS, "last", "2026-10-25T01:30"),
        ("2026-10-25T03:00", PARIS, "last", "2026-10-25T02:00"),
        ("2026-11-20T10:00", "Indian/Reunion", "first", "2026-11-20T06:00"),
        ("2026-11-20T10:00", "America/Martinique", "first", "2026-11-20T14:00"),
        ("2027-04-04T01:45", "Australia/Lord_Howe", "first", "2027-04-03T14:45"),  # a change of half an hour
        ("2027-04-04T01:45", "Australia/Lord_Howe", "last", "2027-04-03T15:15"),
    ],
)
def test_the_instant_of_a_wall_clock(local: str, zone: str, occurrence: Occurrence, utc: str) -> None:
    expected = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert instant_of(datetime.fromisoformat(local), zone, occurrence=occurrence) == expected


@pytest.mark.parametrize(
    ("starts", "ends", "hours"),
    [
        ("2026-10-24T20:00", "2026-10-25T20:00", 25),
        ("2027-03-27T20:00", "2027-03-28T20:00", 23),
        ("2026-10-25T02:00", "2026-10-25T02:30", 1.5),  # both of the doubled half hours
        ("2027-03-28T02:15", "2027-03-28T02:45", 0.5),  # inside the gap: half an hour all the same
        ("2026-11-20T10:00", "2026-11-20T19:00", 9),
    ],
)
def test_a_span_is_what_the_clock_shows(starts: str, ends: str, hours: float) -> None:
    begin, end = span_of(datetime.fromisoformat(starts), datetime.fromisoformat(ends), PARIS)
    assert end - begin == timedelta(hours=hours)


zones = st.sampled_from([PARIS, "Indian/Reunion", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"])
locals_ = st.datetimes(datetime(2011, 1, 1), datetime(2040, 1, 1))  # noqa: DTZ001 - wall clocks have no zone


@given(locals_, zones)
def test_a_clock_that_exists_shows_its_time_at_the_instant(local: datetime, zone: str) -> None:
    instant = instant_of(local, zone)
    shown = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert instant.tzinfo is UTC
    assert shown >= local
    if shown != local:  # a gap: no instant shows this time
        assert timedelta(0) < shown - local <= timedelta(hours=24)
        around = (instant + timedelta(minutes=minutes) for minutes in range(-1500, 1500, 30))
        assert all(moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != local for moment in around)


@given(locals_, zones)
def test_the_first_is_never_after_the_last(local: datetime, zone: str) -> None:
    first, last = (instant_of(local, zone, occurrence=which) for which in ("first", "last"))
    assert first <= last <= first + timedelta(hours=1)


@pytest.mark.parametrize(
    ("local", "zone", "fault"),
    [
        (None, PARIS, "a time is missing"),
        (datetime(2026, 11, 20, 10, tzinfo=UTC), PARIS, "has an offset; the store's own time has none"),
        (datetime(2026, 11, 20, 10), "Europe/Lyon", "time_zone: 'Europe/Lyon' is not a time zone's name"),  # noqa: DTZ001
        (datetime(2026, 11, 20, 10), "../etc/passwd", "is not a time zone's name"),  # noqa: DTZ001
    ],
)
def test_what_is_no_local_time_is_refused(local: datetime | None, zone: str, fault: str) -> None:
    with pytest.raises(Invalid, match=fault):
        instant_of(local, zone)


def test_a_span_that_ends_before_it_begins_is_refused() -> None:
    ten, nine = datetime(2026, 11, 20, 10), datetime(2026, 11, 20, 9)  # noqa: DTZ001
    with pytest.raises(Invalid, match="ends_at_local: 2026-11-20T09:00:00 is not after 2026-11-20T10:00:00"):
        span_of(ten, nine, PARIS)
