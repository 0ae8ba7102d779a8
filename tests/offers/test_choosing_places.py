"""The ten places of a card, as examples and as properties."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wallet_service.errors import Invalid
from wallet_service.offers.choosing_places import (
    CLEARLY_NEARER,
    Candidate,
    Point,
    StoreMap,
    choose_places,
    haversine_m,
    looks_swapped,
)

LYON, PARIS = Point(45.7640, 4.8357), Point(48.8566, 2.3522)
latitudes, longitudes = st.floats(-90, 90), st.floats(-180, 180)
points = st.builds(Point, latitudes, longitudes)
# a lattice of 11 m: equal distances and near neighbours come up, differences of less than a millimetre do not
in_france = st.builds(
    Point,
    st.integers(425_000, 510_000).map(lambda n: n / 10_000),
    st.integers(-45_000, 80_000).map(lambda n: n / 10_000),
)


def stores(places: list[Point]) -> list[Candidate]:
    return [Candidate(f"s{index:03}", point) for index, point in enumerate(places)]


def along(start: Point, count: int, step: float = 0.01) -> list[Candidate]:
    """A row of stores to the east, each about 0.8 km from the next."""
    return stores([Point(start.latitude, start.longitude + step * index) for index in range(count)])


def test_distances_are_great_circles() -> None:
    assert haversine_m(LYON, PARIS) == pytest.approx(391_500, rel=0.01)
    assert haversine_m(Point(0, 179.999), Point(0, -179.999)) == pytest.approx(222.4, rel=0.01)
    assert haversine_m(Point(90, 0), Point(90, 123)) == pytest.approx(0, abs=1e-6)
    assert haversine_m(Point(0, 0), Point(0, 180)) == pytest.approx(math.pi * 6_371_008.8)


@given(points, points, points)
def test_distance_is_a_metric(a: Point, b: Point, c: Point) -> None:
    assert haversine_m(a, b) == haversine_m(b, a)
    assert haversine_m(a, a) == 0
    assert haversine_m(a, c) <= haversine_m(a, b) + haversine_m(b, c) + 0.5


@pytest.mark.parametrize(
    ("latitude", "longitude", "fault"),
    [
        (91, 4.8, "latitude: 91 should be between -90 and 90 degrees; latitude and longitude seem swapped"),
        (151.2, -33.9, "latitude: 151.2 .* seem swapped"),
        (45, 181, "longitude: 181 should be between -180 and 180 degrees$"),
        (200, 4, "latitude: 200 should be between -90 and 90 degrees$"),
        (math.nan, 4, "latitude: nan"),
        (45, math.inf, "longitude: inf"),
    ],
)
def test_impossible_coordinates_are_refused(latitude: float, longitude: float, fault: str) -> None:
    with pytest.raises(Invalid, match=fault):
        Point(latitude, longitude)


def test_a_swapped_store_is_noticed_among_its_sisters() -> None:
    french = [LYON, PARIS, Point(43.3, 5.4), Point(47.2, -1.55)]
    assert looks_swapped(Point(4.8357, 45.7640), french)
    assert not looks_swapped(Point(48.58, 7.75), french)
    assert not looks_swapped(Point(-21.1, 55.5), french)  # Réunion is far away, and right
    assert not looks_swapped(LYON, [])


def test_offers_come_first_then_own_stores_then_the_nearest() -> None:
    row = along(LYON, 30)
    chosen = choose_places(row, with_offer=["s020", "s012"], own=["s029", "s012"], home=LYON)
    assert chosen == ("s012", "s020", "s029", "s000", "s001", "s002", "s003", "s004", "s005", "s006")


def test_with_an_offer_everywhere_the_own_stores_and_then_the_nearest_count() -> None:
    row = along(LYON, 30)
    chosen = choose_places(
        row, with_offer=[store.store_id for store in row], own=["s029"], home=Point(LYON.latitude, 4.8357 + 0.049)
    )
    assert chosen == ("s029", "s005", "s004", "s006", "s003", "s007", "s002", "s008", "s001", "s009")


def test_without_a_home_the_ids_decide() -> None:
    row = along(LYON, 30)
    assert choose_places(row, with_offer=["s020"], own=["s029"], limit=4) == ("s020", "s029", "s000", "s001")


def test_ten_branches_of_one_street_do_not_fill_the_card() -> None:
    street = [Candidate(f"a{index}", Point(LYON.latitude + index * 0.0001, LYON.longitude)) for index in range(12)]
    far = along(Point(45.9, 4.8357), 9)
    chosen = choose_places([*street, *far], home=LYON)
    assert [store_id for store_id in chosen if store_id.startswith("a")] == ["a0", "a6"]  # 11 m steps: 66 m apart
    assert len(chosen) == 10


def test_an_offer_beats_its_neighbour() -> None:
    neighbours = [Candidate("near", LYON), Candidate("offer", Point(LYON.latitude + 0.0003, LYON.longitude))]
    assert choose_places(neighbours, with_offer=["offer"], own=["near"], home=LYON) == ("offer",)


def test_fewer_than_ten_is_fine_and_strangers_are_ignored() -> None:
    assert choose_places([], home=LYON) == ()
    assert choose_places(along(LYON, 2), with_offer=["gone"], own=["closed"], home=LYON) == ("s000", "s001")
    assert choose_places(along(LYON, 2), limit=0) == ()


@pytest.mark.parametrize(("limit", "apart_m"), [(-1, 60.0), (10, -1.0), (10, math.nan)])
def test_wrong_limits_are_refused(limit: int, apart_m: float) -> None:
    with pytest.raises(Invalid, match=r"limit|apart_m"):
        choose_places([], limit=limit, apart_m=apart_m)
    with pytest.raises(Invalid, match="two candidates have one store_id"):
        choose_places([Candidate("a", LYON), Candidate("a", PARIS)])


def test_a_store_on_the_card_stays_until_another_is_clearly_nearer() -> None:
    def row(newcomer_m: float) -> list[Candidate]:
        north = newcomer_m / 111_195
        return [Candidate("old", Point(45 + 0.1, 4)), Candidate("new", Point(45 - north, 4))]

    home = Point(45, 4)
    old_m = haversine_m(home, Point(45.1, 4))
    for share, kept in ((CLEARLY_NEARER + 0.01, "old"), (CLEARLY_NEARER - 0.01, "new")):
        assert choose_places(row(old_m * share), home=home, current=["old"], limit=1) == (kept,)
        assert choose_places(row(old_m * share), home=home, limit=1) == ("new",)


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Candidate], list[str], list[str], Point | None]:
    made = stores(draw(st.lists(in_france, max_size=60)))
    ids = st.lists(st.sampled_from([store.store_id for store in made] or ["x"]), max_size=15, unique=True)
    return made, draw(ids), draw(ids), draw(st.none() | in_france)


@settings(deadline=None)
@given(situations(), st.randoms(use_true_random=False))
def test_choice_is_deterministic_spread_and_obeys_the_order(
    situation: tuple[list[Candidate], list[str], list[str], Point | None], chance: random.Random
) -> None:
    made, offers, own, home = situation
    chosen = choose_places(made, with_offer=offers, own=own, home=home)
    shuffled = chance.sample(made, len(made))
    assert choose_places(StoreMap(shuffled), with_offer=set(offers), own=own, home=home) == chosen
    assert len(set(chosen)) == len(chosen) <= 10
    where = {store.store_id: store.point for store in made}
    for index, one in enumerate(chosen):
        assert all(haversine_m(where[one], where[other]) >= 60 for other in chosen[:index])
    ranks = [0 if store_id in offers else 1 if store_id in own else 2 for store_id in chosen]
    assert ranks == sorted(ranks)
    if home is not None:
        rest = [haversine_m(home, where[store_id]) for store_id, rank in zip(chosen, ranks, strict=True) if rank == 2]
        assert all(later >= earlier - 1e-3 for earlier, later in itertools.pairwise(rest))


@settings(deadline=None)
@given(situations())
def test_nothing_better_is_left_out(situation: tuple[list[Candidate], list[str], list[str], Point | None]) -> None:
    """Whoever is not chosen is close to one who is, or comes after the last: the definition, in plain words."""
    made, offers, own, home = situation
    chosen = choose_places(made, with_offer=offers, own=own, home=home)

    def key(store: Candidate) -> tuple[object, ...]:
        mine, offered = store.store_id in own, store.store_id in offers
        rank = (0 if mine else 1) if offered else (2 if mine else 3)
        within = own.index(store.store_id) if mine else haversine_m(home, store.point) if home else 0
        return rank, round(within, 3), store.store_id

    expected: list[Candidate] = []
    for store in sorted(made, key=key):
        if len(expected) < 10 and all(haversine_m(store.point, other.point) >= 60 for other in expected):
            expected.append(store)
    assert chosen == tuple(store.store_id for store in expected)


@settings(deadline=None)
@given(situations(), in_france)
def test_an_unrelated_store_changes_nothing(
    situation: tuple[list[Candidate], list[str], list[str], Point | None], spot: Point
) -> None:
    made, offers, own, home = situation
    before = choose_places(made, with_offer=offers, own=own, home=home)
    after = choose_places([*made, Candidate("zzz", spot)], with_offer=offers, own=own, home=home, current=before)
    if "zzz" not in after:
        assert after == before or home is None or len(before) < 10


@settings(deadline=None)
@given(situations())
def test_choosing_again_changes_nothing(situation: tuple[list[Candidate], list[str], list[str], Point | None]) -> None:
    made, offers, own, home = situation
    once = choose_places(made, with_offer=offers, own=own, home=home)
    again = choose_places(made, with_offer=offers, own=own, home=home, current=once)
    assert set(again) == set(once)


def test_many_stores_at_one_distance_are_taken_by_id() -> None:
    ring = stores([Point(45 + 0.1 * math.cos(a * 0.0628), 4 + 0.1 * math.sin(a * 0.0628)) for a in range(100)])
    same = [Candidate(f"t{index:03}", Point(45.05, 4 + index * 1e-9)) for index in range(100)]
    chosen = choose_places([*ring, *same], home=Point(45.05, 4), apart_m=0)
    assert chosen == tuple(f"t{index:03}" for index in range(10))
