"""A card's history as proof: for each change, when it came in, was composed, told, listed and fetched, at each far
end.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from wallet_service.storage.tables import Card
from wallet_service.values import Value


class Passage(Value):
    """One change at one far end. Milliseconds count from the moment the change came in; None: it did not happen.

    `told_at` is when this version was told first, with the answer then: a reminder changes neither. A version that was
    overtaken before it was told has no `told_at`; the phone got a newer one.
    """

    kind: str
    far_end: str
    told_at: datetime | None
    told_answer: str | None
    listed_at: datetime | None
    fetched_at: datetime | None
    told_ms: int | None
    listed_ms: int | None
    fetched_ms: int | None


class Change(Value):
    """One version of the card."""

    version: int
    cause: str
    received_at: datetime
    composed_at: datetime
    composed_ms: int
    far_ends: tuple[Passage, ...]


_PASSAGES = text("""
SELECT v.version, v.cause, v.received_at, v.composed_at,
       p.kind, p.far_end, p.told_at, p.told_answer, p.listed_at, p.fetched_at
FROM card_versions v
LEFT JOIN (
    SELECT version, kind, far_end, told_at, told_answer, listed_at, fetched_at
    FROM past_deliveries WHERE card_id = :card
    UNION ALL
    SELECT d.wanted_version, d.kind, coalesce(device.device_library_id, o.object_id),
        d.first_told_at, d.first_answer,
        CASE WHEN r.listed_version >= d.wanted_version THEN r.listed_at END,
        CASE WHEN r.fetched_version >= d.wanted_version THEN r.fetched_at END
    FROM deliveries d
    LEFT JOIN registrations r ON r.id = d.registration_id
    LEFT JOIN devices device ON device.id = r.device_id
    LEFT JOIN google_objects o ON o.id = d.google_object_id
    WHERE d.card_id = :card AND d.wanted_version > 0
) p ON p.version = v.version
WHERE v.card_id = :card AND v.version IN (
    SELECT version FROM card_versions WHERE card_id = :card ORDER BY version DESC LIMIT :most
)
ORDER BY v.version DESC, p.kind, p.far_end
""")


def timeline_of(db: Session, card: Card, *, most: int = 50) -> list[Change]:
    """The last `most` changes of a card, newest first."""
    changes: dict[int, tuple[str, datetime, datetime, list[Passage]]] = {}
    for row in db.execute(_PASSAGES, {"card": card.id, "most": most}):
        _, _, _, passages = changes.setdefault(row.version, (row.cause, row.received_at, row.composed_at, []))
        if row.kind is not None:
            passages.append(
                Passage(
                    kind=row.kind,
                    far_end=row.far_end,
                    told_at=row.told_at,
                    told_answer=row.told_answer if row.told_at else None,
                    listed_at=row.listed_at,
                    fetched_at=row.fetched_at,
                    told_ms=_ms(row.received_at, row.told_at),
                    listed_ms=_ms(row.received_at, row.listed_at),
                    fetched_ms=_ms(row.received_at, row.fetched_at),
                )
            )
    return [
        Change(
            version=version,
            cause=cause,
            received_at=received_at,
            composed_at=composed_at,
            composed_ms=_ms(received_at, composed_at) or 0,
            far_ends=tuple(passages),
        )
        for version, (cause, received_at, composed_at, passages) in changes.items()
    ]


def _ms(start: datetime, end: datetime | None) -> int | None:
    return None if end is None else round((end - start) / timedelta(milliseconds=1))
