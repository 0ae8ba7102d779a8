"""A lane: one platform of one programme. It claims, tells and settles, over one kept-open channel, in one thread."""

from __future__ import annotations

import itertools
import secrets
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

import structlog
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.cards.catalogue import Catalogue
from wallet_service.clock import Clock
from wallet_service.delivery import ledger
from wallet_service.delivery.ledger import Claimed
from wallet_service.delivery.policy import Backoff, Halt, Step, next_step
from wallet_service.metrics import ANNOUNCEMENTS
from wallet_service.settings import Settings
from wallet_service.wallets.protocol import Announcer, Notice, Outcome

log = structlog.get_logger()
SETTLE_AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What every lane works with."""

    sessions: sessionmaker[Session]
    settings: Settings
    clock: Clock
    catalogue: Catalogue
    backoff: Backoff
    chance: Random


class Lane(ABC):
    """The loop's body. A subclass says how claimed rows become notices."""

    kind: str
    portion: int
    """How many notices are on their way at once; before each portion the lease is looked at again."""

    def __init__(self, program_id: str, announcer: Announcer, tools: Tools) -> None:
        self.program_id = program_id
        self.halted_until: datetime | None = None
        self._announcer = announcer
        self._tools = tools
        self._slowest = timedelta(seconds=max(tools.settings.apns_timeout_s, tools.settings.google_timeout_s))

    def step(self) -> int:
        """Claim a batch, tell it, settle it. Returns the number of rows worked on; 0: nothing was due."""
        tools = self._tools
        now = tools.clock()
        if self.halted_until is not None and now < self.halted_until:
            return 0
        self.halted_until = None
        claim_id = secrets.token_hex(8)
        with tools.sessions.begin() as db:
            claimed = ledger.claim(
                db,
                kind=self.kind,
                program_id=self.program_id,
                now=now,
                lease=tools.settings.lease,
                batch=tools.settings.batch,
                claim_id=claim_id,
            )
            grouped = self._group(db, claimed)
        told = self._tell(grouped, before=now + tools.settings.lease - self._slowest)
        while page := list(itertools.islice(told, SETTLE_AT_ONCE)):
            self._settle([row for rows in page for row in rows], claim_id)
        return len(claimed)

    def next_due_at(self) -> datetime | None:
        """When this lane has work again, as far as the ledger knows."""
        with self._tools.sessions() as db:
            due = ledger.next_due_at(db, kind=self.kind, program_id=self.program_id)
        return max(due, self.halted_until) if due and self.halted_until else due

    def close(self) -> None:
        """Hang up the channel."""
        self._announcer.close()

    @abstractmethod
    def _group(self, db: Session, claimed: Sequence[Claimed]) -> list[tuple[Notice, list[Claimed]]]:
        """Notices, each with the rows that it settles. Reads what it needs now: no transaction stays open later."""

    def _tell(
        self, grouped: Sequence[tuple[Notice, list[Claimed]]], *, before: datetime
    ) -> Iterator[list[tuple[Claimed, Step]]]:
        """Announce, a portion at a time; what could not be sent in its lease is left for whoever claims it next."""
        rows_of = {notice.delivery_id: rows for notice, rows in grouped}
        for start in range(0, len(grouped), self.portion):
            portion = grouped[start : start + self.portion]
            if self._tools.clock() >= before or self.halted_until is not None:
                return
            for notice, outcome in self._announcer.announce([notice for notice, _ in portion]):
                yield [(row, self._next_step(row, outcome)) for row in rows_of[notice.delivery_id]]

    def _next_step(self, row: Claimed, outcome: Outcome) -> Step:
        step = next_step(outcome, row.attempts, self._tools.backoff, self._tools.chance)
        ANNOUNCEMENTS.labels(self.kind, type(outcome).__name__.lower(), getattr(outcome, "reason", "")).inc()
        log.info("announced", kind=self.kind, delivery_id=row.delivery_id, version=row.version, outcome=str(outcome))
        if isinstance(step, Halt):
            self.halted_until = self._tools.clock() + step.after
            log.error("channel_down", kind=self.kind, program_id=self.program_id, reason=step.reason)
        return step

    def _settle(self, results: list[tuple[Claimed, Step]], claim_id: str) -> None:
        tools = self._tools
        with tools.sessions.begin() as db:
            late = ledger.settle(
                db,
                results,
                claim_id=claim_id,
                now=tools.clock(),
                spacing_s=tools.settings.announce_spacing_s if self.kind == "apple" else 0,
            )
        if late:
            log.warning("settled_late", kind=self.kind, rows=late)


class AppleLane(Lane):
    """Empty nudges: all rows of one push token are settled by one announcement (one device, one pass type)."""

    kind = "apple"
    portion = 1000

    def _group(self, db: Session, claimed: Sequence[Claimed]) -> list[tuple[Notice, list[Claimed]]]:
        by_token: dict[str, list[Claimed]] = {}
        for row in claimed:
            by_token.setdefault(row.far_end, []).append(row)
        return [
            (Notice(delivery_id=rows[0].delivery_id, far_end=token, version=max(row.version for row in rows)), rows)
            for token, rows in by_token.items()
        ]
