"""The periodic walk over accounts on which something is due: pending points become available, reservations run out,
points expire. It only books; cards whose face may change are composed again by whoever composes, each once.

Members that somebody else holds are left to them, who book what is due themselves, and to the next walk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session, joinedload, sessionmaker

from wallet_service.loyalty.ledger.books import open_book
from wallet_service.storage.tables import Member

log = structlog.get_logger()
PORTION = 100
_DUE = text("""
SELECT a.id, a.member_pk FROM ledger_accounts a JOIN programs p ON p.program_id = a.program_id
WHERE a.due_at <= :now AND a.member_pk IS NOT NULL AND a.id > :after AND p.document ->> 'master' = 'builtin'
ORDER BY a.id LIMIT :portion
""")
_LOCK_MEMBERS = text("""
SELECT id FROM members WHERE id = ANY(:members) AND erased_at IS NULL ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
""")
_LOCK_CARDS = text("SELECT id FROM cards WHERE member_pk = ANY(:members) ORDER BY id FOR NO KEY UPDATE")
_COMPOSE = text("UPDATE cards SET recompose_at = :now WHERE id = ANY(:cards)")


def book_what_is_due(
    sessions: sessionmaker[Session], *, now: datetime, stopping: Callable[[], bool] = lambda: False
) -> Mapping[str, int]:
    """Book all that is due, a portion of members in each transaction; returns what was booked."""
    after = booked = failed = 0
    while not stopping():
        with sessions.begin() as db:
            due = db.execute(_DUE, {"now": now, "after": after, "portion": PORTION}).all()
            if not due:
                break
            after = due[-1].id
            postings, failures = _book_portion(db, [row.member_pk for row in due], now=now)
            booked, failed = booked + postings, failed + failures
    return {"postings": booked, "failed": failed}


def _book_portion(db: Session, found: Sequence[int], *, now: datetime) -> tuple[int, int]:
    locked = db.scalars(_LOCK_MEMBERS, {"members": list(found)}).all()
    cards = db.scalars(_LOCK_CARDS, {"members": list(locked)}).all()
    members = db.scalars(
        select(Member).options(joinedload(Member.balance)).where(Member.id.in_(locked)).order_by(Member.id)
    ).all()
    booked = failed = 0
    for member in members:
        try:
            with db.begin_nested():
                booked += open_book(db, member, now=now, whole=False).booked_due
        except Exception:  # one account that is not as it should be stops no other
            log.exception("points_not_booked", member_pk=member.id)
            failed += 1
    db.execute(_COMPOSE, {"cards": list(cards), "now": now})
    return booked, failed
