"""A delivery queue: one platform of one programme. It claims, sends and settles, over one channel, in one thread."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Literal, Protocol, TypeVar

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.cards.program_cache import ProgramCache
from wallet_service.clock import Clock
from wallet_service.delivery import ledger
from wallet_service.delivery.ledger import Claimed
from wallet_service.delivery.policy import Backoff, Halt, Patience, Step, next_step
from wallet_service.delivery.stopped_channels import write_stop, write_works
from wallet_service.metrics import ANNOUNCEMENTS
from wallet_service.settings import Settings
from wallet_service.wallets.protocol import Outcome, word_of

log = structlog.get_logger()
Written = TypeVar("Written")


@dataclass(frozen=True, kw_only=True)
class Tools:
    """The services that every queue works with."""

    sessions: sessionmaker[Session]
    settings: Settings
    clock: Clock
    program_cache: ProgramCache
    backoff: Backoff
    patience: Patience
    chance: Random


class _Line(Protocol):
    def close(self) -> None: ...


class DeliveryQueue(ABC):
    """The base of both queues. A subclass says how what is due is claimed and sent."""

    kind: str

    def __init__(self, program_id: str, line: _Line, tools: Tools) -> None:
        self.program_id = program_id
        self.halted_until: datetime | None = None
        self.halted_for = ""
        self.stopping = False
        self._written: datetime | Literal["nothing"] | None = "nothing"
        self._line = line
        self._tools = tools
        self._slowest = timedelta(seconds=max(tools.settings.apns_timeout_s, tools.settings.google_timeout_s))

    @abstractmethod
    def step(self) -> int:
        """Announce what is due, up to a batch; returns the number of rows announced, whatever the answers were."""

    def next_due_at(self) -> datetime | None:
        """When this queue has work again, as far as the ledger knows."""
        with self._tools.sessions() as db:
            due = ledger.next_due_at(db, kind=self.kind, program_id=self.program_id)
        return max(due, self.halted_until) if due and self.halted_until else due

    def stop(self) -> None:
        """Claim no more: the worker is about to leave."""
        self.stopping = True

    def close(self) -> None:
        """Close the channel."""
        self._line.close()

    def _is_halted(self, *, now: datetime) -> bool:
        if self.halted_until is not None and now >= self.halted_until:
            self.halted_until = None
        return self.halted_until is not None

    def _halt(self, reason: str) -> None:
        if self.halted_until is None:
            self.halted_until = self._tools.clock() + self._tools.backoff.most
            self.halted_for = reason
            log.error("channel_down", kind=self.kind, program_id=self.program_id, reason=reason)

    def _write_state(self) -> None:
        """Write down whether the channel has stopped, where that is other than what this queue wrote last. A channel
        whose pause is over stays written down until something was told on it, or nothing is left to tell.
        """
        if self._written == self.halted_until:
            return
        with self._tools.sessions.begin() as db:
            if self.halted_until is not None:
                write_stop(
                    db,
                    self.program_id,
                    self.kind,
                    reason=self.halted_for,
                    until=self.halted_until,
                    now=self._tools.clock(),
                )
            else:
                write_works(db, self.program_id, self.kind)
        self._written = self.halted_until

    def _next_step(self, row: Claimed, outcome: Outcome) -> Step:
        step = next_step(outcome, row.attempts, self._tools.backoff, self._tools.chance)
        if isinstance(step, Halt):
            self._halt(step.reason)
        return step

    def _settle(self, write: Callable[[Session], Written]) -> Written:
        """Write down answers in one transaction; once more if a deadlock was broken at our cost, or the database was
        away.
        """
        try:
            with self._tools.sessions.begin() as db:
                return write(db)
        except OperationalError:
            with self._tools.sessions.begin() as db:
                return write(db)

    def _count(self, outcomes: Sequence[Outcome], late: int) -> None:
        """One line for a page, and one for each kind of outcome but plain success, with one of its sentences."""
        alike: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
        for outcome in outcomes:
            alike[type(outcome).__name__, word_of(outcome)].append(outcome)
        for (name, word), those in alike.items():
            ANNOUNCEMENTS.labels(self.kind, name.lower(), word).inc(len(those))
            if name != "Accepted":
                reason = getattr(those[0], "reason", "")
                log.warning(
                    "not_accepted",
                    kind=self.kind,
                    program_id=self.program_id,
                    outcome=name,
                    reason=reason,
                    rows=len(those),
                )
        log.info("announced", kind=self.kind, program_id=self.program_id, notices=len(outcomes), late=late)
