"""Why a member's card has the places that it has, and why stores with an offer are not among them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from wallet_service.offers.choosing_places import APART_M, Point, haversine_m
from wallet_service.offers.places import LiveOffer, LiveStore, MemberPlace, Plan, ProgramPlaces
from wallet_service.offers.targets import Condition

Why = Literal["offer", "favourite", "purchase", "nearest", "other"]
WhyNot = Literal["ten_others", "too_close"] | Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenPlace:
    """A place of a card, and why it is there: the first of these that holds.

    Attributes:
        offer: the code of the offer that the store has for this member.
        purchased_at: the member's last purchase there.
        distance_m: from home, or from the favourite store where no home is known.
    """

    store_id: str
    why: Why
    offer: str | None = None
    purchased_at: datetime | None = None
    distance_m: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A store with a running offer that is not among the places.

    Attributes:
        why_not: `ten_others` go first, `too_close` to the place `near`, or the target's condition that is not met.
    """

    store_id: str
    offer: str
    why_not: WhyNot
    near: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """The places of a card with their reasons, in order, and the stores with an offer that were left out, by id."""

    chosen: tuple[ChosenPlace, ...]
    left_out: tuple[LeftOut, ...]


def reasons_for(places: ProgramPlaces, member: MemberPlace, plan: Plan, *, now: datetime) -> Reasons:
    """Say why.

    Args:
        plan: what `places.plan_for` gave for this member at `now`.
    """
    centre = _centre(places, member)
    offers = dict(zip((place.store_id for place in plan.places), plan.offers_of_places, strict=True))
    return Reasons(
        chosen=tuple(
            _chosen(places.stores[store_id], offer, member, centre, now=now) for store_id, offer in offers.items()
        ),
        left_out=tuple(_left_out(places, member, frozenset(offers), now=now)),
    )


def _centre(places: ProgramPlaces, member: MemberPlace) -> Point | None:
    favourite = places.stores.get(member.favourite_store_id or "")
    return member.home or (favourite.point if favourite else None)


def _chosen(
    store: LiveStore, offer: str | None, member: MemberPlace, centre: Point | None, *, now: datetime
) -> ChosenPlace:
    bought = {last.store_id: last.at for last in member.history.purchases}
    why: Why
    if offer is not None:
        why = "offer"
    elif store.store_id == member.favourite_store_id:
        why = "favourite"
    elif store.store_id in member.history.own_stores(now):
        why = "purchase"
    else:
        why = "nearest" if centre is not None else "other"
    return ChosenPlace(
        store_id=store.store_id,
        why=why,
        offer=offer,
        purchased_at=bought.get(store.store_id),
        distance_m=None if centre is None else round(haversine_m(centre, store.point)),
    )


def _left_out(
    places: ProgramPlaces, member: MemberPlace, chosen: frozenset[str], *, now: datetime
) -> Iterator[LeftOut]:
    """Each store once, with the offer that would count there, or else the first that is not for this member."""
    running = [offer for offer in places.offers if offer.starts_at <= now < offer.ends_at]
    refused = {offer.code: places.why_not(offer, member, now=now) for offer in running}
    at_store: dict[str, LiveOffer] = {}
    for offer in sorted(running, key=lambda one: refused[one.code] is not None):  # stable: by rank within both
        for store_id in places.holding(offer, now=now).stores:
            at_store.setdefault(store_id, offer)
    for store_id, offer in sorted(at_store.items()):
        if store_id in chosen:
            continue
        condition = refused[offer.code]
        here = places.stores[store_id].point
        near = min((other for other in chosen if haversine_m(here, places.stores[other].point) < APART_M), default=None)
        if condition is not None:
            yield LeftOut(store_id=store_id, offer=offer.code, why_not=condition)
        elif near is not None:
            yield LeftOut(store_id=store_id, offer=offer.code, why_not="too_close", near=near)
        else:
            yield LeftOut(store_id=store_id, offer=offer.code, why_not="ten_others")
