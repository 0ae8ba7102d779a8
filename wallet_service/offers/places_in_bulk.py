"""Choosing the ten places of very many members at once, for audiences and walks over all cards. Pure.

Gives for each member what `choosing_places.choose_places` gives, at a few microseconds each: whole columns of
candidates are weighed at a time, and only the rare member with neighbouring or equally far stores takes the slow road.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from wallet_service.offers.choosing_places import (
    APART_M,
    DECIMALS,
    EARTH_RADIUS_M,
    MOST_PLACES,
    Candidate,
    Point,
    StoreMap,
    on_sphere,
)

_NONE = -1
_SPARE = 2
"""So many more than the ten are looked at: the member's own store may be among them, and a tie may follow them."""
_PAGE = 65_536

_Rows = NDArray[np.int64]


class ManyHomes:
    """One programme's stores, with the offers of one group of members; made once, asked page by page."""

    def __init__(
        self,
        candidates: Sequence[Candidate],
        *,
        with_offer: Collection[str] = (),
        limit: int = MOST_PLACES,
        apart_m: float = APART_M,
    ) -> None:
        self.store_ids = tuple(sorted(candidate.store_id for candidate in candidates))
        """What the numbers in `choose` stand for."""
        self._numbers = {store_id: number for number, store_id in enumerate(self.store_ids)}
        self._map = StoreMap(candidates)
        self._limit, self._apart_m = limit, apart_m
        self._with_offer = [store_id for store_id in with_offer if store_id in self._numbers]
        # one place more than there are stores: number -1 stands for none
        self._has_offer = np.zeros(len(self.store_ids) + 1, dtype=bool)
        self._has_offer[[self._numbers[store_id] for store_id in self._with_offer]] = True
        self._is_crowded = np.zeros(len(self.store_ids) + 1, dtype=bool)
        self._groups = []
        if self.store_ids:
            near = cKDTree(self._map.spots).query_pairs(1.01 * apart_m / EARTH_RADIUS_M, output_type="ndarray")
            self._is_crowded[near.ravel()] = True
            groups = (np.flatnonzero(self._has_offer[:-1]), np.flatnonzero(~self._has_offer[:-1]))
            self._groups = [(group, cKDTree(self._map.spots[group])) for group in groups if len(group)]

    def choose(self, homes: NDArray[np.float64], own: Sequence[str | None] | None = None) -> _Rows:
        """Choose for each row of `homes`.

        Args:
            homes: rows of latitude and longitude, decimal degrees, in range.
            own: each member's favourite store, if any; unknown ids are ignored.

        Returns:
            For each member `limit` numbers of stores, the most important first; -1 where there are fewer.
        """
        favourites = np.full(len(homes), _NONE, dtype=np.int64)
        if own is not None:
            favourites[:] = [self._numbers.get(store_id or "", _NONE) for store_id in own]
        chosen = np.full((len(homes), self._limit), _NONE, dtype=np.int64)
        for start in range(0, len(homes), _PAGE):
            page = slice(start, start + _PAGE)
            chosen[page] = self._choose_page(homes[page], favourites[page])
        return chosen

    def _choose_page(self, homes: NDArray[np.float64], favourites: _Rows) -> _Rows:
        ranked, unsure = self._ranked(on_sphere(homes), favourites)
        unsure |= self._is_crowded[ranked].sum(axis=1) > 1
        chosen = np.full((len(homes), self._limit), _NONE, dtype=np.int64)
        takes = ranked != _NONE
        turns = np.cumsum(takes, axis=1) - 1
        takes &= turns < self._limit
        chosen[np.nonzero(takes)[0], turns[takes]] = ranked[takes]
        for row in np.flatnonzero(unsure):
            chosen[row] = self._one(homes[row], favourites[row])
        return chosen

    def _ranked(self, spots: NDArray[np.float64], favourites: _Rows) -> tuple[_Rows, NDArray[np.bool_]]:
        """Candidates in order for each member, with -1 in between; and which members need a closer look."""
        own_offer = self._has_offer[favourites]
        columns = [np.where(own_offer, favourites, _NONE)[:, None]]
        unsure = np.zeros(len(spots), dtype=bool)
        wanted = self._limit + _SPARE
        for group, tree in self._groups:
            count = min(wanted, len(group))
            distances, found = tree.query(spots, k=np.arange(1, count + 1))
            unsure |= (np.diff(distances, axis=1) < 2 * 10.0**-DECIMALS).any(axis=1)
            if not self._has_offer[group[0]]:
                columns.append(np.where(own_offer, _NONE, favourites)[:, None])
            near = group[found]
            near[near == favourites[:, None]] = _NONE
            columns.append(near)
            if count == wanted:
                break
        return np.hstack(columns), unsure

    def _one(self, home: NDArray[np.float64], favourite: np.int64) -> _Rows:
        own = [self.store_ids[favourite]] if favourite != _NONE else []
        point = Point(float(home[0]), float(home[1]))
        ids = self._map.choose(self._with_offer, own, point, (), self._limit, self._apart_m)
        numbers = [self._numbers[store_id] for store_id in ids]
        return np.array(numbers + [_NONE] * (self._limit - len(numbers)), dtype=np.int64)
