"""What phones show of a card along a path, and why not: each platform's rule with where it is written. Pure.

A phone decides alone and tells nobody; this is what the platforms' documents say that it does with the places that the
card has at that moment. The simulated phones are written apart from this, and a test compares the two.

Source: apple-wallet.md, sections 2.4 and 7; google-wallet.md, section 13.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from wallet_service.offers.choosing_places import APART_M, Point, haversine_m
from wallet_service.offers.facts import Place
from wallet_service.offers.places import LiveOffer, LiveStore, MemberPlace, ProgramPlaces
from wallet_service.offers.reasons import ChosenPlace, Why, reasons_for
from wallet_service.offers.targets import Condition

Cause = Literal[
    "near", "too_far", "no_places", "no_relevance", "location_off", "voided", "expired", "decides_alone", "not_active"
]
OfferState = Literal["running", "paused", "for_others", "not_begun", "ended"]
OffCard = Literal["ten_others", "too_close"]

MOST_POINTS = 50
"""On one path."""
AROUND_M = 1000.0
"""Stores nearer than this to a point are explained one by one; where there are none, the nearest is."""
MOST_AROUND = 5
_AROUND_DEGREES = AROUND_M / 110_000
"""Of latitude: whatever is farther north or south need not be measured."""
TOLD_FOR = timedelta(days=30)
"""For so long an offer that is over is named as the reason why a store has none."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A platform's rule in our words, and the document and section that it is from."""

    words: str
    source: str


_LOCK_SCREEN = "Apple, Wallet Passes, “Showing a Pass on the Lock Screen”"
_TABLE = "Apple, Wallet Developer Guide, “Pass Design and Creation”, table 4-2"
_NEARBY = "Google Wallet, Loyalty cards, “Trigger Push Notifications”"

