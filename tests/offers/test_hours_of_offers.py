"""An offer holds at a store in its hours of the week and, where it says so, while the store is open: by the store's
own clock, exact across both clock changes (console check C26).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.system import System
from wallet_service.documents.offers import WEEKDAYS, OfferDocument
from wallet_service.errors import Invalid
from wallet_service.offers.choosing_places import Point
from wallet_service.offers.live import LiveOffer, LiveStore, holding_of
from wallet_service.offers.places import MemberPlace, ProgramPlaces
from wallet_service.offers.targets import Targeting
from wallet_service.offers.weekly_hours import WeeklySpan, weekly_spans
from wallet_service.parsing import parse
from wallet_service.web.fault_words import has_sentence

PARIS, REUNION, NEW_YORK = "Europe/Paris", "Indian/Reunion", "America/New_York"
SPRING, AUTUMN = datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)
"""The instants at which Paris changes its clocks."""


def store(store_id: str, zone: str = PARIS, hours: str | None = None) -> LiveStore:
    number = int(store_id[1:])
    return LiveStore(
        store_id=store_id, name=store_id, city=None, point=Point(45 + number, 4), proximity_text={}, groups=frozenset(),
        hours=hours, time_zone=zone,
    )  # fmt: skip


def offer(*weekly: tuple[str, str, str], only_when_open: bool = False, **more: Any) -> LiveOffer:
    values: dict[str, Any] = {
        "code": "maille", "title": {"fr": "Maille"}, "text": {}, "proximity_text": {}, "store_ids": frozenset(),
        "groups": frozenset(), "starts_at": datetime(2026, 1, 1, tzinfo=UTC),
        "ends_at": datetime(2027, 1, 1, tzinfo=UTC), "targeting": Targeting(), "radius_m": None, "priority": 0,
        "weekly": weekly_spans({"day": day, "from": begins, "to": ends} for day, begins, ends in weekly),
        "only_when_open": only_when_open,
    }  # fmt: skip
    return LiveOffer(**values | more)


def on_at(one: LiveOffer, stores: list[LiveStore], at: datetime) -> tuple[str, ...]:
    """Said without any look ahead: by the clock on each store's wall."""
    found = []
    for shop in stores:
        local = at.astimezone(ZoneInfo(shop.time_zone))
        minute = local.hour * 60 + local.minute
        in_hours = not one.weekly or any(
            span.day == local.weekday() and span.begins <= minute < span.ends for span in one.weekly
        )
        opening = shop.opening(at) if one.only_when_open else None
        if in_hours and (opening is None or opening.is_open):
            found.append(shop.store_id)
    return tuple(found)


_spans = st.builds(
    lambda day, ends: (day, *sorted(ends)),
    st.sampled_from(WEEKDAYS),
    st.lists(st.sampled_from(["00:00", "01:45", "02:00", "02:15", "02:30", "03:00", "10:00", "19:30", "24:00"]),
             min_size=2, max_size=2, unique=True),
)  # fmt: skip
_hours = st.sampled_from([None, "Mo-Sa 10:00-19:00", "Su 01:00-02:30", "24/7"])
_zones = st.sampled_from([PARIS, REUNION, NEW_YORK, "Australia/Lord_Howe"])


@given(
    st.lists(_spans, max_size=4),
    st.booleans(),
    st.lists(st.tuples(_zones, _hours), min_size=1, max_size=3),
    st.sampled_from([SPRING, AUTUMN, datetime(2026, 6, 7, tzinfo=UTC)]),
)
def test_c26_evaluated_step_by_step_it_is_what_the_boundaries_say(
    weekly: list[tuple[str, str, str]], only_when_open: bool, shops: list[tuple[str, str | None]], around: datetime
) -> None:
    one = offer(*weekly, only_when_open=only_when_open)
    stores = [store(f"s{number}", zone, hours) for number, (zone, hours) in enumerate(shops)]
    at, last = around - timedelta(hours=30), around + timedelta(hours=30)
    known = holding_of(one, stores, time_zone=PARIS, now=at)
    while at < last:
        if known.until is not None and at >= known.until:
            assert at == known.until, "boundaries are whole quarters here"
            before = known
            known = holding_of(one, stores, time_zone=PARIS, now=at)
            assert known.stores != before.stores, "a boundary at which nothing changes"
        assert known.stores == on_at(one, stores, at), at
        at += timedelta(minutes=15)


@pytest.mark.parametrize(
    ("span", "at", "is_on", "until"),
    [
        # spring: 02:00 to 03:00 does not come; what begins in it begins with 03:00, what lies in it comes in a week
        (("sun", "02:30", "04:00"), SPRING - timedelta(seconds=1), False, SPRING),
        (("sun", "01:00", "02:30"), SPRING - timedelta(seconds=1), True, SPRING),
        (("sun", "02:00", "03:00"), SPRING - timedelta(hours=2), False, datetime(2026, 4, 5, 0, tzinfo=UTC)),
        # autumn: 02:00 to 03:00 comes twice
        (("sun", "01:00", "02:30"), AUTUMN - timedelta(minutes=31), True, AUTUMN - timedelta(minutes=30)),
        (("sun", "01:00", "02:30"), AUTUMN - timedelta(seconds=1), False, AUTUMN),
        (("sun", "01:00", "02:30"), AUTUMN, True, AUTUMN + timedelta(minutes=30)),
        (("sun", "02:00", "03:00"), AUTUMN - timedelta(hours=1), True, AUTUMN + timedelta(hours=1)),
    ],
)
def test_c26_hours_across_both_clock_changes(
    span: tuple[str, str, str], at: datetime, is_on: bool, until: datetime
) -> None:
    held = holding_of(offer(span), [store("s1")], time_zone=PARIS, now=at)
    assert (held.is_on, held.until) == (is_on, until)


