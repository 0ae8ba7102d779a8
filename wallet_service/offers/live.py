"""A store and a published offer as placing needs them, and at which stores an offer holds at a moment. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from wallet_service.offers.choosing_places import Point
from wallet_service.offers.facts import BeaconSpot
from wallet_service.offers.opening_hours import Opening, opening_at
from wallet_service.offers.targets import Targeting
from wallet_service.offers.weekly_hours import WeeklySpan, in_weekly_hours, weekly_hours_change_at

log = structlog.get_logger()
Texts = Mapping[str, str]
_MOST_STEPS = 100
"""After so many changes of hours that alter nothing the next one is taken: a look too many, never one too few."""


@dataclass(frozen=True, kw_only=True)
class LiveStore:
    """A store as placing needs it."""

    store_id: str
    name: str
    city: str | None
    point: Point
    proximity_text: Texts
    groups: frozenset[str]
    beacons: tuple[BeaconSpot, ...] = ()
    hours: str | None = None
    """In OpenStreetMap's form."""
    time_zone: str = "Europe/Paris"
    country: str | None = None

    def opening(self, at: datetime) -> Opening | None:
        """Whether it is open at an instant, and until when; None where nobody has said its hours."""
        return opening_at(self.hours, self.time_zone, self.country, at) if self.hours is not None else None


@dataclass(frozen=True, kw_only=True)
class LiveOffer:
    """A published offer. It holds in the half-open span from `starts_at` to `ends_at`.

    Attributes:
        weekly: within the span only in these hours of each store's clock; none: in all.
        only_when_open: at each store only while that is open; a store whose hours nobody has said counts as open.
    """

    code: str
    title: Texts
    text: Texts
    proximity_text: Texts
    store_ids: frozenset[str]
    groups: frozenset[str]
    starts_at: datetime
    ends_at: datetime
    targeting: Targeting
    radius_m: int | None
    priority: int
    notify: bool = False
    weekly: tuple[WeeklySpan, ...] = ()
    only_when_open: bool = False
    id: int = 0

    @property
    def rank(self) -> tuple[int, datetime, int]:
        """The order in which offers are looked at."""
        return (-self.priority, self.starts_at, self.id)

    @property
    def has_hours(self) -> bool:
        """Whether it pauses by itself within its span."""
        return bool(self.weekly) or self.only_when_open

    def holds_at(self, store: LiveStore) -> bool:
        """Whether this store takes part; an offer that names neither stores nor groups holds everywhere."""
        if not self.store_ids and not self.groups:
            return True
        return store.store_id in self.store_ids or bool(self.groups & store.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Where an offer holds in the half-open span from `since` to `until` (None: as long as it runs).

    Attributes:
        is_on: whether it holds anywhere; one without a single store holds by the programme's clock.
    """

    stores: tuple[str, ...]
    is_on: bool
    since: datetime
    until: datetime | None


def holding_of(offer: LiveOffer, stores: Sequence[LiveStore], *, time_zone: str, now: datetime) -> Holding:
    """At which of its stores an offer holds at `now` by its hours, and until when that set stays the same.

    Args:
        stores: those that take part.
        time_zone: the programme's, for an offer without a store.
    """
    if not offer.has_hours:
        return Holding(stores=tuple(store.store_id for store in stores), is_on=True, since=now, until=None)
    alike: dict[tuple[str, str | None, str | None], list[LiveStore]] = defaultdict(list)
    for store in stores:
        opens = (store.hours, store.country) if offer.only_when_open else (None, None)
        alike[(store.time_zone, *opens)].append(store)
    clocks = [_Clock(offer, zone, stores[0] if offer.only_when_open else None) for (zone, *_), stores in alike.items()]
    if not stores:
        clocks = [_Clock(offer, time_zone, None)]
    state = [clock.is_on(now) for clock in clocks]
    until: datetime | None = now
    for _ in range(_MOST_STEPS):
        changes = [at for clock in clocks if until is not None and (at := clock.changes_at(until)) is not None]
        until = min(changes, default=None)
        if until is None or until >= offer.ends_at or [clock.is_on(until) for clock in clocks] != state:
            break
    on = {store.store_id for group, is_on in zip(alike.values(), state, strict=False) if is_on for store in group}
    return Holding(
        stores=tuple(store.store_id for store in stores if store.store_id in on),
        is_on=any(state),
        since=now,
        until=until,
    )


@dataclass(frozen=True, slots=True)
class _Clock:
    """The hours of an offer at stores that have the same zone and, where that counts, the same opening hours."""

    offer: LiveOffer
    zone: str
    store: LiveStore | None

    def is_on(self, at: datetime) -> bool:
        opening = self._opening(at)
        return in_weekly_hours(self.offer.weekly, self.zone, at) and (opening is None or opening.is_open)

    def changes_at(self, at: datetime) -> datetime | None:
        opening = self._opening(at)
        instants = (
            weekly_hours_change_at(self.offer.weekly, self.zone, at),
            opening.changes_at if opening is not None else None,
        )
        return min((instant for instant in instants if instant is not None), default=None)

    def _opening(self, at: datetime) -> Opening | None:
        if self.store is None:
            return None
        try:
            return self.store.opening(at)
        except Exception as error:  # hours that cannot be read are hours that nobody has said
            log.error("hours_not_read", store=self.store.store_id, reason=type(error).__name__)
            return None
