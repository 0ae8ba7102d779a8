"""The same places in another order are not a change (C13): wallets take all ten, whatever their order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from wallet_service.offers.choosing_places import Point
from wallet_service.offers.places import LiveStore, MemberPlace, ProgramPlaces

NOW = datetime(2026, 11, 20, tzinfo=UTC)
STORES = {
    f"s{number}": LiveStore(
        store_id=f"s{number}",
        name=f"Store {number}",
        city=None,
        point=Point(45 + number / 10, 4.5),
        proximity_text={},
        groups=frozenset(),
    )
    for number in range(14)
}
PROGRAM = ProgramPlaces(revision=1, stores=STORES, offers=())
LYON = MemberPlace(home=Point(45.3, 4.5), favourite_store_id=None, tier=None)


def chosen(member: MemberPlace) -> tuple[str, ...]:
    return tuple(place.store_id for place in PROGRAM.plan_for(member, locale="fr", now=NOW).places)


@given(st.permutations(chosen(LYON)), st.sampled_from(chosen(LYON)))
def test_what_is_on_the_card_keeps_its_order(current: list[str], favourite: str) -> None:
    on_the_card = replace(LYON, current=tuple(current))
    assert chosen(on_the_card) == tuple(current)
    assert chosen(replace(on_the_card, favourite_store_id=favourite)) == tuple(current), "a new favourite among them"


def test_other_places_come_in_the_order_in_which_they_matter() -> None:
    moved = replace(LYON, current=chosen(LYON), home=Point(46.3, 4.5))
    assert chosen(moved)[0] == "s13"
    assert set(chosen(moved)) != set(chosen(LYON))
