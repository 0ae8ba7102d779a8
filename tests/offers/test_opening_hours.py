"""Opening hours: seven rows, exceptions, public holidays, clock changes (console check C26)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.documents.opening_hours import DAYS, Span, WeeklyHours
from wallet_service.errors import Invalid
from wallet_service.offers.opening_hours import opening_at
from wallet_service.parsing import parse

PARIS = ZoneInfo("Europe/Paris")
USUAL = {day: [{"from": "10:00", "to": "12:30"}, {"from": "14:00", "to": "19:00"}] for day in DAYS[:6]}


def hours(**more: Any) -> str:
    return parse(WeeklyHours, USUAL | more).as_text()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=PARIS)


@pytest.mark.parametrize(
    ("when", "is_open", "changes"),
    [
        ("2026-11-26T11:00", True, "2026-11-26T12:30"),
        ("2026-11-26T12:30", False, "2026-11-26T14:00"),
        ("2026-11-28T19:00", False, "2026-11-30T10:00"),  # Saturday evening, over Sunday
        ("2026-12-24T18:59", True, "2026-12-24T19:00"),
    ],
)
def test_a_week_is_read(when: str, is_open: bool, changes: str) -> None:
    found = opening_at(hours(), "Europe/Paris", "FR", at(when))
    assert (found.is_open, found.changes_at) == (is_open, at(changes))


def test_public_holidays_and_exceptions_override_the_week() -> None:
    text = hours(
        closed_on_public_holidays=True, exceptions={"2026-12-26": [], "2026-12-27": [{"from": "10:00", "to": "18:00"}]}
    )
    christmas = opening_at(text, "Europe/Paris", "FR", at("2026-12-25T11:00"))
    assert (christmas.is_open, christmas.changes_at) == (False, at("2026-12-27T10:00"))
    assert opening_at(hours(), "Europe/Paris", "FR", at("2026-12-25T11:00")).is_open


def test_past_midnight_and_around_the_clock() -> None:
    late = parse(WeeklyHours, {"fr": [{"from": "18:00", "to": "02:00"}]}).as_text()
    found = opening_at(late, "Europe/Paris", None, at("2026-11-28T01:00"))
    assert (found.is_open, found.changes_at) == (True, at("2026-11-28T02:00"))
    always = parse(WeeklyHours, {day: [{"from": "00:00", "to": "00:00"}] for day in DAYS}).as_text()
    assert opening_at(always, "Europe/Paris", None, at("2026-11-28T01:00")).is_open
    never = opening_at(parse(WeeklyHours, {}).as_text(), "Europe/Paris", None, at("2026-11-28T01:00"))
    assert (never.is_open, never.changes_at) == (False, None)


@pytest.mark.parametrize(("day", "hours_long"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_c26_a_day_on_which_clocks_change_is_as_long_as_it_is(day: str, hours_long: int) -> None:
    text = parse(WeeklyHours, {"su": [{"from": "00:00", "to": "00:00"}]}).as_text()
    begun = opening_at(text, "Europe/Paris", None, at(f"{day}T00:00"))
    assert begun.changes_at is not None
    assert begun.changes_at - at(f"{day}T00:00").astimezone(UTC) == timedelta(hours=hours_long)


@pytest.mark.parametrize(
    ("wrong", "path", "code"),
    [
        ({"mo": [{"from": "10:00", "to": "10:00"}]}, "mo[0].to", "empty_span"),
        ({"mo": [{"from": "10h", "to": "12:00"}]}, "mo[0].from", "time_parsing"),
        ({"mo": [{"from": "10:00:30", "to": "12:00"}]}, "mo[0].from", "clock_time"),
        ({"monday": []}, "monday", "unknown_field"),
        ({"exceptions": {"2026-02-30": []}}, "exceptions.2026-02-30", "date_from_datetime_parsing"),
        ({"mo": [{"from": "08:00", "to": "09:00"}] * 3}, "mo", "too_long"),
    ],
)
def test_wrong_hours_are_refused_at_their_place(wrong: dict[str, Any], path: str, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse(WeeklyHours, wrong)
    assert [(fault.path, fault.code) for fault in refusal.value.faults] == [(path, code)]


clocks = st.times().map(lambda found: found.replace(second=0, microsecond=0))
spans = st.builds(lambda opens, closes: (opens, closes), clocks, clocks).filter(lambda pair: pair[0] != pair[1])


@given(
    week=st.dictionaries(st.sampled_from(DAYS), st.lists(spans, max_size=2)),
    exceptions=st.dictionaries(st.dates(date(2026, 1, 1), date(2027, 12, 31)), st.lists(spans, max_size=2), max_size=4),
    moment=st.timedeltas(timedelta(0), timedelta(days=700)).map(lambda after: datetime(2026, 1, 1, tzinfo=UTC) + after),
    holidays=st.booleans(),
)
def test_what_is_accepted_can_be_read_at_any_moment(
    week: dict[str, list[tuple[time, time]]],
    exceptions: dict[date, list[tuple[time, time]]],
    moment: datetime,
    holidays: bool,
) -> None:
    def written(rows: list[tuple[time, time]]) -> tuple[Span, ...]:
        return tuple(Span(opens=opens, closes=closes) for opens, closes in rows)

    document = WeeklyHours(
        **{day: written(rows) for day, rows in week.items()},
        closed_on_public_holidays=holidays,
        exceptions={day: written(rows) for day, rows in exceptions.items()},
    )
    again = parse(WeeklyHours, document.model_dump(mode="json", by_alias=True))
    assert again == document
    found = opening_at(document.as_text(), "Europe/Paris", "FR", moment)
    if found.changes_at is not None:
        assert found.changes_at > moment
        assert opening_at(document.as_text(), "Europe/Paris", "FR", found.changes_at).is_open != found.is_open


NIGHTS = {day: [{"from": "18:00", "to": "02:00"}] for day in DAYS}


@pytest.mark.parametrize(
    ("said", "local", "is_open", "closes"),
    [
        (NIGHTS, "2026-12-01T01:00", True, "2026-12-01T02:00"),
        (NIGHTS, "2026-11-30T23:30", True, "2026-12-01T02:00"),
        (NIGHTS, "2026-12-01T03:00", False, "2026-12-01T18:00"),
        (
            {"fr": [{"from": "18:00", "to": "02:00"}], "sa": [{"from": "10:00", "to": "19:00"}]},
            *("2026-11-28T01:00", True, "2026-11-28T02:00"),
        ),
        (NIGHTS | {"exceptions": {"2026-12-24": []}}, "2026-12-24T01:00", True, "2026-12-24T02:00"),
        (NIGHTS | {"exceptions": {"2026-12-24": []}}, "2026-12-24T20:00", False, "2026-12-25T18:00"),
        (
            NIGHTS | {"exceptions": {"2026-12-24": [{"from": "20:00", "to": "03:00"}]}},
            *("2026-12-25T02:30", True, "2026-12-25T03:00"),
        ),
        (
            NIGHTS | {"exceptions": {"2026-12-24": [{"from": "20:00", "to": "03:00"}], "2026-12-25": []}},
            *("2026-12-25T02:30", True, "2026-12-25T03:00"),
        ),
        (NIGHTS | {"closed_on_public_holidays": True}, "2026-12-25T20:00", False, "2026-12-26T00:00"),
    ],
)
def test_a_night_goes_on_into_the_next_day(said: dict[str, Any], local: str, is_open: bool, closes: str) -> None:
    text = WeeklyHours.model_validate(said).as_text()
    opening = opening_at(text, "Europe/Paris", "FR", at(local))
    assert opening.is_open == is_open
    assert opening.changes_at == at(closes)


@pytest.mark.parametrize(
    "text",
    [
        "24/7",
        "Mo-Su 00:00-24:00",
        WeeklyHours.model_validate({day: [{"from": "00:00", "to": "00:00"}] for day in DAYS}).as_text(),
        'Mo-Su 00:00-12:00 open "x", 12:00-24:00 open "y"',
        "off",
    ],
)
def test_a_store_that_never_changes_is_not_searched_to_the_end_of_the_calendar(text: str) -> None:
    for number in range(200):  # at four seconds for each look the test would run into its time-out
        instant = datetime(2026, 11, 26, 12, tzinfo=UTC) + timedelta(minutes=number)
        assert opening_at(text, "Europe/Paris", "FR", instant).changes_at is None


def test_a_store_of_the_summer_says_when_it_opens() -> None:
    opening = opening_at("Jun-Sep 10:00-12:00", "Europe/Paris", "FR", at("2026-11-26T12:00"))
    assert (opening.is_open, opening.changes_at) == (False, at("2027-06-01T10:00"))
