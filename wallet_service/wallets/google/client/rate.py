"""The rate limit of an issuer's calls, shared by all processes through one row in PostgreSQL.

Each call takes the next free moment, an interval after the last that was given out, so that no second holds more than
is allowed, whatever the number of workers and machines; the database's clock is everyone's. After trouble the rate is
halved for all, and comes back within a minute.

Source: google-wallet.md section 16, "Errors" and "Rate limit"; section 25, checks 34 and 35.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime
from typing import Protocol

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.clock import Clock
from wallet_service.wallets.google.client.calls import Answer

log = structlog.get_logger()
PART_USED = 0.98
"""Of the allowed rate; the rest is for moments that come a little late and so crowd the next."""
RECOVERY_S = 60
LEAST_PART = 0.05
"""Of the limit: as slow as trouble can make us."""
_LOOKED_AT, _TOO_MANY = 20, 0.5
"""Of the last so many answers, what part may be 5xx before we slow down: single ones are retried, no more.

A lower bar would mistake chance for trouble: of 10 000 answers with 5 % errors, some 20 in a row hold a quarter."""


class Rate(Protocol):
    """The protocol of a rate limit."""

    def take(self, calls: int) -> float:
        """Take the next moment for `calls` calls; returns how many seconds to wait for it."""
        ...

    def note(self, answer: Answer) -> None:
        """Learn from an answer."""
        ...


_RATE = """
    least(:limit, CASE WHEN r.slowed_at IS NULL THEN :limit ELSE r.slowed_to + (:limit - r.slowed_to)
        * extract(epoch FROM <now> - r.slowed_at)::float8 / :recovery_s END)
"""
_OPEN = "INSERT INTO google_rates (issuer_id, next_at) VALUES (:issuer, <now>) ON CONFLICT DO NOTHING RETURNING 0.0"
_TAKE = """
UPDATE google_rates r SET next_at = greatest(r.next_at, <now>) + make_interval(secs => :calls / <rate>)
WHERE issuer_id = :issuer
RETURNING extract(epoch FROM r.next_at - <now>)::float8 - :calls / <rate>
"""
_SLOW = """
UPDATE google_rates r SET slowed_to = greatest(:least, <rate> / 2), slowed_at = <now>
WHERE issuer_id = :issuer AND (slowed_at IS NULL OR slowed_at < <now> - interval '1 second')
RETURNING slowed_to
"""
_LOOK = "SELECT <rate> FROM google_rates r WHERE issuer_id = :issuer"


class SharedRate:
    """The rate limit of one issuer; safe to share between threads.

    Args:
        per_s: what Google allows this issuer, calls a second.
        clock: only tests give one; None is the database's own, which all machines share.
    """

    def __init__(
        self, sessions: sessionmaker[Session], issuer_id: str, *, per_s: float, clock: Clock | None = None
    ) -> None:
        self.per_s = per_s
        self._sessions, self._issuer_id, self._clock = sessions, issuer_id, clock
        self._recent: deque[bool] = deque(maxlen=_LOOKED_AT)
        self._lock = threading.Lock()
        self._open = False

    def take(self, calls: int) -> float:
        """Take the next moment for `calls` calls that leave together; returns how many seconds to wait for it."""
        if not self._open:
            self._run(_OPEN)
            self._open = True
        wait_s = self._run(_TAKE, calls=float(calls))
        return max(0.0, float(wait_s or 0.0))

    def note(self, answer: Answer) -> None:
        """Slow everyone down for a call too fast, or when half of the last 20 answers were 5xx."""
        if answer.is_rate:
            self._slow("too fast")
            return
        with self._lock:
            self._recent.append(answer.status >= 500)
            troubled = len(self._recent) == _LOOKED_AT and sum(self._recent) >= _LOOKED_AT * _TOO_MANY
            if troubled:
                self._recent.clear()
        if troubled:
            self._slow("many errors")

    def now_per_s(self) -> float:
        """The rate of this moment: the limit's part that is used, or less after trouble."""
        return float(self._run(_LOOK) or self.per_s * PART_USED)

    def _slow(self, why: str) -> None:
        slowed_to = self._run(_SLOW)
        if slowed_to is not None:
            log.warning("google_slowed_down", issuer_id=self._issuer_id, why=why, per_s=float(slowed_to))

    def _run(self, statement: str, **parameters: float) -> float | None:
        now: datetime | None = self._clock() if self._clock is not None else None
        clock = "clock_timestamp()" if now is None else "CAST(:now AS timestamptz)"
        words = statement.replace("<rate>", _RATE).replace("<now>", clock)
        limit = self.per_s * PART_USED
        given = {"issuer": self._issuer_id, "limit": limit, "least": limit * LEAST_PART, "recovery_s": RECOVERY_S}
        with self._sessions.begin() as db:
            # a moment given out twice after a crash of the database is a smaller evil than a disk write for each call
            db.execute(text("SET LOCAL synchronous_commit = off"))
            found: float | None = db.scalar(text(words), {**given, "now": now, **parameters})
        return found
