"""A worker's rounds, called by the test, which owns the time: days of it pass in a second."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from sqlalchemy.orm import Session

from tests.system import System
from wallet_service.cards.pacing import UNPACED, Pacing
from wallet_service.delivery import ledger
from wallet_service.delivery.ledger import Claimed
from wallet_service.delivery.policy import Patience, Told

PER_DAY, MOST = 3, 6
HOUR, TICK = timedelta(hours=1), timedelta(minutes=20)
PATIENCE = Patience(first=timedelta(minutes=10), most=MOST)


@dataclass
class DeliveryRounds:
    """A worker's rounds at the system's own time, one at a time, with an Apple that takes every push."""

    system: System
    pacing: Pacing = UNPACED
    chance: Random = field(default_factory=lambda: Random(5))
    told_at: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    reminded_at: list[datetime] = field(default_factory=list)
    stale: int = 0

    def tell(self) -> int:
        """Announce what is due; returns the pushes that it takes: one for each device."""
        now = self.system.clock()
        with self.system.services.sessions.begin() as db:
            rows = self.claim(db, str(now))
            told = [(row, Told("ok", PATIENCE.after(row.repeats, self.chance))) for row in rows]
            ledger.settle(db, told, claim_id=str(now), now=now, pacing=self.pacing)
        tokens = {row.far_end for row in rows}
        for token in tokens:
            self.told_at[token].append(now)
        return len(tokens)

    def claim(self, db: Session, claim_id: str) -> list[Claimed]:
        """Take what is due."""
        return ledger.claim(
            db,
            kind="apple",
            program_id="lumiere",
            now=self.system.clock(),
            lease=HOUR,
            batch=100,
            claim_id=claim_id,
            pacing=self.pacing,
        )

    def remind(self) -> int:
        """Remind who is due, and push; returns the pushes."""
        now = self.system.clock()
        with self.system.services.sessions.begin() as db:
            self.stale += ledger.remind(db, now=now, most=MOST, per_day=PER_DAY, pacing=self.pacing).stale
        pushes = self.tell()
        self.reminded_at += [now] * pushes
        return pushes

    def let_pass(self, span: timedelta) -> Iterator[datetime]:
        """Rounds at every tick, yielding the time after each."""
        end = self.system.clock() + span
        while self.system.clock() < end:
            self.system.clock.advance(TICK)
            self.remind()
            yield self.system.clock()


def fullest(instants: Sequence[datetime], span: timedelta) -> int:
    """The most of these instants that lie in one span of time, wherever it begins."""
    return max(sum(begin <= one < begin + span for one in instants) for begin in instants)
