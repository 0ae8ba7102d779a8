"""The stores and live offers of a programme, held in memory, and what of them concerns one member at one moment.

`ProgramPlaces` is frozen: a process loads it again when the programme's `places_revision` has risen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Select, or_, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import InstrumentedAttribute, Session

from wallet_service.documents.opening_hours import hours_text, stored_hours
from wallet_service.metrics import OFFERS_NOT_COMPOSED
from wallet_service.offers.choosing_places import APART_M, MOST_PLACES, Candidate, Point, StoreMap
from wallet_service.offers.facts import BeaconSpot, OfferFacts, Place, StoreFacts
from wallet_service.offers.live import Holding, Texts, holding_of
from wallet_service.offers.live import LiveOffer as LiveOffer
from wallet_service.offers.live import LiveStore as LiveStore
from wallet_service.offers.targets import (
    NO_HISTORY,
    Condition,
    History,
    TargetMember,
    has_consented,
    targeting_of,
)
from wallet_service.offers.weekly_hours import weekly_spans
from wallet_service.storage.tables import Member, Offer, Program, Store

log = structlog.get_logger()
Row = TypeVar("Row", Store, Offer)
Live = TypeVar("Live")


@dataclass(frozen=True, kw_only=True)
class MemberPlace(TargetMember):
    """What the choice of places looks at: where the member lives and shops, what they may use, what the card has
    now.
    """

    home: Point | None
    current: tuple[str, ...] = ()

    @classmethod
    def of(cls, member: Member, content: Mapping[str, Any], history: History = NO_HISTORY) -> MemberPlace:
        """The member as a row says, with the balance loaded, the card's stored content, and what the member did."""
        home = None
        if member.home_latitude is not None and member.home_longitude is not None:
            home = Point(member.home_latitude, member.home_longitude)
        current = tuple(place["store_id"] for place in content.get("places", ()))
        return cls(
            home=home,
            favourite_store_id=member.favourite_store_id,
            tier=member.balance.tier,
            attributes=member.attributes,
            has_consented=has_consented(member.consents),
            history=history,
            current=current,
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What of stores and offers goes on one member's card, and until when that holds by itself."""

    places: tuple[Place, ...]
    radius_m: int | None
    offer: OfferFacts | None
    favourite_store: StoreFacts | None
    valid_until: datetime | None
    offers_of_places: tuple[str | None, ...] = ()
    """The code of the offer that each place was chosen for, if any."""


@dataclass(frozen=True, kw_only=True)
class ProgramPlaces:
    """The stores and published offers of one programme, as of `revision`. `time_zone` is the programme's."""

    revision: int
    stores: Mapping[str, LiveStore]
    offers: tuple[LiveOffer, ...]
    time_zone: str = "Europe/Paris"

    def plan_for(
        self,
        member: MemberPlace,
        *,
        locale: str,
        now: datetime,
        without: Collection[str] = frozenset(),
        hours: bool = False,
    ) -> Plan:
        """Choose the ten places, the offer to show, and the next instant at which the choice may change.

        Args:
            without: the codes of offers that are left out.
            hours: whether the card says when the favourite store is open, and so changes when that does.
        """
        mine = [
            offer
            for offer in self.offers
            if offer.code not in without and now < offer.ends_at and self.why_not(offer, member, now=now) is None
        ]
        running = [offer for offer in mine if offer.starts_at <= now and self.holding(offer, now=now).is_on]
        best_by_store = self._best_by_store(running, now)
        favourite = self.stores.get(member.favourite_store_id or "")
        chosen = self._map.choose(
            with_offer=best_by_store.keys(),
            own=[*([favourite.store_id] if favourite else []), *member.history.own_stores(now)],
            home=member.home or (favourite.point if favourite else None),
            current=member.current,
            limit=MOST_PLACES,
            apart_m=APART_M,
        )
        if set(chosen) == set(member.current):
            chosen = member.current  # the same places in another order are no change
        best = [(self.stores[store_id], best_by_store.get(store_id)) for store_id in chosen]
        tried = [(self._place(store, offer, locale), offer) for store, offer in best]
        shown = [(place, offer) for place, offer in tried if place is not None]
        facts = (self._offer_facts(offer, locale) for offer in running)
        store, store_changes_at = _store_facts(favourite, now, hours=hours)
        radii = [best_by_store[store_id].radius_m for store_id in chosen if store_id in best_by_store]
        return Plan(
            places=tuple(place for place, _ in shown),
            offers_of_places=tuple(offer.code if offer else None for _, offer in shown),
            radius_m=min((radius for radius in radii if radius is not None), default=None),
            offer=next((one for one in facts if one is not None), None),
            favourite_store=store,
            valid_until=min(
                (at for at in (store_changes_at, *self._boundaries(mine, member, now)) if at is not None and at > now),
                default=None,
            ),
        )

    def with_offer(self, offer: LiveOffer) -> ProgramPlaces:
        """The same, with an offer that is not published yet, or as it would be."""
        others = [known for known in self.offers if known.code != offer.code and known.id != offer.id]
        return replace(self, offers=tuple(sorted([*others, offer], key=lambda one: one.rank)))

    def stores_of(self, offer: LiveOffer) -> tuple[str, ...]:
        """The stores at which an offer of these holds."""
        return self._stores_of_offer[offer.code]

    def carried_by(self, plan: Plan) -> tuple[LiveOffer, ...]:
        """The offers that a card with this plan carries: the one that its face shows, then those of its places."""
        shown = [plan.offer.code] if plan.offer is not None else []
        codes = dict.fromkeys([*shown, *(code for code in plan.offers_of_places if code is not None)])
        return tuple(self._by_code[code] for code in codes)

    def holding(self, offer: LiveOffer, *, now: datetime) -> Holding:
        """At which of its stores an offer of these holds at `now` by its hours. The span is not looked at."""
        known = self._holdings.get(offer.code)
        if known is None or now < known.since or (known.until is not None and now >= known.until):
            stores = [self.stores[store_id] for store_id in self._stores_of_offer[offer.code]]
            known = self._holdings[offer.code] = holding_of(offer, stores, time_zone=self.time_zone, now=now)
        return known

    def why_not(self, offer: LiveOffer, member: TargetMember, *, now: datetime) -> Condition | None:
        """The condition of an offer that a member does not meet now; None: the offer is for them. An offer whose stores
        are gone, or whose groups no store is in, is for nobody.
        """
        if (offer.store_ids or offer.groups) and not self._stores_of_offer[offer.code]:
            return "no_store"
        return offer.targeting.why_not(member, code=offer.code, here=self._stores_of_offer[offer.code], now=now)

    def _boundaries(self, mine: list[LiveOffer], member: TargetMember, now: datetime) -> Iterator[datetime | None]:
        """The instants at which offers of a member begin, pause and end, or the member's own stores change."""
        yield member.history.changes_at(now)
        for offer in mine:
            yield from (offer.starts_at, offer.ends_at)
            if offer.has_hours and offer.starts_at <= now:
                yield self.holding(offer, now=now).until
            yield offer.targeting.lapses_at(member.history.purchases, self._stores_of_offer[offer.code])

    @cached_property
    def offers_with_uses(self) -> frozenset[str]:
        """The codes of offers that a member may use a limited number of times."""
        return frozenset(offer.code for offer in self.offers if offer.targeting.uses_per_member is not None)

    @cached_property
    def asks_for_wallets(self) -> bool:
        """Whether an offer is for those who have installed the card in a certain wallet."""
        return any(offer.targeting.wallets for offer in self.offers)

    @cached_property
    def _map(self) -> StoreMap:
        return StoreMap(Candidate(store_id=store.store_id, point=store.point) for store in self.stores.values())

    @cached_property
    def _stores_of_offer(self) -> Mapping[str, tuple[str, ...]]:
        return {
            offer.code: tuple(store.store_id for store in self.stores.values() if offer.holds_at(store))
            for offer in self.offers
        }

    @cached_property
    def _by_code(self) -> Mapping[str, LiveOffer]:
        return {offer.code: offer for offer in self.offers}

    @cached_property
    def _holdings(self) -> dict[str, Holding]:
        """The answer of `holding` for each offer, as long as it is true: the same for all members."""
        return {}

    def _best_by_store(self, running: list[LiveOffer], now: datetime) -> dict[str, LiveOffer]:
        best: dict[str, LiveOffer] = {}
        for offer in running:  # in order of priority
            for store_id in self.holding(offer, now=now).stores:
                best.setdefault(store_id, offer)
        return best

    def _place(self, store: LiveStore, offer: LiveOffer | None, locale: str) -> Place | None:
        """The place of a store; without the offer if that cannot be shown, None if the store itself cannot."""
        texts = (offer.proximity_text or offer.title) if offer else store.proximity_text
        try:
            return Place(
                store_id=store.store_id,
                latitude=store.point.latitude,
                longitude=store.point.longitude,
                text=text_in(texts, locale),
                beacons=store.beacons,
            )
        except (ValueError, TypeError) as error:
            _left_out(error, store=store.store_id, offer=offer.code if offer else None)
            return self._place(store, None, locale) if offer else None

    def _offer_facts(self, offer: LiveOffer, locale: str) -> OfferFacts | None:
        """What a card says of an offer; None if it cannot be said."""
        here = self._stores_of_offer[offer.code]
        try:
            return OfferFacts(
                code=offer.code,
                title=text_in(offer.title, locale) or offer.code,
                text=text_in(offer.text, locale),
                ends_at=offer.ends_at,
                store_name=self.stores[here[0]].name if len(here) == 1 else None,
            )
        except (ValueError, TypeError) as error:
            _left_out(error, store=None, offer=offer.code)
            return None


def _store_facts(store: LiveStore | None, now: datetime, *, hours: bool) -> tuple[StoreFacts | None, datetime | None]:
    """What a card says of the member's store, and when that changes by itself."""
    if store is None:
        return None, None
    plain = StoreFacts(name=store.name, city=store.city)
    try:
        opening = store.opening(now) if hours else None
    except Exception as error:  # whatever is wrong with the hours, the card is shown without them
        _left_out(error, store=store.store_id, offer=None)
        return plain, None
    if opening is None:
        return plain, None
    there = opening.changes_at.astimezone(ZoneInfo(store.time_zone)) if opening.changes_at is not None else None
    facts = StoreFacts(
        name=store.name,
        city=store.city,
        is_open=opening.is_open,
        open_until=there if opening.is_open else None,
        opens_at=None if opening.is_open else there,
    )
    return facts, opening.changes_at


def _left_out(error: Exception, *, store: str | None, offer: str | None) -> None:
    OFFERS_NOT_COMPOSED.inc()
    log.error("place_left_out", store=store, offer=offer, reason=type(error).__name__)


def text_in(texts: Texts, locale: str) -> str | None:
    """The text in `locale`, else in its language, else in any language; None where there is none."""
    for tag in (locale, locale.split("-")[0]):
        if tag in texts:
            return texts[tag]
    return next(iter(texts.values()), None)


def load_places(db: Session, program_id: str, revision: int, *, time_zone: str) -> ProgramPlaces:
    """Read a programme's stores and published offers that are not used up.

    Args:
        time_zone: the programme's, for offers without a store.
    """
    stores = select(Store).where(Store.program_id == program_id).order_by(Store.store_id)
    offers = (
        select(Offer)
        .where(Offer.program_id == program_id, Offer.state == "published")
        .where(or_(Offer.uses_total.is_(None), Offer.uses < Offer.uses_total))
        .order_by(Offer.priority.desc(), Offer.starts_at, Offer.id)
    )
    return ProgramPlaces(
        revision=revision,
        stores={store.store_id: store for store in _each_alone(db, Store.id, stores, _live_store)},
        offers=tuple(_each_alone(db, Offer.id, offers, live_offer)),
        time_zone=time_zone,
    )


def _each_alone(
    db: Session, key: InstrumentedAttribute[int], rows: Select[Row], read: Callable[[Row], Live]
) -> list[Live]:
    """What these rows say; one that cannot be read is left out and logged, and takes no other with it."""
    try:
        with db.begin_nested():
            return [read(row) for row in db.scalars(rows)]
    except OperationalError:
        raise
    except Exception as error:
        log.warning("places_read_one_by_one", reason=type(error).__name__)
    found = []
    for number in db.scalars(rows.with_only_columns(key)).all():
        try:
            with db.begin_nested():
                found.append(read(db.scalars(rows.where(key == number)).one()))
        except OperationalError:
            raise
        except Exception as error:
            OFFERS_NOT_COMPOSED.inc()
            log.error("place_not_read", table=key.class_.__tablename__, row=number, reason=type(error).__name__)
    return found


def places_changed(db: Session, program_id: str) -> None:
    """Invalidate every process's copy of this programme's stores and offers; call it with each write."""
    db.execute(
        update(Program).where(Program.program_id == program_id).values(places_revision=Program.places_revision + 1)
    )


def _texts(stored: Mapping[str, str]) -> Texts:
    """Texts as they should be.

    Raises:
        TypeError: they are something else; whoever reads one row alone leaves it out.
    """
    if not all(isinstance(text, str) for text in stored.values()):
        raise TypeError("texts by language")
    return stored


def _live_store(store: Store) -> LiveStore:
    return LiveStore(
        store_id=store.store_id,
        name=store.short_name or store.name,
        city=store.address.get("city"),
        point=Point(store.latitude, store.longitude),
        proximity_text=_texts(store.proximity_text),
        groups=frozenset(store.groups),
        beacons=tuple(BeaconSpot.model_validate(beacon) for beacon in store.beacons),
        hours=hours_text(stored_hours(store.opening_hours)),
        time_zone=store.time_zone,
        country=store.address.get("country"),
    )


def live_offer(offer: Offer) -> LiveOffer:
    """An offer as placing needs it.

    Raises:
        TypeError: its texts are none.
    """
    return LiveOffer(
        code=offer.code,
        title=_texts(offer.title),
        text=_texts(offer.text),
        proximity_text=_texts(offer.proximity_text),
        store_ids=frozenset(offer.store_ids),
        groups=frozenset(offer.groups),
        starts_at=offer.starts_at,
        ends_at=offer.ends_at,
        targeting=targeting_of(offer.target, offer.uses_per_member),
        radius_m=offer.radius_m,
        priority=offer.priority,
        notify=offer.notify,
        weekly=weekly_spans(offer.weekly_hours),
        only_when_open=offer.only_when_open,
        id=offer.id,
    )
