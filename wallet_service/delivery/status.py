"""The state of delivery as a whole: what is due and for how long, what waits for a person, which phones never came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from wallet_service.errors import Conflict, NotFound
from wallet_service.offers.showings import keep_reach
from wallet_service.storage.notify import wake_workers
from wallet_service.values import Value


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """One platform of one programme. `oldest_due_s` is 0 where nothing is due; what a worker holds is due when its
    lease ends, so a dead worker's rows count.
    """

    kind: str
    program_id: str
    open: int
    oldest_due_s: float
    parked: int
    stale: int


_STATUS = text("""
SELECT kind, program_id,
    count(*) FILTER (WHERE wanted_version > told_version AND parked IS NULL) AS open,
    CAST(GREATEST(0, EXTRACT(EPOCH FROM CAST(:now AS timestamptz)
        - min(next_attempt_at) FILTER (WHERE wanted_version > told_version AND parked IS NULL))) AS float8)
        AS oldest_due_s,
    count(*) FILTER (WHERE parked IS NOT NULL AND parked <> 'removed') AS parked,
    count(*) FILTER (WHERE stale_at IS NOT NULL) AS stale
FROM deliveries
WHERE (wanted_version > told_version AND parked IS NULL) OR parked IS NOT NULL OR stale_at IS NOT NULL
GROUP BY kind, program_id
""")


def queue_statuses(db: Session, *, now: datetime) -> list[QueueStatus]:
    """Where the queues stand; reads open, parked and stale rows only."""
    rows = db.execute(_STATUS, {"now": now})
    return [QueueStatus(**row._mapping) for row in rows]


class WaitingFarEnd(Value):
    """A far end that waits: for a person (`refused`), or for the phone to show up (`stale`)."""

    delivery_id: int
    serial_number: str
    kind: str
    state: str
    reason: str
    wanted_version: int
    since: datetime


_WAITING = text("""
SELECT d.id AS delivery_id, c.serial_number, d.kind,
    CASE WHEN d.parked IS NOT NULL THEN 'refused' ELSE 'stale' END AS state,
    coalesce(d.parked, d.last_outcome, '') AS reason, d.wanted_version, coalesce(d.stale_at, d.wanted_at) AS since
FROM deliveries d JOIN cards c ON c.id = d.card_id
WHERE d.program_id = :program AND d.id > :after AND d.parked IS DISTINCT FROM 'removed'
  AND ((:refused AND d.parked IS NOT NULL) OR (:stale AND d.stale_at IS NOT NULL))
ORDER BY d.id LIMIT :limit
""")


def waiting_far_ends(db: Session, program_id: str, *, state: str | None, after: int, limit: int) -> list[WaitingFarEnd]:
    """A page of far ends that are `refused` or `stale`, by number; `state` None: both."""
    wanted = {"refused": state != "stale", "stale": state != "refused"}
    rows = db.execute(_WAITING, {"program": program_id, "after": after, "limit": limit} | wanted)
    return [WaitingFarEnd(**row._mapping) for row in rows]


_RETRY = text("""
UPDATE deliveries SET parked = NULL, stale_at = NULL, again_at = NULL, repeats = 0, missed = 0, attempts = 0,
    told_version = 0, next_attempt_at = :now
WHERE id = :id AND program_id = :program AND parked IS DISTINCT FROM 'removed' AND (parked IS NOT NULL OR stale_at IS
NOT NULL) RETURNING id
""")
_CARD_OF = text("SELECT card_id FROM deliveries WHERE id = :id AND program_id = :program")


def retry_far_end(db: Session, program_id: str, delivery_id: int, *, now: datetime) -> None:
    """A person says: try this one again, now.

    Raises:
        NotFound: the programme has no such far end.
        Conflict: it does not wait for anybody.
    """
    names = {"id": delivery_id, "program": program_id}
    card_id = db.scalar(_CARD_OF, names)
    if card_id is not None:
        keep_reach(db, [card_id])
    if db.scalar(_RETRY, names | {"now": now}) is not None:
        wake_workers(db, program_id)
    elif card_id is None:
        raise NotFound(f"there is no far end {delivery_id}")
    else:
        raise Conflict("this far end is neither refused nor stale")
