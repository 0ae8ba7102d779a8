"""Offers begin and end at the very second, whatever was asleep then, across both clock changes; and of many stores the
right ten are on the card.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.offers.pressure_system import compose, publish
from tests.system import System
from wallet_service.offers.choosing_places import Point
from wallet_service.offers.live import LiveStore
from wallet_service.offers.places import LiveOffer, MemberPlace, ProgramPlaces
from wallet_service.offers.targets import History, LastPurchase, Targeting
from wallet_service.offers.windows import span_of

PARIS = "Europe/Paris"
SECOND = timedelta(seconds=1)
MEMBER = MemberPlace(home=Point(45, 4), favourite_store_id=None, tier=None)


def store(number: int) -> LiveStore:
    return LiveStore(
        store_id=f"s{number:02}", name=f"Store {number}", city=None, point=Point(45 + number / 10, 4),
        proximity_text={}, groups=frozenset(), time_zone=PARIS,
    )  # fmt: skip


def places_with(starts_at: datetime, ends_at: datetime, *store_ids: str, stores: int = 1) -> ProgramPlaces:
    offer = LiveOffer(
        code="maille", title={"fr": "Maille"}, text={}, proximity_text={}, store_ids=frozenset(store_ids),
        groups=frozenset(), starts_at=starts_at, ends_at=ends_at, targeting=Targeting(), radius_m=None, priority=0,
    )  # fmt: skip
    known = {one.store_id: one for one in map(store, range(stores))}
    return ProgramPlaces(revision=1, stores=known, offers=(offer,))


def boundaries(places: ProgramPlaces, at: datetime) -> list[tuple[datetime | None, bool]]:
    """Until when each plan holds, followed to the end, and whether it shows the offer."""
    found: list[tuple[datetime | None, bool]] = []
    while True:
        plan = places.plan_for(MEMBER, locale="fr", now=at)
        found.append((plan.valid_until, plan.offer is not None))
        if plan.valid_until is None:
            return found
        before = places.plan_for(MEMBER, locale="fr", now=plan.valid_until - SECOND)
        assert (before.offer is not None) == (plan.offer is not None), "nothing changes before the boundary"
        at = plan.valid_until


@pytest.mark.parametrize(
    ("starts", "ends", "begins_at", "ends_at"),
    [
        # the night of spring: 23 hours from midnight to midnight
        ("2026-03-29T00:00", "2026-03-30T00:00", "2026-03-28T23:00", "2026-03-29T22:00"),
        ("2026-03-29T01:59", "2026-03-29T03:00", "2026-03-29T00:59", "2026-03-29T01:00"),
        # the night of autumn: 25 hours; in the hour that comes twice what begins takes the first, what ends the second
        ("2026-10-25T00:00", "2026-10-26T00:00", "2026-10-24T22:00", "2026-10-25T23:00"),
        ("2026-10-25T02:30", "2026-10-25T02:45", "2026-10-25T00:30", "2026-10-25T01:45"),
    ],
)
def test_c26_an_offer_begins_and_ends_by_the_store_s_clock_across_both_changes(
    starts: str, ends: str, begins_at: str, ends_at: str
) -> None:
    span = span_of(datetime.fromisoformat(starts), datetime.fromisoformat(ends), PARIS)
    expected = tuple(datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (begins_at, ends_at))
    assert span == expected
    seen = boundaries(places_with(*span), span[0] - timedelta(days=1))
    assert seen == [(span[0], False), (span[1], True), (None, False)]


def test_fifteen_stores_give_exactly_ten_places_and_the_right_ones() -> None:
    """Stores with the offer first, the dearest of them before the nearest; then the member's own; then the nearest."""
    now = datetime(2026, 11, 26, tzinfo=UTC)
    offered = [f"s{number:02}" for number in (14, 13, 12)]
    places = places_with(now, now + timedelta(days=1), *offered, stores=15)
    bought = History(purchases=(LastPurchase("s11", now - timedelta(days=3)), LastPurchase("s13", now)))
    member = MemberPlace(home=Point(45, 4), favourite_store_id="s10", tier=None, history=bought)
    chosen = [place.store_id for place in places.plan_for(member, locale="fr", now=now).places]
    assert chosen == ["s13", "s12", "s14", "s10", "s11", "s00", "s01", "s02", "s03", "s04"]


def test_fifteen_stores_with_the_offer_give_the_ten_nearest() -> None:
    now = datetime(2026, 11, 26, tzinfo=UTC)
    everywhere = [f"s{number:02}" for number in range(15)]
    places = places_with(now, now + timedelta(days=1), *everywhere, stores=15)
    plan = places.plan_for(MEMBER, locale="fr", now=now)
    assert [place.store_id for place in plan.places] == everywhere[:10]
    assert plan.offers_of_places == ("maille",) * 10


def test_a_worker_begins_and_ends_an_offer_exact_to_the_second(system: System) -> None:
    system.enrol()
    start = system.clock() + timedelta(hours=1)
    publish(system, starts_at=start.isoformat(), ends_at=(start + timedelta(hours=1)).isoformat())

    def shows_at(at: datetime) -> bool:
        system.clock.advance(at - system.clock())
        compose(system)
        return "Offre maille" in str(system.rows("SELECT content FROM cards")[0])

    def due() -> Any:
        return system.rows("SELECT recompose_at FROM cards")[0]["recompose_at"]

    assert (shows_at(start - SECOND), due()) == (False, start)
    assert (shows_at(start), due()) == (True, start + timedelta(hours=1))
    assert shows_at(start + timedelta(hours=1) - SECOND)
    assert (shows_at(start + timedelta(hours=1)), due()) == (False, None)


def test_an_offer_that_ended_while_everything_was_down_is_gone_at_the_next_fetch(system: System) -> None:
    """No worker runs when it ends: whoever asks for the card gets it without the offer all the same."""
    card = system.enrol()
    phone, late = system.iphone(), system.iphone()
    publish(system, lasts=timedelta(hours=1))
    phone.open_link(card["links"]["card"])
    assert "Offre maille" in str(phone.shows())
    system.clock.advance(timedelta(hours=1, seconds=1))
    late.open_link(card["links"]["card"])
    assert "Offre maille" not in str(late.shows())
    with system.working():
        phone.wait_until(lambda phone: "Offre maille" not in str(phone.shows()), 30)
