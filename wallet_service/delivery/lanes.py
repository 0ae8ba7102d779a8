"""A lane: one platform of one programme. It claims, tells and settles, over one kept-open channel, in one thread."""

from __future__ import annotations

import itertools
import secrets
from abc import ABC, abstractmethod
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

import structlog
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.cards.catalogue import Catalogue
from wallet_service.cards.publishing import CAMPAIGN, UNPACED, Pacing
from wallet_service.clock import Clock
from wallet_service.delivery import ledger
from wallet_service.delivery.ledger import Claimed
from wallet_service.delivery.policy import Backoff, Halt, Patience, Step, Told, next_step
from wallet_service.metrics import ANNOUNCEMENTS
from wallet_service.settings import Settings
from wallet_service.wallets.protocol import Announcer, ChannelDown, Notice, Outcome, Refused

log = structlog.get_logger()
BAD_TOKEN = Refused("BadDeviceToken")
LOOK_FOR_URGENT = timedelta(seconds=0.2)
"""How often, while a campaign is sent, it is looked whether a customer has just done something."""
MANY_BAD_TOKENS, BAD_TOKENS_SHARE = 5, 0.1


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What every lane works with."""

    sessions: sessionmaker[Session]
    settings: Settings
    clock: Clock
    catalogue: Catalogue
    backoff: Backoff
    patience: Patience
    chance: Random


class _Hand:
    """What one step has claimed, in the order in which it is to be sent. All of it is one claim."""

    def __init__(self, *, before: datetime) -> None:
        self.claim_id = secrets.token_hex(8)
        self.before = before
        self.claimed: list[Claimed] = []
        self.has_campaign = False
        self.sent: dict[int, list[Claimed]] = {}
        self._told: set[str] = set()
        self._waiting: OrderedDict[str, tuple[Notice, list[Claimed]]] = OrderedDict()

    def take(self, claimed: Sequence[Claimed], grouped: Sequence[tuple[Notice, list[Claimed]]], *, first: bool) -> None:
        """Add rows; what is for a far end that waits already goes with it. `first`: before all others.

        What comes for a far end that was told in this very step stays aside, to be given back: whether it may be told
        again so soon, the ledger can say once it knows of the first time.
        """
        self.claimed += claimed
        self.has_campaign |= any(row.urgency >= CAMPAIGN for row in claimed)
        for notice, rows in grouped:
            if notice.far_end in self._told:
                continue
            known = self._waiting.setdefault(notice.far_end, (notice, rows))
            if known[1] is not rows:
                known[1].extend(rows)
            if first:
                self._waiting.move_to_end(notice.far_end, last=False)

    def next(self) -> Notice | None:
        """The next to be sent."""
        if not self._waiting:
            return None
        _, (notice, rows) = self._waiting.popitem(last=False)
        self.sent[notice.delivery_id] = rows
        self._told.add(notice.far_end)
        return notice


class Lane(ABC):
    """The loop's body. A subclass says how claimed rows become notices."""

    kind: str
    settle_at_once: int
    """How many answers are written down in one transaction, while the next are on their way."""
    patience: Patience | None = None
    """Set where a far end has to come and fetch."""
    pacing = UNPACED
    """Set where a device must not be told too often."""

    def __init__(self, program_id: str, announcer: Announcer, tools: Tools) -> None:
        self.program_id = program_id
        self.halted_until: datetime | None = None
        self.stopping = False
        self._announcer = announcer
        self._settler = ThreadPoolExecutor(1, thread_name_prefix=f"settling:{self.kind}:{program_id}")
        self._tools = tools
        self._slowest = timedelta(seconds=max(tools.settings.apns_timeout_s, tools.settings.google_timeout_s))

    def step(self) -> int:
        """Claim a batch, tell it, settle it. Returns the number of rows worked on; 0: nothing was due."""
        tools = self._tools
        now = tools.clock()
        if self.halted_until is not None and now < self.halted_until:
            return 0
        self.halted_until = None
        hand = _Hand(before=now + tools.settings.lease - self._slowest)
        self._take(hand)
        told = self._tell(hand)
        settling: list[Future[int]] = []
        while page := list(itertools.islice(told, self.settle_at_once)):
            settling.append(self._settler.submit(self._settle, page, hand.claim_id, heard_at=tools.clock()))
        if sum(future.result() for future in settling) < len(hand.claimed):
            with tools.sessions.begin() as db:
                ledger.release(db, hand.claimed, claim_id=hand.claim_id, now=tools.clock())
        return len(hand.claimed)

    def next_due_at(self) -> datetime | None:
        """When this lane has work again, as far as the ledger knows."""
        with self._tools.sessions() as db:
            due = ledger.next_due_at(db, kind=self.kind, program_id=self.program_id)
        return max(due, self.halted_until) if due and self.halted_until else due

    def stop(self) -> None:
        """Claim no more: the worker is about to leave."""
        self.stopping = True

    def close(self) -> None:
        """Hang up the channel."""
        self._settler.shutdown()
        self._announcer.close()

    @abstractmethod
    def _group(self, db: Session, claimed: Sequence[Claimed]) -> list[tuple[Notice, list[Claimed]]]:
        """Notices, each with the rows that it settles. Reads what it needs now: no transaction stays open later."""

    def _take(self, hand: _Hand, *, urgent_only: bool = False) -> None:
        tools = self._tools
        with tools.sessions.begin() as db:
            claimed = ledger.claim(
                db,
                kind=self.kind,
                program_id=self.program_id,
                now=tools.clock(),
                lease=tools.settings.lease,
                batch=tools.settings.batch,
                claim_id=hand.claim_id,
                urgent_only=urgent_only,
                pacing=self.pacing,
            )
            grouped = self._group(db, claimed)
        hand.take(claimed, grouped, first=urgent_only)

    def _tell(self, hand: _Hand) -> Iterator[tuple[list[Claimed], Outcome]]:
        """Announce what is in hand; what could not be sent in its lease stays there, to be given back."""
        for notice, outcome in self._announcer.announce(self._sendable(hand)):
            if isinstance(outcome, ChannelDown):
                self._halt(outcome.reason)
            yield hand.sent.pop(notice.delivery_id), outcome

    def _sendable(self, hand: _Hand) -> Iterator[Notice]:
        """What is in hand, one by one, as there is room on the line. What a customer has just done overtakes a
        campaign that is being sent.
        """
        look_at = self._tools.clock() + LOOK_FOR_URGENT
        while (now := self._tools.clock()) < hand.before and self.halted_until is None:
            if hand.has_campaign and now >= look_at:
                with suppress(OperationalError):  # the database is away: whoever settles will say so
                    self._take(hand, urgent_only=True)
                look_at = now + LOOK_FOR_URGENT
            if (notice := hand.next()) is None:
                return
            yield notice

    def _settle(self, page: list[tuple[list[Claimed], Outcome]], claim_id: str, *, heard_at: datetime) -> int:
        """Write down a page of answers, beside the sending of the next; returns how many rows it was."""
        outcomes = judged([outcome for _, outcome in page])
        results = [
            (row, self._next_step(row, outcome))
            for (rows, _), outcome in zip(page, outcomes, strict=True)
            for row in rows
        ]
        try:
            late = self._write_down(results, claim_id, heard_at)
        except OperationalError:  # a deadlock was broken at our cost, or the database was away: once more
            late = self._write_down(results, claim_id, heard_at)
        self._count(outcomes, late)
        return len(results)

    def _write_down(self, results: Sequence[tuple[Claimed, Step]], claim_id: str, heard_at: datetime) -> int:
        with self._tools.sessions.begin() as db:
            return ledger.settle(db, results, claim_id=claim_id, now=heard_at, pacing=self.pacing)

    def _next_step(self, row: Claimed, outcome: Outcome) -> Step:
        step = next_step(outcome, row.attempts, self._tools.backoff, self._tools.chance)
        match step:
            case Told(answer=answer) if self.patience is not None:
                return Told(answer, self.patience.after(row.repeats, self._tools.chance))
            case Halt(reason=reason):
                self._halt(reason)
        return step

    def _halt(self, reason: str) -> None:
        if self.halted_until is None:
            self.halted_until = self._tools.clock() + self._tools.backoff.most
            log.error("channel_down", kind=self.kind, program_id=self.program_id, reason=reason)

    def _count(self, outcomes: Sequence[Outcome], late: int) -> None:
        """One line for a page, and one for each outcome that is not plain success."""
        counts = Counter((type(outcome).__name__, getattr(outcome, "reason", "")) for outcome in outcomes)
        for (name, reason), count in counts.items():
            ANNOUNCEMENTS.labels(self.kind, name.lower(), reason).inc(count)
            if name != "Accepted":
                log.warning(
                    "not_accepted", kind=self.kind, program_id=self.program_id, outcome=name, reason=reason, rows=count
                )
        log.info("announced", kind=self.kind, program_id=self.program_id, notices=len(outcomes), late=late)


