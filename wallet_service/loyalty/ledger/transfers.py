"""Points that go from one member to another, and two members who are one person, in PostgreSQL. Both are locked by the
caller, in the order of all locks.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from wallet_service.errors import Conflict
from wallet_service.loyalty.ledger.books import Book, Fact, open_book
from wallet_service.loyalty.ledger.moving import Moved, merge_in, merge_out, transfer_in, transfer_out
from wallet_service.loyalty.ledger.values import Account, Posting
from wallet_service.storage.tables import LedgerOrder, LedgerParkedRefund, Member


def book_transfer(
    db: Session, giver: Member, receiver: Member, points: int, *, key: str, reason: str, actor: str, now: datetime
) -> bool:
    """Move points from one locked member to another; they keep the day on which they expire. Returns False where this
    was booked before.

    Raises:
        Conflict: fewer are available, both are one, or the key was used for another transfer.
    """
    books = _both(db, giver, receiver, now=now)
    fact = _Facts(key=f"transfer:{key}", points=points, reason=reason, actor=actor)
    return (
        fact.post(
            *books,
            lambda account: transfer_out(account, points, now=now),
            lambda account, moved: transfer_in(account, moved, now=now),
        )
        is not None
    )


def book_merge(db: Session, loser: Member, winner: Member, *, key: str, reason: str, actor: str, now: datetime) -> bool:
    """Give all that one locked member has to another, with its orders: a later refund of one takes from the other.
    Returns False where this was booked before.

    Raises:
        Conflict: points are reserved, both are one, or the key was used for another merge.
    """
    source, target = _both(db, loser, winner, now=now)
    fact = _Facts(key=f"merge:{key}", points=None, reason=reason, actor=actor)
    first = target.account.last_lot + 1
    moved = fact.post(
        source,
        target,
        lambda account: merge_out(account, now=now),
        lambda account, moved: merge_in(account, moved, now=now),
    )
    if moved is None:
        return False
    numbers = {lot.number: first + place for place, lot in enumerate(moved.lots)}
    orders = select(LedgerOrder).where(LedgerOrder.account_id == source.account_id)
    for order in db.scalars(orders):
        order.account_id = target.account_id
        order.lot = numbers.get(order.lot) if order.lot is not None else None
    parked = update(LedgerParkedRefund).where(LedgerParkedRefund.account_id == source.account_id)
    db.execute(parked.values(account_id=target.account_id))
    db.flush()
    return True


def _both(db: Session, giver: Member, receiver: Member, *, now: datetime) -> tuple[Book, Book]:
    if giver.id == receiver.id or giver.program_id != receiver.program_id:
        raise Conflict("points go from one member of a programme to another")
    return open_book(db, giver, now=now), open_book(db, receiver, now=now)


class _Facts:
    """One fact with two sides, each a transaction of its own account."""

    def __init__(self, *, key: str, points: int | None, reason: str, actor: str) -> None:
        self._key = key
        self._points = points
        self._reason = reason
        self._actor = actor

    def post(
        self,
        source: Book,
        target: Book,
        out: Callable[[Account], tuple[Posting, Moved]],
        into: Callable[[Account, Moved], Posting],
    ) -> Moved | None:
        """Post both sides; returns what moved, or None where it was booked before."""
        taken: list[Moved] = []

        def leave(account: Account) -> Posting:
            posting, moved = out(account)
            taken.append(moved)
            return posting

        source.post(self._fact("out", target.account_id), leave)
        if not taken:
            return None
        target.post(self._fact("in", source.account_id), lambda account: into(account, taken[0]))
        return taken[0]

    def _fact(self, side: str, other: int) -> Fact:
        return Fact(
            key=f"{self._key}:{side}",
            content={"other": other, "points": self._points},
            actor=self._actor,
            reason=self._reason,
        )
