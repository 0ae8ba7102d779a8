"""Why these ten places: every place has its reason, every store with an offer is either there or explained."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from wallet_service.offers.choosing_places import APART_M, MOST_PLACES, Point, haversine_m
from wallet_service.offers.places import LiveOffer, LiveStore, MemberPlace, ProgramPlaces
from wallet_service.offers.reasons import ChosenPlace, LeftOut, Reasons, reasons_for
from wallet_service.offers.targets import OWN_FOR, History, LastPurchase, Targeting

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def store(store_id: str, latitude: float, longitude: float = 4.8) -> LiveStore:
    return LiveStore(
        store_id=store_id,
        name=store_id,
        city=None,
        point=Point(latitude, longitude),
        proximity_text={},
        groups=frozenset(),
    )


def offer(code: str, *store_ids: str, tiers: tuple[str, ...] = (), priority: int = 0) -> LiveOffer:
    return LiveOffer(
        code=code,
        title={"fr": code},
        text={},
        proximity_text={},
        store_ids=frozenset(store_ids),
        groups=frozenset(),
        starts_at=NOW - HOUR,
        ends_at=NOW + HOUR,
        targeting=Targeting(tiers=frozenset(tiers)),
        radius_m=None,
        priority=priority,
    )


def program(stores: list[LiveStore], *offers: LiveOffer) -> ProgramPlaces:
    ranked = tuple(sorted(offers, key=lambda one: one.rank))
    return ProgramPlaces(revision=1, stores={one.store_id: one for one in stores}, offers=ranked)


def reasons(places: ProgramPlaces, member: MemberPlace) -> Reasons:
    return reasons_for(places, member, places.plan_for(member, locale="fr", now=NOW), now=NOW)


def test_each_reason() -> None:
    places = program(
        [store("a", 45.0), store("b", 46.0), store("c", 47.0), store("d", 48.0), store("e", 48.0001)],
        offer("maille", "d", "e"),
        offer("or", "a", tiers=("Or",)),
    )
    bought = (LastPurchase("c", NOW - HOUR), LastPurchase("a", NOW - OWN_FOR))
    member = MemberPlace(home=Point(45.0, 4.8), favourite_store_id="b", tier=None, history=History(purchases=bought))
    found = reasons(places, member)
    assert [(one.store_id, one.why) for one in found.chosen] == [
        ("d", "offer"),
        ("b", "favourite"),
        ("c", "purchase"),
        ("a", "nearest"),
    ]
    assert found.chosen[0].offer == "maille"
    assert found.chosen[2].purchased_at == NOW - HOUR
    assert found.chosen[3] == ChosenPlace(store_id="a", why="nearest", purchased_at=NOW - OWN_FOR, distance_m=0), (
        "a purchase of long ago is told, and is not the reason"
    )
    assert found.left_out == (LeftOut(store_id="e", offer="maille", why_not="too_close", near="d"),)


def test_more_offers_than_places_and_offers_for_others() -> None:
    stores = [store(f"s{number:02}", 45.0 + number / 10) for number in range(14)]
    everywhere = [one.store_id for one in stores[:12]]
    places = program(stores, offer("tous", *everywhere), offer("or", "s12", "s00", tiers=("Or",), priority=5))
    found = reasons(places, MemberPlace(home=Point(45.0, 4.8), favourite_store_id=None, tier="Argent"))
    assert {one.offer for one in found.chosen} == {"tous"}
    assert found.left_out == (
        LeftOut(store_id="s10", offer="tous", why_not="ten_others"),
        LeftOut(store_id="s11", offer="tous", why_not="ten_others"),
        LeftOut(store_id="s12", offer="or", why_not="tier"),
    )


spots = st.tuples(st.sampled_from([45.0, 45.0003, 45.1, 45.2]), st.sampled_from([4.0, 4.0004, 4.5, 4.9]))


@given(
    st.lists(spots, min_size=1, max_size=16, unique=True),
    st.lists(st.tuples(st.sets(st.integers(0, 15)), st.booleans(), st.integers(-1, 1)), max_size=3),
    st.one_of(st.none(), spots),
    st.sampled_from([None, "Or"]),
)
def test_every_store_with_an_offer_is_there_or_is_explained(
    where: list[tuple[float, float]],
    made: list[tuple[set[int], bool, int]],
    home: tuple[float, float] | None,
    tier: str | None,
) -> None:
    stores = [store(f"s{number}", *spot) for number, spot in enumerate(where)]
    offers = [
        offer(f"o{number}", *(f"s{one}" for one in at), tiers=("Or",) if only else (), priority=priority)
        for number, (at, only, priority) in enumerate(made)
        if at
    ]
    places = program(stores, *offers)
    member = MemberPlace(home=Point(*home) if home else None, favourite_store_id="s0", tier=tier)
    found = reasons(places, member)
    chosen, left_out = {one.store_id for one in found.chosen}, {one.store_id for one in found.left_out}
    with_offer = {one for live in offers for one in places.stores_of(live)}
    assert not chosen & left_out
    assert with_offer <= chosen | left_out
    assert left_out <= with_offer
    for one in found.left_out:
        if one.why_not == "too_close":
            assert one.near in chosen
            assert haversine_m(places.stores[one.store_id].point, places.stores[one.near or ""].point) < APART_M
        elif one.why_not == "ten_others":
            assert len(chosen) == MOST_PLACES
        else:
            assert one.why_not == "tier"
            assert tier is None
