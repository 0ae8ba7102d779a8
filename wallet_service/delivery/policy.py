"""The retry policy: from an outcome and an attempt to the next step. Pure: chance is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import assert_never

from wallet_service.wallets.protocol import Accepted, ChannelDown, Gone, Later, Outcome, Refused


@dataclass(frozen=True, slots=True)
class Told:
    """The announcement was accepted. `again_after`: it is repeated then, unless the far end has come."""

    answer: str
    again_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after a while."""

    after: timedelta
    reason: str


@dataclass(frozen=True, slots=True)
class Park:
    """Keep the row, show the reason, and wait for a person or a new registration."""

    reason: str


@dataclass(frozen=True, slots=True)
class Forget:
    """The far end went away at `since`: drop it; if it has come back later, try again `after` a while."""

    since: datetime
    after: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop the whole channel for a while and wake a person; the row keeps its place, and is due when that goes on."""

    reason: str


STORED_BY_APPLE = timedelta(days=6, hours=12)
"""A little less than the seven days that our announcements live."""

Step = Told | Retry | Park | Forget | Halt


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Full jitter between `first` and a doubling ceiling, never more than `most`."""

    first: timedelta
    most: timedelta

    def after(self, attempt: int, chance: Random) -> timedelta:
        """The pause after the `attempt`-th try (1 or more)."""
        ceiling = min(self.most, self.first * (1 << min(max(attempt - 1, 0), 20)))
        return self.first + (ceiling - self.first) * chance.random()


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a phone that was told is waited for before it is told again (spec apple-wallet 4.8).

    The pause doubles and is jittered by up to a half; how many reminders a day a phone may have, whatever they are
    about, is the ledger's to say. After `most` reminders it is stale, and reminded just before Apple would throw the
    last announcement away (it is stored for seven days), so that it converges whenever it shows up.
    """

    first: timedelta
    most: int

    def after(self, repeats: int, chance: Random) -> timedelta:
        """The pause after having told `repeats` times again (0: after the first telling)."""
        if repeats > self.most:
            return STORED_BY_APPLE
        return self.first * (1 << min(repeats, 20)) * (1 + chance.random() / 2)


def next_step(outcome: Outcome, attempt: int, backoff: Backoff, chance: Random) -> Step:
    """What follows from `outcome` of the `attempt`-th try of a row."""
    match outcome:
        case Accepted(answer=answer):
            return Told(answer)
        case Later(reason=reason, after=after):
            own = backoff.after(attempt, chance)
            return Retry(max(own, after) if after is not None else own, reason)
        case Refused(reason=reason):
            return Park(reason)
        case Gone(since=since):
            return Forget(since, backoff.after(attempt, chance))
        case ChannelDown(reason=reason):
            return Halt(reason)
        case _:
            assert_never(outcome)
