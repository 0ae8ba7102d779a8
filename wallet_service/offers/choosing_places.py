"""Choosing the ten places of a member's card. Pure.

A phone takes ten and decides alone when it is near one. So the order is: stores with an offer that the member may use,
the member's own stores, then the nearest; of several within a stone's throw only one.

Source: design.md section 7; apple-wallet.md section 7, "Choosing the ten locations"; google-wallet.md section 13.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from wallet_service.errors import Invalid

EARTH_RADIUS_M = 6_371_008.8
"""The mean radius of the Earth (IUGG)."""
MOST_PLACES = 10
APART_M = 60.0
"""Two places nearer than this waste one of the ten."""
CLEARLY_NEARER = 0.8
"""A newcomer replaces a store that is on the card only if its distance is less than this share of the other's."""

DECIMALS = 10
"""Distances on the unit sphere are told apart down to 0.6 mm; nearer to each other is a tie, for the ids to decide."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Point:
    """Decimal degrees, WGS 84.

    Raises:
        Invalid: out of range or not finite; says so if latitude and longitude seem swapped.
    """

    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        for name, value, most in (("latitude", self.latitude, 90), ("longitude", self.longitude, 180)):
            if not -most <= value <= most:  # false for NaN too
                swapped = abs(self.longitude) <= 90 and abs(self.latitude) <= 180
                hint = "; latitude and longitude seem swapped" if swapped else ""
                raise Invalid.at(name, f"{value} should be between -{most} and {most} degrees{hint}")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A store that may be chosen."""

    store_id: str
    point: Point


def haversine_m(one: Point, other: Point) -> float:
    """The great-circle distance in metres, on a sphere of the Earth's mean radius (off by at most 0.6 %)."""
    lat1, lat2 = math.radians(one.latitude), math.radians(other.latitude)
    half_north = math.sin((lat2 - lat1) / 2)
    half_east = math.sin(math.radians(other.longitude - one.longitude) / 2)
    chord = half_north**2 + math.cos(lat1) * math.cos(lat2) * half_east**2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(chord, 1.0)))


def looks_swapped(point: Point, others: Sequence[Point]) -> bool:
    """Whether a store lies far from all others, and among them once latitude and longitude change places."""
    if not others or abs(point.longitude) > 90:
        return False
    middle = Point(median(p.latitude for p in others), median(p.longitude for p in others))
    reach = max(haversine_m(middle, other) for other in others) + 500_000
    turned = Point(point.longitude, point.latitude)
    return haversine_m(middle, point) > 2 * reach and haversine_m(middle, turned) <= reach


def choose_places(
    candidates: StoreMap | Iterable[Candidate],
    *,
    with_offer: Collection[str] = (),
    own: Sequence[str] = (),
    home: Point | None = None,
    current: Collection[str] = (),
    limit: int = MOST_PLACES,
    apart_m: float = APART_M,
) -> tuple[str, ...]:
    """Choose the stores near which the card should come forward.

    Args:
        candidates: any order, any length; the result does not depend on the order. A `StoreMap` saves building one.
        with_offer: stores with an offer that this member may use now; unknown ids are ignored, as in `own`.
        own: the member's stores, the dearest first: favourite, last purchases.
        home: from where nearness counts; None: the order of the ids decides.
        current: stores on the card now: among the nearest they stay unless another is clearly nearer.
        limit: the platform's ceiling, 0 or more.
        apart_m: great-circle metres; of two chosen places nearer than this the first in order is kept.

    Returns:
        At most `limit` store ids, the most important first, ties by id so that digests are stable.

    Raises:
        Invalid: `limit` or `apart_m` is negative.
    """
    if limit < 0:
        raise Invalid.at("limit", f"{limit} should be 0 or more")
    if not apart_m >= 0:
        raise Invalid.at("apart_m", f"{apart_m} should be 0 or more metres")
    stores = candidates if isinstance(candidates, StoreMap) else StoreMap(candidates)
    return stores.choose(with_offer, own, home, current, limit, apart_m)


