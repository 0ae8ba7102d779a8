"""What members did that offers ask for: purchases by store, uses of offers, wallets with the card. Read many at a time,
and only as far as the programme's offers need it; written by the events that tell it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from wallet_service.errors import Fault, Invalid
from wallet_service.offers.campaigns import start_campaign
from wallet_service.offers.places import ProgramPlaces, places_changed
from wallet_service.offers.targets import NOWHERE, History, LastPurchase, Wallet
from wallet_service.storage.tables import Delivery, GoogleObject, MemberStore, Offer, OfferUse
from wallet_service.values import Money


def histories_of(db: Session, places: ProgramPlaces, cards: Mapping[int, int]) -> dict[int, History]:
    """The histories of some members, by their row's number.

    Args:
        cards: a member's number → that of their card.
    """
    purchases: dict[int, list[LastPurchase]] = defaultdict(list)
    rows = select(MemberStore).where(MemberStore.member_pk.in_(cards))
    for row in db.scalars(rows.order_by(MemberStore.last_at.desc(), MemberStore.store_id)):
        purchases[row.member_pk].append(LastPurchase(row.store_id, row.last_at))
    uses = _uses(db, cards, places.offers_with_uses) if places.offers_with_uses else {}
    wallets = wallets_of(db, list(cards.values())) if places.asks_for_wallets else {}
    return {
        member: History(
            purchases=tuple(purchases.get(member, ())),
            uses=uses.get(member, {}),
            wallets=wallets.get(card, frozenset()),
        )
        for member, card in cards.items()
    }


def _uses(db: Session, members: Collection[int], codes: Collection[str]) -> dict[int, dict[str, int]]:
    counted: dict[int, dict[str, int]] = defaultdict(dict)
    rows = (
        select(OfferUse.member_pk, Offer.code, func.count())
        .join(Offer, Offer.id == OfferUse.offer_id)
        .where(OfferUse.member_pk.in_(members), Offer.code.in_(codes))
        .group_by(OfferUse.member_pk, Offer.code)
    )
    for member, code, count in db.execute(rows):
        if member is not None:
            counted[member][code] = count
    return counted


def wallets_of(db: Session, cards: Sequence[int]) -> dict[int, frozenset[Wallet]]:
    """Where cards are installed. Apple: registered on a device. Google: saved, and not removed since."""
    found: dict[int, set[Wallet]] = defaultdict(set)
    apple = select(Delivery.card_id).where(Delivery.card_id.in_(cards), Delivery.kind == "apple").distinct()
    for card in db.scalars(apple):
        found[card].add("apple")
    google = select(GoogleObject.card_id).where(
        GoogleObject.card_id.in_(cards), GoogleObject.saved_at.is_not(None), GoogleObject.removed_at.is_(None)
    )
    for card in db.scalars(google):
        found[card].add("google")
    return {card: frozenset(wallets) for card, wallets in found.items()}


_NOTE_PURCHASE = text("""
INSERT INTO member_stores (member_pk, store_id, last_at, purchases) VALUES (:member, :store, :at, 1)
ON CONFLICT (member_pk, store_id) DO UPDATE
SET last_at = GREATEST(member_stores.last_at, excluded.last_at), purchases = member_stores.purchases + 1
""")


def note_purchase(db: Session, member_pk: int, store_id: str | None, at: datetime) -> None:
    """Remember a purchase of a locked member."""
    db.execute(_NOTE_PURCHASE, {"member": member_pk, "store": store_id or NOWHERE, "at": at})


def lock_used_offers(db: Session, program_id: str, codes: Collection[str]) -> None:
    """Lock these offers, in one order for all: those that have a total are counted one after the other, and none is
    changed before the uses are written. Call it once for a batch of purchases, after the members are locked.
    """
    if codes:
        used = select(Offer.id).where(Offer.program_id == program_id, Offer.code.in_(codes)).order_by(Offer.id)
        db.execute(used.where(Offer.uses_total.is_not(None)).with_for_update(key_share=True))
        # whoever changes an offer waits here, and not with the offer in hand for the programme that a last use takes
        db.execute(used.where(Offer.uses_total.is_(None)).with_for_update(read=True, key_share=True))


_NOTE_USE = text("""
INSERT INTO offer_uses (offer_id, order_id, store_id, member_pk, at, amount, currency)
VALUES (:offer, :order, :store, :member, :at, :amount, :currency)
ON CONFLICT DO NOTHING RETURNING TRUE
""")
_COUNT_USE = text("""
UPDATE offers SET uses = uses + 1 WHERE id = :offer AND uses_total IS NOT NULL RETURNING uses = uses_total
""")


def note_uses(
    db: Session,
    program_id: str,
    member_pk: int,
    order_id: str,
    store_id: str | None,
    paid: Money,
    codes: Sequence[str],
    *,
    at: datetime,
    now: datetime,
) -> None:
    """Remember that a purchase used these offers, and what it came to; a second time for a member's order at a store
    nothing happens. An offer whose last use this is leaves the cards by a walk.

    Raises:
        Invalid: there is no offer of a code; paths begin with `offers`.
    """
    of_code = select(Offer.code, Offer.id).where(Offer.program_id == program_id, Offer.code.in_(codes))
    known = {offer.code: offer.id for offer in db.execute(of_code)}
    faults = [
        Fault(f"offers[{index}]", f"there is no offer {code!r}")
        for index, code in enumerate(codes)
        if code not in known
    ]
    if faults:
        raise Invalid(*faults)
    for code in sorted(set(codes), key=known.__getitem__):
        use: dict[str, object] = {"offer": known[code], "order": order_id, "member": member_pk, "at": at}
        use["store"] = store_id or NOWHERE
        use |= {"amount": paid.amount, "currency": paid.currency}
        if db.scalar(_NOTE_USE, use) and db.scalar(_COUNT_USE, {"offer": known[code]}):
            places_changed(db, program_id)
            start_campaign(db, program_id, reason=f"offer {code} used up", now=now)


_NOTE_RETURN = text("""
UPDATE offer_uses u SET returned = LEAST(u.amount, u.returned + :amount)
FROM offers f
WHERE f.id = u.offer_id AND f.program_id = :program AND u.order_id = :order AND u.member_pk = :member
  AND u.currency = :currency AND u.amount > 0
