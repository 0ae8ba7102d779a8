"""Opening hours on cards, and beacons of the chosen stores on passes (console check C26 for the store's own clock)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wallet_service.cards.content import CardContent
from wallet_service.cards.expressions import compiled
from wallet_service.offers.choosing_places import Point
from wallet_service.offers.facts import BeaconSpot, Place, StoreFacts
from wallet_service.offers.places import LiveStore, MemberPlace, ProgramPlaces
from wallet_service.wallets.apple.passes.pass_json import beacons

HOURS = "Mo-Sa 10:00-19:00"
BEACON = BeaconSpot(uuid="11111111-2222-3333-4444-555555555555", major=1, minor=2)


def _places(hours: str | None = HOURS, zone: str = "Europe/Paris") -> ProgramPlaces:
    store = LiveStore(
        store_id="lyon", name="Lyon", city="Lyon", point=Point(45.757, 4.832), proximity_text={"fr": "Bonjour"},
        groups=frozenset(), beacons=(BEACON,), hours=hours, time_zone=zone,
    )  # fmt: skip
    return ProgramPlaces(revision=1, stores={"lyon": store}, offers=())


MEMBER = MemberPlace(home=None, favourite_store_id="lyon", tier=None)


@pytest.mark.parametrize(
    ("now", "is_open", "changes", "clock"),
    [
        (datetime(2026, 11, 26, 12, tzinfo=UTC), True, datetime(2026, 11, 26, 18, tzinfo=UTC), "19:00"),
        (datetime(2026, 11, 28, 20, tzinfo=UTC), False, datetime(2026, 11, 30, 9, tzinfo=UTC), "10:00"),
        # the night on which clocks go back lies between
        (datetime(2026, 10, 24, 18, tzinfo=UTC), False, datetime(2026, 10, 26, 9, tzinfo=UTC), "10:00"),
    ],
)
def test_c26_the_card_says_when_the_store_is_open_and_until_when(
    now: datetime, is_open: bool, changes: datetime, clock: str
) -> None:
    plan = _places().plan_for(MEMBER, locale="fr", now=now, hours=True)
    assert plan.favourite_store is not None
    assert plan.favourite_store.is_open is is_open
    assert (plan.favourite_store.open_until or plan.favourite_store.opens_at) == changes
    assert plan.valid_until == changes
    source = "(store.open_until or store.opens_at) | clock"
    assert compiled(source)({"store": plan.favourite_store}) == clock


def test_a_design_that_does_not_say_so_is_not_composed_again_for_it() -> None:
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    plan = _places().plan_for(MEMBER, locale="fr", now=now)
    assert plan.favourite_store == StoreFacts(name="Lyon", city="Lyon")
    assert plan.valid_until is None


def test_hours_that_nobody_has_said_are_unknown_not_closed() -> None:
    plan = _places(hours=None).plan_for(MEMBER, locale="fr", now=datetime(2026, 11, 26, tzinfo=UTC), hours=True)
    assert plan.favourite_store == StoreFacts(name="Lyon", city="Lyon")


def test_a_pass_carries_ten_beacons_at_most_in_the_order_of_the_stores() -> None:
    place = Place(store_id="lyon", latitude=45, longitude=4, text="Bonjour", beacons=(BEACON,))
    others = [
        place.model_copy(update={"store_id": str(n), "text": None, "beacons": (BEACON, BEACON)}) for n in range(8)
    ]
    spots = beacons([place, *others])
    assert len(spots) == 10
    assert spots[0] == {
        "proximityUUID": BEACON.uuid, "major": 1, "minor": 2, "relevantText": "Bonjour",
    }  # fmt: skip
    assert "relevantText" not in spots[1]


def test_a_card_without_beacons_keeps_the_digest_that_it_had() -> None:
    plain = Place(store_id="lyon", latitude=45, longitude=4)
    content = CardContent(locale="fr", template_digest="x", fields=(), places=(plain,))
    stored = content.model_dump(mode="json")
    for place in stored["places"]:
        del place["beacons"]
    assert CardContent.model_validate(stored).digest() == content.digest()
    marked = content.model_copy(update={"places": (plain.model_copy(update={"beacons": (BEACON,)}),)})
    assert marked.digest() != content.digest()
