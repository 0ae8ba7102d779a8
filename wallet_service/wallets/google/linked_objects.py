"""Passes that Google brings to the holder together with the card: a rare offer, a ticket. A link is for life.

Google never unlinks, ignores the fifty-first without a word and refuses links between links, so all of that is checked
before anything is written down. Source: google-wallet.md section 15; section 25, check 52.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from wallet_service.cards.linked_cards import MOST_LINKS as MOST_LINKS
from wallet_service.errors import Invalid, NotFound
from wallet_service.storage.tables import Card, Delivery, GoogleObject
from wallet_service.wallets.google import objects
from wallet_service.wallets.google.updates import ObjectUpdate


def link_objects(db: Session, card_object_id: str, linked_id: str, *, now: datetime) -> bool:
    """Hang one object on another card's, for ever; returns whether that is new. The worker tells Google.

    Raises:
        NotFound: we have no such object.
        Invalid: Google would refuse or ignore it: another issuer, itself, not at Google yet, links of its own, or too
            many over the life of the card.
    """
    is_card = GoogleObject.object_id == card_object_id
    objects.lock(db, db.scalars(select(GoogleObject.id).where(is_card)).all())
    card = db.scalar(select(GoogleObject).where(is_card))
    linked = db.scalar(select(GoogleObject).where(GoogleObject.object_id == linked_id))
    if card is None or linked is None:
        raise NotFound(f"there is no object {linked_id if card is not None else card_object_id}")
    if linked_id in card.linked_ids:
        return False
    if linked_id == card_object_id:
        raise Invalid.at("linked_id", "an object cannot hang on itself")
    if linked_id.partition(".")[0] != card_object_id.partition(".")[0]:
        raise Invalid.at("linked_id", "belongs to another issuer")
    if linked.told_digest is None:
        raise Invalid.at("linked_id", "is not at Google yet")
    if linked.linked_ids:
        raise Invalid.at("linked_id", "has links of its own; links are not nested")
    parents = select(GoogleObject.id).where(GoogleObject.linked_ids.any_() == card_object_id)
    if db.scalar(parents.limit(1)) is not None:
        raise Invalid.at("card_object_id", "hangs on another card itself; links are not nested")
    if len(card.linked_ids) >= MOST_LINKS:
        raise Invalid.at("linked_id", f"a card takes {MOST_LINKS} links in its life, and this one has them")
    card.linked_ids = [*card.linked_ids, linked_id]
    db.flush()
    objects.make_due_again(db, [card.id], now=now)
    return True


def with_cards_of(db: Session, object_pks: Sequence[int]) -> list[int]:
    """These objects, and those of the cards that they are linked to: what `link_told` writes to, to be locked first."""
    return [*object_pks, *db.scalars(_OF_CARDS, {"ids": list(object_pks)})]


def link_told(db: Session, told: Sequence[ObjectUpdate], *, now: datetime) -> None:
    """Hang passes that Google has now on the objects of their cards, and make every object pending again whose links
    are more than it was just told: one that came while it was being told was told to nobody.

    Call it where they are settled and recorded, with all of them locked (`with_cards_of`). What is void is not worth
    one of the fifty.
    """
    worth = [one.object_pk for one in told if one.card is not None and not one.card.content.voided]
    linked_now = set(db.scalars(_LINK, {"ids": worth, "most": MOST_LINKS}))
    known = {"ids": [one.object_pk for one in told], "counts": [len(one.linked_ids) for one in told]}
    objects.make_due_again(db, sorted(linked_now | set(db.scalars(_HAVE_MORE, known))), now=now)


def linked_at_google(db: Session, card_id: int) -> frozenset[int]:
    """Which of the passes linked to a card Google has been told to show beside it."""
    on_card = select(GoogleObject.linked_ids).join(Delivery, Delivery.google_object_id == GoogleObject.id)
    told = db.scalar(on_card.where(GoogleObject.card_id == card_id, Delivery.told_version >= Delivery.wanted_version))
    theirs = select(Card.id).join(GoogleObject, GoogleObject.card_id == Card.id).where(Card.linked_to == card_id)
    return frozenset(db.scalars(theirs.where(GoogleObject.object_id.in_(told or []))))


_OF_CARDS = text("""
SELECT DISTINCT parent.id FROM google_objects o JOIN cards c ON c.id = o.card_id
JOIN google_objects parent ON parent.card_id = c.linked_to
WHERE o.id = ANY(:ids)
""")
_LINK = text("""
WITH fresh AS (
    SELECT parent.id, array_agg(o.object_id ORDER BY o.id) AS ids
    FROM google_objects o JOIN cards c ON c.id = o.card_id JOIN google_objects parent ON parent.card_id = c.linked_to
    WHERE o.id = ANY(:ids) AND o.told_digest IS NOT NULL AND NOT o.object_id = ANY(parent.linked_ids)
      AND split_part(o.object_id, '.', 1) = split_part(parent.object_id, '.', 1)
    GROUP BY parent.id
)
UPDATE google_objects g SET linked_ids = (g.linked_ids || fresh.ids)[1 : CAST(:most AS int)]
FROM fresh WHERE fresh.id = g.id
RETURNING g.id
""")
_HAVE_MORE = text("""
SELECT o.id FROM google_objects o
JOIN unnest(CAST(:ids AS bigint[]), CAST(:counts AS int[])) AS told(id, links) ON told.id = o.id
WHERE cardinality(o.linked_ids) > told.links
""")
