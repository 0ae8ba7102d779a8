"""Passes that Google brings to the holder together with the card: a rare offer, a ticket. A link is for life.

Google never unlinks, ignores the fifty-first without a word and refuses links between links, so all of that is checked
before anything is written down. Source: google-wallet.md section 15; section 25, check 52.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from wallet_service.errors import Invalid, NotFound
from wallet_service.storage.tables import GoogleObject
from wallet_service.wallets.google import objects

MOST_LINKS = 50


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
