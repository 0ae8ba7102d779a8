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
from wallet_service.offers.publishing import values_of
from wallet_service.offers.targets import NO_HISTORY, Condition, History, Wallet
from wallet_service.storage.tables import Member, Offer

Reach = Literal["may_notify", "silently", "not_installed", "other_offer", "other_places"]
Verdict = Reach | Condition
REACHES: tuple[Reach, ...] = ("may_notify", "silently", "not_installed", "other_offer", "other_places")
CONDITIONS: tuple[Condition, ...] = (
    *("tier", "favourite_store", "attributes", "purchase", "wallet", "uses", "consent"),
)
_UNSTORED = 2**63 - 1
_SHORTEST = timedelta(microseconds=1)
_PAGE = 1000


@dataclass(frozen=True, kw_only=True)
class Audience:
    """How many members there are, and of which verdict each is; the counts sum to the members.

    Attributes:
        next_after: where to go on counting; None: these are all.
    """

    counts: Counter[Verdict] = field(default_factory=Counter)
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
    now: datetime,
) -> Audience:
    """Count the audience of an offer in whatever state, or of one that is not stored yet.

    Args:
        places: the programme's stores and published offers.
        reach_m: as for `draft_offer`.
        after: go on after this member (`next_after`).
        most: how many members to count at most; None: all.

    Raises:
        Invalid: the document names an unknown store, or its span is empty.
    """
    row = offer if isinstance(offer, Offer) else _transient(db, program, offer, reach_m)
    # who sees it is counted for the hours in which it holds, whichever these are
    live = replace(live_offer(row), weekly=(), only_when_open=False)
    with_it = places.with_offer(live)
    is_used_up = row.uses_total is not None and (row.uses or 0) >= row.uses_total
    counts: Counter[Verdict] = Counter()
    last = after
    at = min(max(now, live.starts_at), live.ends_at - _SHORTEST)
    for number, verdict in _verdicts(db, program.id, with_it, live, after=after, at=at):
        if most is not None and counts.total() == most:
            return Audience(counts=counts, next_after=last)
        counts["uses" if is_used_up else verdict] += 1
        last = number
    return Audience(counts=counts)


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


def _verdicts(
    db: Session, program_id: str, places: ProgramPlaces, offer: LiveOffer, *, after: int, at: datetime
) -> Iterator[tuple[int, Verdict]]:
    """Each member's number and verdict, in order."""
    while True:
        page = _page(db, program_id, after)
        cards = {member.id: member.card.id for member in page if member.card is not None}
        histories = histories_of(db, places, cards)
        wallets = wallets_of(db, list(cards.values()))
        for member in page:
            history: History = histories.get(member.id, NO_HISTORY)
            active = member.card is not None and member.card.state == "active"
            installed = wallets.get(cards[member.id], frozenset()) if active else frozenset[Wallet]()
            place = MemberPlace.of(member, member.card.content if member.card is not None else {}, history)
            yield member.id, verdict_of(places, offer, place, installed, at=at)
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
