"""Change numbers: one counter per programme (and so per Apple pass type), raised last in a transaction.

The counter's row stays locked until the commit, so numbers become visible in their own order: whoever has seen n has
seen every number below n. A sequence or a timestamp cannot promise that, and a phone would miss a change.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.orm import Session

_TAKE = text("UPDATE change_counters SET last = last + :count WHERE program_id = :program RETURNING last")


def next_change_numbers(db: Session, program_id: str, count: int = 1) -> range:
    """Take `count` (1 or more) fresh numbers. Call it last: everyone else who publishes waits until the commit."""
    last = db.execute(_TAKE, {"program": program_id, "count": count}).scalar_one()
    return range(last - count + 1, last + 1)
