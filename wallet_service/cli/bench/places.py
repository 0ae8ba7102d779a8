"""`bench places`: the ten places of very many members beside one bare k-d tree query of the same size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import process_time

import numpy as np
from scipy.spatial import cKDTree

from wallet_service.offers.choosing_places import MOST_PLACES, Candidate, Point, on_sphere
from wallet_service.offers.places_in_bulk import ManyHomes

_SEED = 11
_WITH_OFFER, _WITH_FAVOURITE = 0.1, 0.3
_FRANCE = ((42.5, 50.5), (-4.5, 8.0))
"""Degrees of latitude and longitude."""


@dataclass(frozen=True, kw_only=True)
class PlacesFigure:
    """Processor seconds of choosing, and of the bare query, for so many members and stores."""

    members: int
    stores: int
    chosen_s: float
    bare_s: float

    @property
    def ratio(self) -> float:
        """How many times the bare query."""
        return self.chosen_s / self.bare_s


def measure_places(members: int, stores: int) -> Iterator[PlacesFigure]:
    """Three sizes: a hundredth, a tenth, and all of the members."""
    chance = np.random.default_rng(_SEED)
    spots = _scattered(chance, stores)
    candidates = [Candidate(f"s{number}", Point(float(at[0]), float(at[1]))) for number, at in enumerate(spots)]
    offers = [candidate.store_id for candidate in candidates if chance.random() < _WITH_OFFER]
    tree = cKDTree(on_sphere(spots))
    for count in (members // 100, members // 10, members):
        homes = _scattered(chance, count)
        favourites = [f"s{number}" if chance.random() < _WITH_FAVOURITE else None for number in
                      chance.integers(0, stores, count)]  # fmt: skip
        began = process_time()
        ManyHomes(candidates, with_offer=offers).choose(homes, favourites)
        chosen_s = process_time() - began
        began = process_time()
        tree.query(on_sphere(homes), k=MOST_PLACES)
        yield PlacesFigure(members=count, stores=stores, chosen_s=chosen_s, bare_s=process_time() - began)


def _scattered(chance: np.random.Generator, count: int) -> np.ndarray:
    return np.column_stack([chance.uniform(low, high, count) for low, high in _FRANCE])