def test_c26_each_store_has_its_own_clock() -> None:
    """14:00 on La Réunion is 11:00 in Paris, in winter."""
    one, stores = offer(("fri", "14:00", "15:00")), [store("s1"), store("s2", REUNION)]
    at_ten = datetime(2026, 11, 27, 10, tzinfo=UTC)
    held = holding_of(one, stores, time_zone=PARIS, now=at_ten)
    assert (held.stores, held.until) == (("s2",), at_ten + timedelta(hours=1))
    held = holding_of(one, stores, time_zone=PARIS, now=at_ten + timedelta(hours=3))
    assert (held.stores, held.until) == (("s1",), at_ten + timedelta(hours=4))


def test_a_store_without_known_hours_never_blocks() -> None:
    one = offer(only_when_open=True)
    sunday = datetime(2026, 11, 29, 12, tzinfo=UTC)
    held = holding_of(one, [store("s1"), store("s2", hours="Mo-Sa 10:00-19:00")], time_zone=PARIS, now=sunday)
    assert held.stores == ("s1",)
    assert held.until == datetime(2026, 11, 30, 9, tzinfo=UTC)


def test_an_offer_without_a_store_goes_by_the_programme_s_clock() -> None:
    held = holding_of(
        offer(("fri", "14:00", "15:00"), only_when_open=True), [], time_zone=REUNION,
        now=datetime(2026, 11, 27, 10, tzinfo=UTC),
    )  # fmt: skip
    assert (held.is_on, held.stores, held.until) == (True, (), datetime(2026, 11, 27, 11, tzinfo=UTC))


def test_all_hours_of_the_week_are_no_boundary() -> None:
    every_day = [(day, "00:00", "24:00") for day in WEEKDAYS]
    held = holding_of(offer(*every_day), [store("s1")], time_zone=PARIS, now=SPRING)
    assert (held.is_on, held.until) == (True, None)


def test_the_card_has_the_offer_while_it_holds_at_one_store_and_says_until_when() -> None:
    stores = {shop.store_id: shop for shop in (store("s1"), store("s2", REUNION))}
    places = ProgramPlaces(revision=1, stores=stores, offers=(offer(("fri", "14:00", "15:00")),))
    member, ten = MemberPlace(home=None, favourite_store_id=None, tier=None), datetime(2026, 11, 27, 10, tzinfo=UTC)
    shown = []
    for hours in range(5):
        plan = places.plan_for(member, locale="fr", now=ten + timedelta(hours=hours))
        with_offer = [
            place.store_id for place, code in zip(plan.places, plan.offers_of_places, strict=True) if code is not None
        ]
        shown.append((plan.offer is not None, with_offer))
        if hours < 4:
            assert plan.valid_until is not None
    assert shown == [(True, ["s2"]), (False, []), (False, []), (True, ["s1"]), (False, [])]


@pytest.mark.parametrize(
    ("hours", "path", "code"),
    [
        ({"day": "mon", "from": "22:00", "to": "02:00"}, "weekly_hours[0].to", "over_midnight"),
        ({"day": "mon", "from": "10:00", "to": "10:00"}, "weekly_hours[0].to", "empty_span"),
        ({"day": "mon", "from": "10:00", "to": "24:30"}, "weekly_hours[0].to", "clock_time"),
        ({"day": "mon", "from": "9:00", "to": "10:00"}, "weekly_hours[0].from", "clock_time"),
        ({"day": "monday", "from": "09:00", "to": "10:00"}, "weekly_hours[0].day", "literal_error"),
    ],
)
def test_hours_that_no_clock_shows_are_refused_in_words(hours: dict[str, str], path: str, code: str) -> None:
    document = {"code": "x", "title": "X", "starts_at_local": "2026-12-01T09:00", "ends_at_local": "2026-12-02T09:00"}
    with pytest.raises(Invalid) as refused:
        parse(OfferDocument, document | {"weekly_hours": [hours]})
    assert [(fault.path, fault.code) for fault in refused.value.faults] == [(path, code)]
    assert has_sentence(code)


def test_hours_are_written_read_changed_and_copied(system: System) -> None:
    hours = [{"day": "sat", "from": "14:00", "to": "24:00"}]
    made = system.api.ok("POST", "/offers", {
        "code": "maille", "title": "Maille", "starts_at_local": "2026-12-01T09:00", "ends_at_local": "2026-12-08T19:00",
        "weekly_hours": hours, "only_when_open": True,
    })  # fmt: skip
    assert (made["weekly_hours"], made["only_when_open"]) == (hours, True)
    copy = system.api.ok("POST", f"/offers/{made['id']}/copy")
    assert (copy["weekly_hours"], copy["only_when_open"]) == (hours, True)
    changed = system.api.ok("PATCH", f"/offers/{made['id']}", {"weekly_hours": [], "only_when_open": False})
    assert (changed["weekly_hours"], changed["only_when_open"]) == ([], False)


def test_spans_are_read_as_minutes() -> None:
    assert weekly_spans([{"day": "sun", "from": "00:30", "to": "24:00"}]) == (WeeklySpan(6, 30, 1440),)