def judged(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes of one page; where many tokens at once are said to be bad, it is our address or topic that is wrong.

    Then nothing is held against the phones: the channel stops (spec apple-wallet 5.3, checklist 74).
    """
    bad = sum(outcome == BAD_TOKEN for outcome in outcomes)
    if bad < MANY_BAD_TOKENS or bad <= BAD_TOKENS_SHARE * len(outcomes):
        return list(outcomes)
    wrong_environment = ChannelDown(f"BadDeviceToken for {bad} of {len(outcomes)} phones: wrong environment or topic?")
    return [wrong_environment if outcome == BAD_TOKEN else outcome for outcome in outcomes]


class AppleLane(Lane):
    """Empty nudges: all rows of one push token are settled by one announcement (one device, one pass type)."""

    kind = "apple"
    settle_at_once = 500

    def __init__(self, program_id: str, announcer: Announcer, tools: Tools) -> None:
        super().__init__(program_id, announcer, tools)
        self.patience, self.pacing = tools.patience, Pacing.of(tools.settings)

    def _group(self, db: Session, claimed: Sequence[Claimed]) -> list[tuple[Notice, list[Claimed]]]:
        by_token: dict[str, list[Claimed]] = {}
        for row in claimed:
            by_token.setdefault(row.far_end, []).append(row)
        return [
            (Notice(delivery_id=rows[0].delivery_id, far_end=token, version=max(row.version for row in rows)), rows)
            for token, rows in by_token.items()
        ]