RULES_OF_IPHONE: Mapping[Cause, Rule] = {
    "near": Rule("A pass comes to the lock screen while the phone is near any of its locations.", _TABLE),
    "too_far": Rule(
        "The radius is that of the pass’s style, or maxDistance where that is less; it can only be made smaller.",
        f"{_TABLE}; Apple, Wallet Passes, “Pass”, maxDistance",
    ),
    "no_places": Rule("A store card, coupon or generic pass is relevant by location only, and needs one.", _TABLE),
    "no_relevance": Rule("No relevance by location is documented for this style.", _TABLE),
    "location_off": Rule("Wallet must be allowed to use the location, and the pass to be suggested.", _LOCK_SCREEN),
    "voided": Rule("A voided pass is treated like an expired one.", "Apple, Wallet Passes, “Pass”, voided"),
    "expired": Rule("An expired pass is put away.", "Apple, Wallet Passes, “Pass”, expirationDate"),
}
RULES_OF_ANDROID: Mapping[Cause, Rule] = {
    "decides_alone": Rule(
        "A notification appears while the holder dwells inside a radius that Google chooses and does not publish; the"
        " text is Google’s.",
        f"{_NEARBY}; Google Wallet API, LoyaltyObject.merchantLocations",
    ),
    "no_places": Rule(
        "Without merchantLocations there is nothing to be near.",
        "Google Wallet API, LoyaltyObject.merchantLocations",
    ),
    "location_off": Rule("Wallet needs notifications, and a location that is precise and always on.", _NEARBY),
    "not_active": Rule("An object that is not active is put away.", "Google Wallet API, LoyaltyObject.state"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """What of a card decides, beside its places.

    Attributes:
        reach_m: metres within which an iPhone shows a pass of this style; None: nothing is documented for it.
        expires_at: the first instant at which wallets show it as expired.
    """

    reach_m: int | None
    voided: bool = False
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """A point of the path, and when the phone is there."""

    point: Point
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one phone does at one stop.

    Attributes:
        shows: None: nobody but the phone knows.
        place: the nearest place of the card, and the distance to it in metres.
        radius_m: within which it would have been shown; None where the platform does not tell.
    """

    shows: bool | None
    cause: Cause
    rule: Rule
    place: Place | None = None
    distance_m: float | None = None
    radius_m: float | None = None

    @property
    def missing_m(self) -> float | None:
        """By how many metres it is too far."""
        if self.cause != "too_far" or self.distance_m is None or self.radius_m is None:
            return None
        return self.distance_m - self.radius_m


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferHere:
    """The offer that says most about a store at a moment: one for this member, else one that holds there at other
    hours, else one for others, else one to come, else one that is over. `at`: when it begins or ends; `condition`: what
    this member does not meet.
    """

    code: str
    state: OfferState
    at: datetime | None = None
    condition: Condition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHere:
    """A store around a stop: why it is among the card's places, or why not."""

    store_id: str
    name: str
    distance_m: float
    why: Why | None = None
    why_not: OffCard | None = None
    near: str | None = None
    offer: OfferHere | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What happens at one stop. `places`: those of the card then, the most important first."""

    stop: Stop
    places: tuple[Place, ...]
    iphone: Answer
    android: Answer
    stores: tuple[StoreHere, ...]


def walk(
    places: ProgramPlaces,
    member: MemberPlace,
    face: Face,
    path: Sequence[Stop],
    *,
    locale: str,
    has_location: bool = True,
) -> tuple[Step, ...]:
    """Follow a member, or somebody like one, along a path.

    At each stop the card has the places that it is composed with at that instant: as a phone holds it once it has
    fetched that version.

    Args:
        path: in the order of time.
        has_location: whether the phones let their wallet use the location.
    """
    steps = []
    for stop in path:
        plan = places.plan_for(member, locale=locale, now=stop.at)
        chosen = reasons_for(places, member, plan, now=stop.at).chosen
        steps.append(
            Step(
                stop=stop,
                places=plan.places,
                iphone=iphone_at(plan.places, plan.radius_m, face, stop, has_location=has_location),
                android=android_at(plan.places, face, stop, has_location=has_location),
                stores=tuple(_around(places, member, chosen, stop)),
            )
        )
        member = replace(member, current=tuple(place.store_id for place in plan.places))
    return tuple(steps)


def iphone_at(
    places: Sequence[Place], radius_m: float | None, face: Face, stop: Stop, *, has_location: bool = True
) -> Answer:
    """What an iPhone does with a pass of these places; `radius_m` is its `maxDistance`, if it has one."""
    place, distance_m = _nearest(places, stop.point)
    radius_m = None if face.reach_m is None else min(face.reach_m, radius_m or face.reach_m)
    cause: Cause
    if face.voided:
        cause = "voided"
    elif _is_over(face, stop):
        cause = "expired"
    elif place is None or distance_m is None:
        cause = "no_places"
    elif radius_m is None:
        cause = "no_relevance"
    elif not has_location:
        cause = "location_off"
    else:
        cause = "near" if distance_m <= radius_m else "too_far"
    return Answer(
        shows=cause == "near",
        cause=cause,
        rule=RULES_OF_IPHONE[cause],
        place=place,
        distance_m=distance_m,
        radius_m=radius_m,
    )


def android_at(places: Sequence[Place], face: Face, stop: Stop, *, has_location: bool = True) -> Answer:
    """What an Android phone does with an object of these places: what is certain, and else that it decides alone."""
    place, distance_m = _nearest(places, stop.point)
    cause: Cause
    if face.voided or _is_over(face, stop):
        cause = "not_active"
    elif place is None:
        cause = "no_places"
    else:
        cause = "decides_alone" if has_location else "location_off"
    return Answer(
        shows=None if cause == "decides_alone" else False,
        cause=cause,
        rule=RULES_OF_ANDROID[cause],
        place=place,
        distance_m=distance_m,
    )


def _is_over(face: Face, stop: Stop) -> bool:
    return face.expires_at is not None and face.expires_at <= stop.at


def _nearest(places: Sequence[Place], point: Point) -> tuple[Place | None, float | None]:
    measured = [(haversine_m(point, Point(one.latitude, one.longitude)), one) for one in places]
    distance_m, place = min(measured, key=lambda pair: pair[0], default=(None, None))
    return place, distance_m


def _around(
    places: ProgramPlaces, member: MemberPlace, chosen: Sequence[ChosenPlace], stop: Stop
) -> Iterator[StoreHere]:
    """The stores around a stop, the nearest first."""
    reasons = {one.store_id: one for one in chosen}
    for distance_m, store in _stores_near(places, stop.point):
        reason = reasons.get(store.store_id)
        near = None if reason else _too_close(places, store, reasons)
        yield StoreHere(
            store_id=store.store_id,
            name=store.name,
            distance_m=distance_m,
            why=reason.why if reason else None,
            why_not=None if reason else "ten_others" if near is None else "too_close",
            near=near,
            offer=_offer_at(places, member, store, stop.at),
        )


def _stores_near(places: ProgramPlaces, point: Point) -> list[tuple[float, LiveStore]]:
    """The nearest within `AROUND_M`; where there are none, the nearest of all."""
    stores = places.stores.values()
    beside = [store for store in stores if abs(store.point.latitude - point.latitude) < _AROUND_DEGREES]
    measured = sorted(
        ((haversine_m(point, store.point), store) for store in beside), key=lambda pair: (pair[0], pair[1].store_id)
    )
    around = [pair for pair in measured[:MOST_AROUND] if pair[0] <= AROUND_M]
    if around or not stores:
        return around
    nearest = min(stores, key=lambda store: (haversine_m(point, store.point), store.store_id))
    return [(haversine_m(point, nearest.point), nearest)]


def _too_close(places: ProgramPlaces, store: LiveStore, chosen: Mapping[str, ChosenPlace]) -> str | None:
    return next((one for one in chosen if haversine_m(store.point, places.stores[one].point) < APART_M), None)


def _offer_at(places: ProgramPlaces, member: MemberPlace, store: LiveStore, at: datetime) -> OfferHere | None:
    here = [offer for offer in places.offers if offer.holds_at(store)]
    running = [offer for offer in here if offer.starts_at <= at < offer.ends_at]
    refused = [(offer, places.why_not(offer, member, now=at)) for offer in running]
    mine = [offer for offer, condition in refused if condition is None]
    for offer in mine:
        if store.store_id in places.holding(offer, now=at).stores:
            return OfferHere(code=offer.code, state="running", at=offer.ends_at)
    if mine:
        return OfferHere(code=mine[0].code, state="paused")
    if refused:
        offer, condition = refused[0]
        return OfferHere(code=offer.code, state="for_others", condition=condition)
    return _to_come(here, at) or _over(here, at)


def _to_come(offers: Sequence[LiveOffer], at: datetime) -> OfferHere | None:
    ahead = min((one for one in offers if one.starts_at > at), key=lambda one: (one.starts_at, one.rank), default=None)
    return OfferHere(code=ahead.code, state="not_begun", at=ahead.starts_at) if ahead else None


def _over(offers: Sequence[LiveOffer], at: datetime) -> OfferHere | None:
    over = [one for one in offers if at - TOLD_FOR < one.ends_at <= at]
    last = max(over, key=lambda one: (one.ends_at, one.id), default=None)
    return OfferHere(code=last.code, state="ended", at=last.ends_at) if last else None
