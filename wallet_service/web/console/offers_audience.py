"""Who gets an offer, in words: how many cardholders, and why not the others. Counted as composing does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from wallet_service.documents.offers import OfferDocument
from wallet_service.errors import Invalid
from wallet_service.offers.audience import Audience, Verdict, audience_of
from wallet_service.offers.pressure import Decision
from wallet_service.offers.report import FEWEST
from wallet_service.parsing import parse
from wallet_service.storage.tables import Offer
from wallet_service.web.console.offers import is_hidden
from wallet_service.web.console.visit import program, session
from wallet_service.web.locale import Lazy, nlazy
from wallet_service.web.pages import current_reader

MOST_COUNTED = 2_000
"""So many members are counted while somebody waits; beyond them is said "at least"."""
_TEXTS = ("title", "text", "proximity_text", "radius_m", "code")
"""What does not matter for counting, and may still be wrong while somebody types."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """An audience in words.

    Attributes:
        said: the number, as a sentence; empty where nothing could be counted yet.
        reasons: why the others do not get it, and who is told how.
        among: how many members were counted, if these are not all.
    """

    said: str = ""
    receives: int = 0
    reasons: tuple[str, ...] = ()
    among: int | None = None


def audience_for(fields: Mapping[str, Any], known: Offer | None, *, now: datetime) -> Counted:
    """The audience of what is typed; nothing is counted before where and when are known."""
    kept = {name: value for name, value in fields.items() if name not in _TEXTS}
    try:
        document = parse(OfferDocument, kept | {"title": "?", "code": known.code if known is not None else "?"})
        return counted(document, known, now=now)
    except Invalid:
        return Counted()


def counted(offer: Offer | OfferDocument, known: Offer | None, *, now: datetime) -> Counted:
    """The audience of an offer; `known` is left out of the others that it competes with.

    Raises:
        Invalid: a store is unknown, or the offer ends before it begins.
    """
    places = program().places
    if known is not None:
        places = replace(places, offers=tuple(each for each in places.offers if each.id != known.id))
    reach_m = program().reach_m
    found = audience_of(
        session(),
        program().document,
        places,
        offer,
        reach_m=reach_m,
        most=MOST_COUNTED,
        iphones_notify=program().composer.shows_news,
        now=now,
    )
    return _in_words(found, notifies=offer.notify)


def _in_words(found: Audience, *, notifies: bool) -> Counted:
    is_all = found.next_after is None
    sentence = _will_get if is_all else _at_least
    told: list[str] = []
    if notifies:
        decided = found.notifications
        told += [people(words, decided[decision]) for decision, words in _NOTIFICATIONS.items() if decided[decision]]
    told += [people(words, found.counts[verdict]) for verdict, words in _WHY_NOT.items() if found.counts[verdict]]
    return Counted(
        said=people(sentence, found.receives),
        receives=found.receives,
        reasons=tuple(told),
        among=None if is_all else found.members,
    )


def people(words: Callable[[int], Lazy], count: int) -> str:
    """A sentence about so many people, or about fewer than a number that tells of nobody."""
    reader = current_reader()
    if not is_hidden(count):
        return words(count).to(reader)
    return words(FEWEST).to(reader).replace(str(FEWEST), f"<\u00a0{FEWEST}", 1)


def _will_get(count: int) -> Lazy:
    return nlazy("%(num)s cardholder will get this offer", "%(num)s cardholders will get this offer", count)


def _at_least(count: int) -> Lazy:
    return nlazy(
        "At least %(num)s cardholder will get this offer", "At least %(num)s cardholders will get this offer", count
    )


_NOTIFICATIONS: Mapping[Decision, Callable[[int], Lazy]] = {
    "sent": lambda n: nlazy("%(num)s will be notified", "%(num)s will be notified", n),
    "held": lambda n: nlazy(
        "%(num)s will be notified when quiet hours end", "%(num)s will be notified when quiet hours end", n
    ),
    "expired": lambda n: nlazy(
        "%(num)s would be notified after its end, and so is not (silent update)",
        "%(num)s would be notified after its end, and so are not (silent update)",
        n,
    ),
    "capped": lambda n: nlazy(
        "%(num)s has had as many notifications as allowed (silent update)",
        "%(num)s have had as many notifications as allowed (silent update)",
        n,
    ),
    "no_consent": lambda n: nlazy(
        "%(num)s without marketing consent (silent update)", "%(num)s without marketing consent (silent update)", n
    ),
    "silent": lambda n: nlazy(
        "%(num)s with a wallet that says nothing of offers (silent update)",
        "%(num)s with a wallet that says nothing of offers (silent update)",
        n,
    ),
}
"""What becomes of the notifications of those who get the offer."""
_WHY_NOT: Mapping[Verdict, Callable[[int], Lazy]] = {
    "not_installed": lambda n: nlazy("%(num)s without an installed card", "%(num)s without an installed card", n),
    "other_offer": lambda n: nlazy(
        "%(num)s sees another offer first at these stores", "%(num)s see another offer first at these stores", n
    ),
    "other_places": lambda n: nlazy(
        "%(num)s already has ten places that go first", "%(num)s already have ten places that go first", n
    ),
    "tier": lambda n: nlazy("%(num)s without this status", "%(num)s without this status", n),
    "favourite_store": lambda n: nlazy(
        "%(num)s with another favourite store, or none", "%(num)s with another favourite store, or none", n
    ),
    "attributes": lambda n: nlazy(
        "%(num)s without the features that are asked for", "%(num)s without the features that are asked for", n
    ),
    "purchase": lambda n: nlazy("%(num)s without a recent purchase", "%(num)s without a recent purchase", n),
    "wallet": lambda n: nlazy("%(num)s with the card in another wallet", "%(num)s with the card in another wallet", n),
    "no_store": lambda n: nlazy("%(num)s: no store of the offer is left", "%(num)s: no store of the offer is left", n),
    "uses": lambda n: nlazy("%(num)s has used it as often as allowed", "%(num)s have used it as often as allowed", n),
    "consent": lambda n: nlazy("%(num)s without marketing consent", "%(num)s without marketing consent", n),
}
