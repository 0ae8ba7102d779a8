"""Store-local times across the nights on which clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.errors import Invalid
from wallet_service.offers.windows import Occurrence, end_of_day, instant_of, span_of

PARIS = "Europe/Paris"


@pytest.mark.parametrize(
    ("local", "zone", "occurrence", "utc"),
    [
        ("2026-11-20T10:00", PARIS, "first", "2026-11-20T09:00"),
        ("2026-07-20T10:00", PARIS, "first", "2026-07-20T08:00"),
        ("2027-03-28T01:59", PARIS, "first", "2027-03-28T00:59"),
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
        ("2026-11-20T10:00", "2026-11-20T19:00", 9),
    ],
)
def test_a_span_is_what_the_clock_shows(starts: str, ends: str, hours: float) -> None:
    begin, end = span_of(datetime.fromisoformat(starts), datetime.fromisoformat(ends), PARIS)
    assert end - begin == timedelta(hours=hours)


zones = st.sampled_from([PARIS, "Indian/Reunion", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"])
locals_ = st.datetimes(datetime(2011, 1, 1), datetime(2040, 1, 1))  # noqa: DTZ001 - wall clocks have no zone


@given(locals_, zones)
def test_a_time_is_an_instant_exactly_if_a_clock_shows_it(local: datetime, zone: str) -> None:
    place = ZoneInfo(zone)
    around = [(local.replace(tzinfo=UTC) + timedelta(minutes=15 * step)) for step in range(-64, 64)]
    shown = {moment for moment in around if moment.astimezone(place).replace(tzinfo=None) == local}
    if shown:
        assert {instant_of(local, zone), instant_of(local, zone, occurrence="last")} == shown
        return
    with pytest.raises(Invalid) as refusal:
        instant_of(local, zone)
    assert [fault.code for fault in refusal.value.faults] == ["local_time_does_not_exist"]


@pytest.mark.parametrize(("local", "zone"), [("2027-03-28T02:30", PARIS), ("2026-10-04T02:10", "Australia/Lord_Howe")])
def test_a_time_that_clocks_jump_over_is_said_and_not_moved(local: str, zone: str) -> None:
    with pytest.raises(Invalid, match=r"does not exist in .*: the clocks jump over it"):
        instant_of(datetime.fromisoformat(local), zone)
    with pytest.raises(Invalid, match=r"^starts_at_local: "):
        span_of(datetime.fromisoformat(local), datetime(2030, 1, 1), zone)  # noqa: DTZ001


@given(st.dates(date(1970, 1, 1), date(2999, 12, 31)), zones)
def test_a_day_ends_a_second_before_the_next(day: date, zone: str) -> None:
    end = end_of_day(day, ZoneInfo(zone))
    assert end.tzinfo is UTC
    assert end.astimezone(ZoneInfo(zone)).date() == day or zone == "Pacific/Apia"  # which left a day out
    assert (end + timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() > day


@given(locals_, zones)
def test_the_first_is_never_after_the_last(local: datetime, zone: str) -> None:
    try:
        first, last = (instant_of(local, zone, occurrence=which) for which in ("first", "last"))
    except Invalid:
        return
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
