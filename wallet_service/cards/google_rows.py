"""The delivery rows of cards at Google while nobody has asked for them, and what wakes those of linked passes."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from wallet_service.cards.program_cache import LoadedProgram
from wallet_service.storage.notify import wake_workers
from wallet_service.storage.tables import Card, Delivery, GoogleObject

_SUFFIX_BYTES = 16


def add_sleeping_google_row(db: Session, card: Card, program: LoadedProgram, *, now: datetime) -> None:
    """The object's row sleeps (`wanted_version` 0) until the holder asks for the card: most never go to both
    wallets.
    """
    google = program.document.google
    if google is None:
        return
    suffix = f"{google.id_prefix}{secrets.token_hex(_SUFFIX_BYTES)}"
    google_object = GoogleObject(card_id=card.id, object_id=f"{google.issuer_id}.{suffix}", created_at=now)
    db.add(google_object)
    db.flush()
    db.add(
        Delivery(
            card_id=card.id,
            program_id=card.program_id,
            kind="google",
            google_object_id=google_object.id,
            wanted_version=0,
            wanted_at=now,
            next_attempt_at=now,
        )
    )
    db.flush()


_WAKE = """
UPDATE deliveries d SET wanted_version = c.version, wanted_at = :now, next_attempt_at = :now
FROM cards c
WHERE d.card_id = c.id AND d.kind = 'google' AND d.wanted_version = 0 AND c.state = 'active' AND c.version > 0
  AND {which}
RETURNING d.id
"""
_WAKE_NEW = text(
    _WAKE.format(
        which="""c.id = ANY(:ids) AND EXISTS (
      SELECT FROM deliveries p WHERE p.card_id = c.linked_to AND p.kind = 'google' AND p.wanted_version > 0
  )"""
    )
)
_WAKE_OF_CARD = text(_WAKE.format(which="c.linked_to = :card"))


def wake_beside_cards(db: Session, program_id: str, *, linked_ids: Sequence[int], now: datetime) -> None:
    """Wake new linked passes whose card is wanted at Google: their holder does nothing to get them. The member's cards
    are locked.
    """
    if db.scalars(_WAKE_NEW, {"ids": list(linked_ids), "now": now}).all():
        wake_workers(db, program_id)


def wake_linked_passes(db: Session, card: Card, *, now: datetime) -> None:
    """Wake the passes linked to a locked card that has just become wanted at Google."""
    if card.linked_to is None:
        db.execute(_WAKE_OF_CARD, {"card": card.id, "now": now})