class StoreMap:
    """The candidates of one programme with their tree; made once, asked for each member. Safe to share."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self._stores = sorted(candidates, key=lambda candidate: candidate.store_id)
        self._index = {store.store_id: index for index, store in enumerate(self._stores)}
        if len(self._index) != len(self._stores):
            raise Invalid.at("candidates", "two candidates have one store_id")
        self.spots = unit_vectors([store.point for store in self._stores])
        self._tree = cKDTree(self.spots) if self._stores else None

    def choose(
        self,
        with_offer: Collection[str],
        own: Sequence[str],
        home: Point | None,
        current: Collection[str],
        limit: int,
        apart_m: float,
    ) -> tuple[str, ...]:
        """See `choose_places`."""
        chosen: list[int] = []
        seen: set[int] = set()
        for index in self._ranked(with_offer, own, home, current):
            if len(chosen) == limit:
                break
            if index not in seen and not self._is_near_any(index, chosen, apart_m):
                chosen.append(index)
            seen.add(index)
        return tuple(self._stores[index].store_id for index in chosen)

    def _ranked(
        self, with_offer: Collection[str], own: Sequence[str], home: Point | None, current: Collection[str]
    ) -> Iterator[int]:
        """All stores, the most important first; lazily, and some more than once."""
        offers = set(self._known(with_offer))
        mine = self._known(own)
        yield from (index for index in mine if index in offers)
        staying = set(self._known(current))
        if home is None:
            yield from sorted(offers, key=lambda index: (index not in staying, index))
            yield from mine
            yield from sorted(range(len(self._stores)), key=lambda index: (index not in staying, index))
            return
        spot = unit_vectors([home])[0]
        if len(offers) * 20 > len(self._stores):  # they are everywhere: the nearest are soon found by walking outwards
            yield from (index for index in self._nearest(spot, staying) if index in offers)
        else:
            yield from (index for _, index in self._weighed(offers, spot, staying))
        yield from mine
        yield from self._nearest(spot, staying)

    def _known(self, store_ids: Iterable[str]) -> list[int]:
        return [index for store_id in store_ids if (index := self._index.get(store_id)) is not None]

    def _weighed(self, stores: Iterable[int], spot: _Floats, staying: set[int]) -> list[tuple[float, int]]:
        indices = list(stores)
        chords = np.sqrt(((self.spots[indices] - spot) ** 2).sum(axis=1)).round(DECIMALS).tolist()
        return sorted(
            (chord * CLEARLY_NEARER if index in staying else chord, index)
            for index, chord in zip(indices, chords, strict=True)
        )

    def _nearest(self, spot: _Floats, staying: set[int]) -> Iterator[int]:
        """Stores by distance from `spot`, in growing portions; exact also where many are equally far."""
        count = len(self._stores)
        portion = 2 * MOST_PLACES
        while portion < count and self._tree is not None:
            chords, indices = self._tree.query(spot, k=portion)
            farthest = round(float(chords[-1]), DECIMALS)
            sure = set(indices[chords.round(DECIMALS) < farthest].tolist())
            yield from (index for weight, index in self._weighed(sure | staying, spot, staying) if weight < farthest)
            portion *= 4
        yield from (index for _, index in self._weighed(range(count), spot, staying))

    def _is_near_any(self, index: int, chosen: Sequence[int], apart_m: float) -> bool:
        here = self._stores[index].point
        return any(haversine_m(here, self._stores[other].point) < apart_m for other in chosen)


def unit_vectors(points: Sequence[Point]) -> _Floats:
    """Points as rows of x, y, z on the unit sphere: the straight line between two grows with their distance."""
    degrees = np.array([(point.latitude, point.longitude) for point in points], dtype=np.float64)
    return on_sphere(degrees.reshape(-1, 2))


def on_sphere(degrees: _Floats) -> _Floats:
    """`unit_vectors` for rows of latitude and longitude that are known to be in range."""
    latitude, longitude = np.radians(degrees).T
    return np.column_stack(
        (np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude))
    )
