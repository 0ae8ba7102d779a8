"""Limits on how often somebody may try something: one statement on PostgreSQL, so all processes share them.

The generic cell rate algorithm: each try pushes `full_at`, the instant at which the whole burst is there again, one
step ahead; a try that would push it further than a burst from now is refused and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.storage.encryption import KeyedDigester

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
_PORTION = 10_000


@dataclass(frozen=True, slots=True)
class Limit:
    """`times` in any `span` on average, all of them at once if they were saved up."""

    name: str
    times: int
    span: timedelta

    @property
    def step(self) -> timedelta:
        """The time that one try takes up."""
        return self.span / self.times


SIGN_IN_BY_ADDRESS = Limit("sign_in_address", 10, _HOUR)
"""Of one address from one network, so that a stranger's tries elsewhere do not keep its owner out."""
SIGN_IN_OF_ADDRESS = Limit("sign_in_address_anywhere", 100, _HOUR)
SIGN_IN_BY_NETWORK = Limit("sign_in_network", 20, _HOUR)
SECOND_FACTOR = Limit("second_factor", 10, _HOUR)
PASSWORD_AGAIN = Limit("password_again", 10, _HOUR)
RESET_BY_ADDRESS = Limit("reset_address", 3, _HOUR)
LOCK_MAIL = Limit("lock_mail", 1, _HOUR)
FIND_CARD = Limit("find_card", 3, _HOUR)
JOIN_CONFIRM = Limit("join_confirm", 60, _MINUTE)
JOIN = Limit("join", 600, _MINUTE)
TILL_LOOK_UP = Limit("till_look_up", 60, _MINUTE)
TILL_WRONG_CODE = Limit("till_wrong_code", 10, _MINUTE)


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to a try: allowed, or how long to wait."""

    wait: timedelta | None = None

    @property
    def is_allowed(self) -> bool:
        """Whether the try may go ahead."""
        return self.wait is None


def throttle_key(digester: KeyedDigester, limit: Limit, subject: str) -> bytes:
    """The row of one limit for one caller (an address, a network, a till); nothing can be read from it."""
    return digester.digest(f"{limit.name} {subject}")


_TAKE = text("""
INSERT INTO throttle AS row (key, full_at) VALUES (:key, CAST(:now AS timestamptz) + :step)
ON CONFLICT (key) DO UPDATE SET full_at = greatest(row.full_at, :now) + :step
WHERE greatest(row.full_at, :now) + :step <= CAST(:now AS timestamptz) + :span
RETURNING full_at
""")
_FULL_AT = text("SELECT full_at FROM throttle WHERE key = :key")
_GIVE_BACK = text("UPDATE throttle SET full_at = full_at - :step WHERE key = :key")
_FORGET_ONE = text("DELETE FROM throttle WHERE key = :key")
_FORGET = text(f"""
DELETE FROM throttle WHERE ctid = ANY(ARRAY(SELECT ctid FROM throttle WHERE full_at < :now LIMIT {_PORTION}))
""")  # noqa: S608 a number of this module


def take(db: Session, key: bytes, *, rate: timedelta, burst: int, now: datetime) -> Taken:
    """Try once.

    Commit it by itself, before what is limited is done: a refusal that rolls back must not give the try back, and the
    row is locked until the commit.

    Args:
        rate: the time that one try takes up.
        burst: how many may come at once after a rest.
    """
    values = {"key": key, "now": now, "step": rate, "span": rate * burst}
    if db.execute(_TAKE, values).one_or_none() is not None:
        return Taken()
    full_at: datetime = db.execute(_FULL_AT, {"key": key}).scalar_one()
    return Taken(wait=max(full_at + rate - now - rate * burst, timedelta(seconds=1)))


def take_of(db: Session, digester: KeyedDigester, limit: Limit, subject: str, *, now: datetime) -> Taken:
    """Try once under a named limit."""
    return take(db, throttle_key(digester, limit, subject), rate=limit.step, burst=limit.times, now=now)


def give_back(db: Session, digester: KeyedDigester, limit: Limit, subject: str) -> None:
    """Undo one try that turned out not to count."""
    db.execute(_GIVE_BACK, {"key": throttle_key(digester, limit, subject), "step": limit.step})


def forget_tries(db: Session, digester: KeyedDigester, limit: Limit, subject: str) -> None:
    """Undo every try: whoever it was has shown otherwise who they are."""
    db.execute(_FORGET_ONE, {"key": throttle_key(digester, limit, subject)})


def forget_throttle(sessions: sessionmaker[Session], *, now: datetime, stopping: Callable[[], bool]) -> int:
    """Delete the rows of limits that are whole again; returns how many."""
    deleted = 0
    while not stopping():
        with sessions.begin() as db:
            portion = db.execute(_FORGET, {"now": now}).rowcount  # type: ignore[attr-defined]
        deleted += portion
        if portion < _PORTION:
            break
    return deleted
