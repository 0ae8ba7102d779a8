"""Many members at once get what each would get alone."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wallet_service.offers.choosing_places import Candidate, Point, choose_places
from wallet_service.offers.places_in_bulk import ManyHomes


def scattered(count: int, chance: random.Random, grain: float) -> list[Candidate]:
    """Stores over France, on a lattice of `grain` degrees: a coarse one makes neighbours and ties."""

    def at(low: float, high: float) -> float:
        return round(chance.uniform(low, high) / grain) * grain if grain else chance.uniform(low, high)

    return [Candidate(f"s{index:04}", Point(at(43, 50), at(-4, 7))) for index in range(count)]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 80),
    st.integers(0, 12),
    st.floats(0, 1),
    st.sampled_from([0.0, 0.0005, 1.0]),
    st.randoms(use_true_random=False),
)
def test_the_same_as_one_by_one(count: int, limit: int, share: float, grain: float, chance: random.Random) -> None:
    stores = scattered(count, chance, grain)
    offers = [store.store_id for store in stores if chance.random() < share]
    homes = np.array([(chance.uniform(43, 50), chance.uniform(-4, 7)) for _ in range(20)])
    own = [chance.choice([None, "unknown", *(store.store_id for store in stores)]) for _ in homes]
    many = ManyHomes(stores, with_offer=offers, limit=limit)
    for row, home, favourite in zip(many.choose(homes, own), homes.tolist(), own, strict=True):
        expected = choose_places(
            stores, with_offer=offers, own=[favourite] if favourite else [], home=Point(*home), limit=limit
        )
        assert tuple(many.store_ids[number] for number in row if number >= 0) == expected


def test_pages_join_without_a_seam() -> None:
    chance = random.Random(7)
    stores = scattered(50, chance, 0.0)
    homes = np.array([(chance.uniform(43, 50), chance.uniform(-4, 7)) for _ in range(300)])
    many = ManyHomes(stores)
    repeated = many.choose(np.tile(homes, (300, 1)))
    assert (repeated == np.tile(many.choose(homes), (300, 1))).all()


def test_no_members_and_no_stores() -> None:
    assert ManyHomes([]).choose(np.array([(45.0, 4.0)])).tolist() == [[-1] * 10]
    assert ManyHomes(scattered(3, random.Random(1), 0.0)).choose(np.empty((0, 2))).shape == (0, 10)
