"""The messages of offers: one for a card whose holder may be notified of one, as long as the offer is on the card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from wallet_service.wallets.google.content.schema import Body
from wallet_service.wallets.google.notifications.messages import message_body


@dataclass(frozen=True, slots=True)
class OfferMessage:
    """A message for one object."""

    object_pk: int
    message: Body
    ends_at: datetime


_DUE = text("""
SELECT g.id, s.offer_id, f.title, f.text, f.ends_at
FROM google_objects g
JOIN offer_showings s ON s.card_id = g.card_id
JOIN offers f ON f.id = s.offer_id
WHERE g.id = ANY(:ids) AND s.notified_at IS NOT NULL AND s.gone_at IS NULL AND f.ends_at > :now
  AND g.saved_at IS NOT NULL AND g.removed_at IS NULL
  AND NOT EXISTS (
    SELECT FROM google_messages m WHERE m.google_object_id = g.id AND m.message_id = 'offer-' || s.offer_id
  )
ORDER BY g.id, s.notified_at, s.offer_id
""")


def due(db: Session, locales: Mapping[int, str], *, now: datetime) -> Iterator[OfferMessage]:
    """The messages that are not in line yet. An offer without a text says its title twice, for Google takes no message
    without a body.

    Args:
        locales: object → the language of its card, which comes first.
    """
    for object_pk, offer_id, title, more, ends_at in db.execute(_DUE, {"ids": list(locales), "now": now}).all():
        tags = sorted(title, key=lambda tag: tag != locales[object_pk])
        texts = {tag: more.get(tag, title[tag]) for tag in tags}
        titles = {tag: title[tag] for tag in tags}
        yield OfferMessage(
            object_pk, message_body(f"offer-{offer_id}", titles, texts, starts_at=now, ends_at=ends_at), ends_at
        )
