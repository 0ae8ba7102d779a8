"""The offers that cards carry: what has come, what has gone, and whether phones may notify of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from wallet_service.cards.content import CardContent
from wallet_service.cards.program_cache import Design, LoadedProgram
from wallet_service.offers.live import LiveOffer
from wallet_service.offers.places import ProgramPlaces
from wallet_service.offers.pressure import Decision, zone_of_member
from wallet_service.offers.showings import Arrival, Decided, Showing, decide, settle
from wallet_service.offers.targets import has_consented
from wallet_service.storage.tables import Card

_SENT, _SETTLED = "sent", ""
_NEWS = "news"
"""An offer that was announced by the card's face has `{"news": title}`, with the title as it was then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedCard:
    """What a card shows in which design, until when that holds by itself, and the offers that it carries, the shown one
    first.

    Attributes:
        title: that of the first of them, in the card's language, if it is the one that the face shows.
    """

    design: Design
    content: CardContent
    valid_until: datetime | None
    offers: tuple[LiveOffer, ...] = ()
    title: str | None = None


def news_of(card: Card, offer_id: int) -> str | None:
    """The title under which a card's face has announced an offer that it carries since; None: it has not."""
    state = card.offers.get(str(offer_id))
    return str(state[_NEWS]) if isinstance(state, dict) else None


@dataclass(slots=True)
class OfferChanges:
    """What a batch of locked cards does to showings."""

    come: list[Showing] = field(default_factory=list)
    gone: list[Showing] = field(default_factory=list)
    notifying: set[int] = field(default_factory=set)
    """The cards whose phones are to notify of an offer now."""
    announcing: set[int] = field(default_factory=set)
    """Those of them whose face is what says so."""

    def settle(self, db: Session, *, now: datetime) -> None:
        """Write it down, once the cards have their versions."""
        if self.come or self.gone:
            settle(db, self.come, self.gone, now=now)


def decide_notifications(
    db: Session, program: LoadedProgram, composed: Sequence[tuple[Card, ComposedCard]], *, now: datetime
) -> OfferChanges:
    """Compare what cards carry with what they carried, and decide on the notifications of what has come. Cards without
    any such change cost nothing.
    """
    changes = OfferChanges()
    carrying = [(card, one) for card, one in composed if card.offers or one.offers]
    arrivals = [arrival for card, one in carrying for arrival in _arrivals(program, card, one, now=now)]
    decided: dict[Showing, Decided] = {}
    if arrivals:
        with db.no_autoflush:
            decided = decide(db, program.pressure, arrivals, now=now)
    for card, one in carrying:
        states: dict[str, Any] = {}
        for place, offer in enumerate(one.offers):
            number, new = str(offer.id), decided.get((card.id, offer.id))
            if number not in card.offers:
                changes.come.append((card.id, offer.id))
            states[number] = card.offers.get(number, _SETTLED) if new is None else _state_of(new)
            if new is not None and new.is_new and new.decision == "sent":
                changes.notifying.add(card.id)
                if place == 0 and one.title is not None and one.design.composer.shows_news:
                    states[number] = {_NEWS: one.title}
                    changes.announcing.add(card.id)
        changes.gone += [(card.id, int(number)) for number in card.offers if number not in states]
        if states != card.offers:
            card.offers = states
    return changes


def held_until(card: Card) -> datetime | None:
    """When the next notification that is held on a card is due."""
    ends = (_held(state) for state in card.offers.values())
    return min((end for end in ends if end is not None), default=None)


def _held(state: Any) -> datetime | None:
    return datetime.fromisoformat(state) if isinstance(state, str) and state not in (_SENT, _SETTLED) else None


def _state_of(decided: Decided) -> str:
    if decided.decision == "sent":
        return _SENT
    return decided.held_until.isoformat() if decided.held_until is not None else _SETTLED


def _arrivals(program: LoadedProgram, card: Card, one: ComposedCard, *, now: datetime) -> Iterator[Arrival]:
    """What is to be decided, in the order in which it may use up the cap."""
    for place, offer in sorted(enumerate(one.offers), key=lambda placed: placed[1].rank):
        known = card.offers.get(str(offer.id))
        held = _held(known)
        if known is not None and (held is None or held > now):
            continue
        why_not: Decision | None = None
        until = None
        if not offer.notify:
            why_not = "silent"
        elif not has_consented(card.member.consents):
            why_not = "no_consent"
        else:
            until = _quiet_until(program, card, now)
        yield Arrival(
            card_id=card.id,
            offer_id=offer.id,
            why_not=why_not,
            held_until=until,
            on_iphone=place == 0 and one.title is not None and one.design.composer.shows_news,
        )


def _quiet_until(program: LoadedProgram, card: Card, now: datetime) -> datetime | None:
    quiet = program.pressure.quiet
    if not quiet.spans:
        return None
    zone = zone_of_member(card.member.attributes, _favourite_zone(program.places, card), program.document.time_zone)
    return quiet.until(zone, now)


def _favourite_zone(places: ProgramPlaces, card: Card) -> str | None:
    favourite = places.stores.get(card.member.favourite_store_id or "")
    return favourite.time_zone if favourite is not None else None