RETURNING u.offer_id
""")


def note_return(db: Session, program_id: str, member_pk: int, order_id: str, refunded: Money) -> bool:
    """Take what was given back of a member's purchase off the revenue of the offers that it used; returns whether it
    used any. No more than the purchase came to is taken off, and the use stays one.
    """
    values: dict[str, object] = {"program": program_id, "member": member_pk, "order": order_id}
    values |= {"amount": refunded.amount, "currency": refunded.currency}
    return bool(db.scalars(_NOTE_RETURN, values).all())


_COMPOSE_AGAIN = text("""
WITH locked AS (
    SELECT id FROM cards WHERE id = :card AND EXISTS (
        SELECT FROM offer_showings WHERE card_id = :card AND decision = 'not_installed'
    ) FOR NO KEY UPDATE
), shown AS (
    UPDATE offer_showings s SET decision = 'silent', decided_at = :now
    FROM locked WHERE s.card_id = locked.id AND s.decision = 'not_installed'
)
UPDATE cards SET recompose_at = :now
WHERE id = :card AND (recompose_at IS NULL OR recompose_at > :now) AND EXISTS (
    SELECT FROM offers o
    WHERE o.program_id = cards.program_id AND o.state = 'published' AND o.target -> 'wallets' <> '[]'
)
""")


def wallets_changed(db: Session, card_id: int, *, now: datetime) -> None:
    """A card was installed somewhere, or removed: have it composed again if an offer asks where it is. Offers that it
    carries already came with it, and so silently. The caller holds the card's lock, or no other.
    """
    db.execute(_COMPOSE_AGAIN, {"card": card_id, "now": now})
