"""The audience of an offer: how many members it reaches, and why not the others.

Counted with the functions that compose cards, member by member, as of the offer's start, of now while it runs, of its
last moment afterwards: what is counted is what composing then does. Every member counts once, so that the counts sum to
the members.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from wallet_service.documents.offers import OfferDocument
from wallet_service.documents.programs import ProgramDocument
from wallet_service.offers.histories import histories_of, wallets_of
from wallet_service.offers.places import LiveOffer, MemberPlace, ProgramPlaces, live_offer
from wallet_service.offers.pressure import Decision, Recipient, forecast, pressure_of, zone_of_member
from wallet_service.offers.publishing import values_of
from wallet_service.offers.showings import notified_since
from wallet_service.offers.targets import NO_HISTORY, Condition, History, Wallet
from wallet_service.storage.tables import Member, Offer

Reach = Literal["may_notify", "silently", "not_installed", "other_offer", "other_places"]
Verdict = Reach | Condition
REACHES: tuple[Reach, ...] = ("may_notify", "silently", "not_installed", "other_offer", "other_places")
CONDITIONS: tuple[Condition, ...] = (
    *("tier", "favourite_store", "attributes", "purchase", "wallet", "uses", "consent", "no_store"),
)
_UNSTORED = 2**63 - 1
_SHORTEST = timedelta(microseconds=1)
_PAGE = 1000


@dataclass(frozen=True, kw_only=True)
class Audience:
    """How many members there are, and of which verdict each is; the counts sum to the members.

    Attributes:
        notifications: what would become of the notifications of those who receive the offer if it came onto their cards
            at that instant, with what has been sent until now; they sum to `receives`.
        next_after: where to go on counting; None: these are all.
    """

    counts: Counter[Verdict] = field(default_factory=Counter)
    notifications: Counter[Decision] = field(default_factory=Counter)
    next_after: int | None = None

    @property
    def members(self) -> int:
        """Who was counted."""
        return self.counts.total()

    @property
    def receives(self) -> int:
        """Who will see the offer on an installed card, notified or not."""
        return self.counts["may_notify"] + self.counts["silently"]


def audience_of(
    db: Session,
    program: ProgramDocument,
    places: ProgramPlaces,
    offer: Offer | OfferDocument,
    *,
    reach_m: int,
    after: int = 0,
    most: int | None = None,
    iphones_notify: bool = False,
    now: datetime,
) -> Audience:
    """Count the audience of an offer in whatever state, or of one that is not stored yet.

    Args:
        places: the programme's stores and published offers.
        reach_m: as for `draft_offer`.
        after: go on after this member (`next_after`).
        most: how many members to count at most; None: all.
        iphones_notify: whether the programme's design can notify of offers on iPhones.

    Raises:
        Invalid: the document names an unknown store, or its span is empty.
    """
    row = offer if isinstance(offer, Offer) else _transient(db, program, offer, reach_m)
    # who sees it is counted for the hours in which it holds, whichever these are
    live = replace(live_offer(row), weekly=(), only_when_open=False)
    with_it = places.with_offer(live)
    is_used_up = row.uses_total is not None and (row.uses or 0) >= row.uses_total
    counts: Counter[Verdict] = Counter()
    recipients: list[Recipient] = []
    last, next_after = after, None
    at = min(max(now, live.starts_at), live.ends_at - _SHORTEST)
    for one in _judged(db, program, with_it, live, after=after, at=at):
        if most is not None and counts.total() == most:
            next_after = last
            break
        counts["uses" if is_used_up else one.verdict] += 1
        if one.verdict in ("may_notify", "silently") and not is_used_up:
            can_notify = "google" in one.wallets or (iphones_notify and "apple" in one.wallets)
            recipients.append(Recipient(one.zone, one.has_consented, one.recently, can_notify))
        last = one.number
    rules = pressure_of(program.pressure)
    notifications = forecast(rules, recipients, notify=live.notify, starts_at=at, ends_at=live.ends_at)
    return Audience(counts=counts, notifications=notifications, next_after=next_after)


def verdict_of(
    places: ProgramPlaces,
    offer: LiveOffer,
    member: MemberPlace,
    wallets: frozenset[Wallet],
    *,
    at: datetime,
) -> Verdict:
    """What becomes of an offer for one member at an instant within its span. Pure.

    Args:
        places: with the offer among them.
        wallets: where the member's card is installed.
    """
    condition = places.why_not(offer, member, now=at)
    if condition is not None:
        return condition
    if not wallets:
        return "not_installed"
    plan = places.plan_for(member, locale="", now=at)
    if (plan.offer is not None and plan.offer.code == offer.code) or offer.code in plan.offers_of_places:
        return "may_notify" if offer.notify and member.has_consented else "silently"
    here = places.stores_of(offer)
    return "other_offer" if any(place.store_id in here for place in plan.places) else "other_places"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A member with the verdict, and what pressure asks of them; `recently`: notifications that the cap counts."""

    number: int
    verdict: Verdict
    wallets: frozenset[Wallet]
    zone: str
    has_consented: bool
    recently: int


def _judged(
    db: Session,
    program: ProgramDocument,
    places: ProgramPlaces,
    offer: LiveOffer,
    *,
    after: int,
    at: datetime,
) -> Iterator[_Judged]:
    """Each member, in order."""
    rules = pressure_of(program.pressure)
    # what has been sent until now, as far as it still counts then
    since = rules.since(at)
    while True:
        page = _page(db, program.id, after)
        cards = {member.id: member.card.id for member in page if member.card is not None}
        histories = histories_of(db, places, cards)
        wallets = wallets_of(db, list(cards.values()))
        recently = notified_since(db, list(cards.values()), since) if rules.most is not None else {}
        for member in page:
            history: History = histories.get(member.id, NO_HISTORY)
            active = member.card is not None and member.card.state == "active"
            installed = wallets.get(cards[member.id], frozenset()) if active else frozenset[Wallet]()
            place = MemberPlace.of(member, member.card.content if member.card is not None else {}, history)
            favourite = places.stores.get(member.favourite_store_id or "")
            yield _Judged(
                number=member.id,
                verdict=verdict_of(places, offer, place, installed, at=at),
                wallets=installed,
                zone=zone_of_member(member.attributes, favourite.time_zone if favourite else None, program.time_zone),
                has_consented=place.has_consented,
                recently=recently.get(cards.get(member.id, 0), 0),
            )
        if len(page) < _PAGE:
            return
        after = page[-1].id


def _page(db: Session, program_id: str, after: int) -> list[Member]:
    query = (
        select(Member)
        .where(Member.program_id == program_id, Member.id > after, Member.erased_at.is_(None))
        .options(selectinload(Member.cards), joinedload(Member.balance))
        .order_by(Member.id)
        .limit(_PAGE)
    )
    return list(db.scalars(query))


def _transient(db: Session, program: ProgramDocument, document: OfferDocument, reach_m: int) -> Offer:
    """A document as the row that it would be."""
    values = values_of(db, program, document, reach_m=reach_m)
    return Offer(id=_UNSTORED, program_id=program.id, uses=0, state="draft", **values)
