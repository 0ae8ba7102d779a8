"""A programme at a glance: how many cards are in phones, and what waits, counted no further than anybody needs to know.

How many cards are installed is a count over all of them. It is exact and takes its time (two seconds with a million
members), so it is made beside the requests, kept, and shown with the time at which it was made.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock, Thread

import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

log = structlog.get_logger()
LATELY = timedelta(days=7)
MOST_COUNTED = 10_000
"""Waiting rows are counted up to here; beyond it nobody needs to know how many."""
_SHARE = 100
"""A count is kept for so many times as long as it took: one hundredth of a processor is what it costs."""
_LEAST_KEPT, _LONGEST_KEPT = timedelta(seconds=1), timedelta(minutes=15)
_WAIT_S, _QUICK = 0.5, timedelta(milliseconds=50)
"""A page waits for the first count, and for one that will be quick; else it shows the last."""


@dataclass(frozen=True, slots=True)
class Installed:
    """Cards in phones, as of `at`.

    Attributes:
        members: of the programme, without those who were erased.
        installed: members whose own card is active and in a wallet: on an iPhone that is registered, or saved at Google
            and not removed since.
        added_apple, added_google: cards that came into a wallet within `LATELY` and are still there. A card that comes
            onto another phone counts again.
        removed_google: cards of which Google said within `LATELY` that they were removed. An iPhone's removal leaves
            no trace yet, so there is no such number of Apple's.
    """

    members: int
    installed: int
    added_apple: int
    added_google: int
    removed_google: int
    at: datetime


_MEMBERS = text("""
SELECT (SELECT count(*) FROM members WHERE program_id = :program)
    - (SELECT count(*) FROM members WHERE program_id = :program AND erased_at IS NOT NULL)
""")
# UNION and joins, never `IN` within OR: that becomes a subplan for each card once it does not fit into work_mem
_INSTALLED = text("""
SELECT count(*) FROM cards c JOIN (
    SELECT card_id FROM registrations
    UNION SELECT card_id FROM google_objects WHERE saved_at IS NOT NULL AND removed_at IS NULL
) held ON held.card_id = c.id
WHERE c.program_id = :program AND c.linked_to IS NULL AND c.state = 'active'
""")
_ADDED_APPLE = text("""
SELECT count(*) FROM registrations r JOIN cards c ON c.id = r.card_id
WHERE r.registered_at >= :since AND c.program_id = :program AND c.linked_to IS NULL
""")
_GOOGLE = text("""
SELECT count(*) FILTER (WHERE g.saved_at >= :since AND g.removed_at IS NULL) AS added,
    count(*) FILTER (WHERE g.removed_at >= :since) AS removed
FROM google_objects g JOIN cards c ON c.id = g.card_id
WHERE (g.saved_at >= :since OR g.removed_at >= :since) AND c.program_id = :program AND c.linked_to IS NULL
""")


def count_installed(db: Session, program_id: str, *, now: datetime) -> Installed:
    """Count; see `Installed`."""
    names = {"program": program_id, "since": now - LATELY}
    google = db.execute(_GOOGLE, names).one()
    return Installed(
        members=db.scalar(_MEMBERS, names) or 0,
        installed=db.scalar(_INSTALLED, names) or 0,
        added_apple=db.scalar(_ADDED_APPLE, names) or 0,
        added_google=google.added,
        removed_google=google.removed,
        at=now,
    )


@dataclass
class _Kept:
    """The last count of one programme, and the one that is being made."""

    found: Installed | None = None
    until: datetime | None = None
    running: Future[Installed] | None = None
    is_quick: bool = True


@dataclass(frozen=True)
class InstalledCounts:
    """The last counts of a process, each made anew beside the requests once it is old; safe to share."""

    sessions: sessionmaker[Session]
    clock: Callable[[], datetime]
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def of(self, program_id: str) -> Installed | None:
        """The count of a programme: fresh where counting is quick, else the last one; None: the first is being made."""
        with self._lock:
            kept = self._kept.setdefault(program_id, _Kept())
            if kept.until is not None and self.clock() < kept.until:
                return kept.found
            running = kept.running
            if running is None:
                kept.running = running = Future()
                arguments = (program_id, kept, running)
                Thread(target=self._count, args=arguments, name="installed", daemon=True).start()
            wait_s = _WAIT_S if kept.found is None or kept.is_quick else 0
        try:
            return running.result(wait_s)
        except TimeoutError:
            return kept.found
        except Exception as error:  # a figure that cannot be had never takes the page with it
            log.warning("installed_not_counted", program_id=program_id, reason=type(error).__name__)
            return kept.found

    def _count(self, program_id: str, kept: _Kept, running: Future[Installed]) -> None:
        began_at = self.clock()
        try:
            with self.sessions() as db:
                found = count_installed(db, program_id, now=began_at)
        except Exception as error:  # told to who waits
            with self._lock:
                kept.running = None
            running.set_exception(error)
            return
        ended_at = self.clock()
        with self._lock:
            kept.found, kept.running = found, None
            kept.is_quick = ended_at - began_at < _QUICK
            kept.until = ended_at + min(max((ended_at - began_at) * _SHARE, _LEAST_KEPT), _LONGEST_KEPT)
        running.set_result(found)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in one programme's queue to one platform. Counts end at `MOST_COUNTED`.

    Attributes:
        due: announcements that are due.
        oldest_due_at: since when the oldest of them is; None: there is none.
        refused: far ends that wait for a person.
    """

    kind: str
    due: int
    oldest_due_at: datetime | None
    refused: int


_WAITING = text(f"""
SELECT kind,
    (SELECT count(*) FROM (SELECT FROM deliveries d WHERE d.kind = each.kind AND d.program_id = :program
        AND d.wanted_version > d.told_version AND d.parked IS NULL AND d.next_attempt_at <= :now
        LIMIT {MOST_COUNTED}) AS due) AS due,
    (SELECT min(oldest) FROM unnest(ARRAY[0, 1]) AS u(urgency), LATERAL (SELECT min(d.next_attempt_at) AS oldest
        FROM deliveries d WHERE d.kind = each.kind AND d.program_id = :program AND d.urgency = u.urgency
        AND d.wanted_version > d.told_version AND d.parked IS NULL AND d.next_attempt_at <= :now) AS first)
        AS oldest_due_at,
    (SELECT count(*) FROM (SELECT FROM deliveries d WHERE d.program_id = :program AND d.parked IS NOT NULL
        AND d.parked <> 'removed' AND d.kind = each.kind LIMIT {MOST_COUNTED}) AS parked) AS refused
FROM unnest(ARRAY['apple', 'google']) AS each(kind)
""")  # noqa: S608 numbers of this module


def waiting_in(db: Session, program_id: str, *, now: datetime) -> tuple[Waiting, ...]:
    """What waits, by platform; quick however much it is."""
    rows = db.execute(_WAITING, {"program": program_id, "now": now})
    return tuple(Waiting(row.kind, row.due, row.oldest_due_at, row.refused) for row in rows)
