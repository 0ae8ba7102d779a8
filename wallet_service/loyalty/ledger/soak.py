"""Random operations on one account, with every invariant looked at after each: for as long as somebody likes. Pure.

The generator is loyalty-mechanics' own (2.7): earning at once and later, reservations that are confirmed, cut short,
cancelled or left, refunds in parts, corrections, time that passes. Source: loyalty-mechanics 14, scenario 11.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import get_args

from wallet_service.errors import Conflict, Invalid
from wallet_service.loyalty.ledger.due import postings_due
from wallet_service.loyalty.ledger.invariants import earned_by, faults_of, faults_of_books
from wallet_service.loyalty.ledger.moving import transfer_in, transfer_out
from wallet_service.loyalty.ledger.operations import adjust, earn, reverse, waive
from wallet_service.loyalty.ledger.refunds import EarnRule, OrderGrant
from wallet_service.loyalty.ledger.spending import cancel, confirm, refund_redemption, reserve
from wallet_service.loyalty.ledger.values import Account, Posting, RefundPolicy

_START = datetime(2026, 1, 1, tzinfo=UTC)
_OPERATIONS_OF_ONE = 200
"""An account is checked against its whole log, so it is closed after so many operations and another begins."""


class BrokenInvariantError(AssertionError):
    """An invariant does not hold; the message says which, and after what."""


@dataclass(frozen=True, slots=True)
class _Order:
    lot: int | None
    grant: OrderGrant


class LedgerWalk:
    """One account and what happens to it. Each operation leaves it consistent, or raises."""

    def __init__(self, policy: RefundPolicy) -> None:
        self.policy = policy
        self.now = _START
        self.account = Account()
        self.log: list[Posting] = []
        self.orders: list[_Order] = []
        self.reservations = 0

    def book(self, operation: Callable[[Account], Posting]) -> Posting | None:
        """Post what is due, then the operation; None where it is refused."""
        for _, posting, account in postings_due(self.account, now=self.now):
            self.log.append(posting)
            self.account = account
        try:
            posting = operation(self.account)
        except (Conflict, Invalid):
            return None
        _require_in_order(self.account, posting, self.now)
        self.account = self.account.applied(posting)
        self.log.append(posting)
        return posting

    def let_pass(self, span: timedelta) -> None:
        """Time passes; what is due is booked by whoever comes next."""
        self.now += span

    def earn(self, cents: int, *, pending_days: int, valid_days: int | None) -> None:
        """An order of so many cents."""
        rule = EarnRule(points_per_unit=1, minor_per_unit=100)
        free = self.now + timedelta(days=pending_days) if pending_days else None
        until = None if valid_days is None else (free or self.now) + timedelta(days=valid_days)
        points = rule.points_for(cents)
        posting = self.book(
            lambda account: earn(account, points, earned_at=self.now, available_at=free, expires_at=until, now=self.now)
        )
        if posting is not None:
            lot = posting.grants[0].number if posting.grants else None
            self.orders.append(_Order(lot, OrderGrant(rule=rule, amount=cents, granted=points)))

    def refund(self, choice: int, cents: int) -> None:
        """A part of one of the orders is paid back."""
        if not self.orders:
            return
        place = choice % len(self.orders)
        order = self.orders[place]
        after = order.grant.after_refund(cents)
        amount = after.reversed - order.grant.reversed
        self.book(lambda account: reverse(account, order.lot, amount, policy=self.policy, now=self.now))
        self.orders[place] = replace(order, grant=after)
        if after.reversed > after.granted or (after.refunded >= after.amount and after.reversed != after.granted):
            raise BrokenInvariantError(f"I8: {after}")

    def reserve(self, points: int, *, minutes: int) -> None:
        """Points are set aside."""
        key = f"r{self.reservations}"
        until = self.now + timedelta(minutes=minutes)
        if self.book(lambda account: reserve(account, key, points, until=until, now=self.now)):
            self.reservations += 1

    def confirm(self, choice: int, points: int | None) -> None:
        """One of the reservations is spent, all of it or less."""
        key = f"r{choice % max(self.reservations, 1)}"
        self.book(lambda account: confirm(account, key, points, now=self.now))

    def cancel(self, choice: int) -> None:
        """One of the reservations is given back."""
        key = f"r{choice % max(self.reservations, 1)}"
        self.book(lambda account: cancel(account, key, now=self.now))

    def adjust(self, points: int) -> None:
        """Somebody corrects the balance."""
        self.book(
            lambda account: adjust(account, points, expires_at=None, may_owe=self.policy == "unlimited", now=self.now)
        )

    def waive(self, points: int) -> None:
        """A part of what is owed is let go."""
        self.book(lambda account: waive(account, points, now=self.now))

    def refund_redemption(self, points: int) -> None:
        """Spent points come back."""
        until = self.now + timedelta(days=30)
        self.book(lambda account: refund_redemption(account, points, expires_at=until, now=self.now))

    def transfer_and_back(self, points: int) -> None:
        """Points go to another member, who sends the lots back as they came."""
        moved = []

        def out(account: Account) -> Posting:
            posting, lots = transfer_out(account, points, now=self.now)
            moved.append(lots)
            return posting

        if self.book(out):
            self.book(lambda account: transfer_in(account, moved[0], now=self.now))

    def check(self) -> None:
        """Every invariant of one account.

        Raises:
            BrokenInvariantError: one does not hold.
        """
        for fault in faults_of(self.account, now=self.now):
            raise BrokenInvariantError(fault)

    def check_log(self) -> None:
        """Every invariant between the account and its log.

        Raises:
            BrokenInvariantError: one does not hold.
        """
        for fault in faults_of_books(self.account, self.log):
            raise BrokenInvariantError(fault)
        if self.account.earned != earned_by(self.log):
            raise BrokenInvariantError(f"I15: {self.account.earned} are said to be earned, not {earned_by(self.log)}")


def _require_in_order(account: Account, posting: Posting, now: datetime) -> None:
    """I9 and I10: what is reserved comes from lots that are valid, soonest to expire first."""
    if posting.kind not in ("reserve", "transfer_out"):
        return
    taken = [move.lot for move in posting.moves]
    if any(account.lots[lot].is_expired(now) for lot in taken):
        raise BrokenInvariantError("I9: a lot was spent after its instant")
    valid = [lot for lot in account.lots.values() if lot.available and not lot.is_expired(now)]
    never = datetime.max.replace(tzinfo=UTC)
    first = sorted(valid, key=lambda lot: (lot.expires_at or never, lot.granted_at, lot.number))
    if taken != [lot.number for lot in first[: len(taken)]]:
        raise BrokenInvariantError("I10: another lot should have been spent first")


def soak(operations: int, seed: int) -> int:
    """So many random operations; returns how many postings they made.

    Raises:
        BrokenInvariantError: an invariant does not hold.
    """
    choose, postings = Random(seed), 0  # noqa: S311  a test's choices, which must come back with the seed
    for number in range(0, operations, _OPERATIONS_OF_ONE):
        policies = get_args(RefundPolicy)
        walk = LedgerWalk(policies[number // _OPERATIONS_OF_ONE % len(policies)])
        for _ in range(min(_OPERATIONS_OF_ONE, operations - number)):
            _one(walk, choose)
            walk.check()
        walk.check_log()
        postings += len(walk.log)
    return postings


def _one(walk: LedgerWalk, choose: Random) -> None:
    points, any_of_them = choose.randint(1, 120), choose.randrange(1000)
    match choose.randrange(14):
        case 0 | 1 | 2:
            walk.earn(
                choose.randint(0, 20_000),
                pending_days=choose.choice((0, 0, 14)),
                valid_days=choose.choice((None, 5, 30)),
            )
        case 3 | 4:
            walk.refund(any_of_them, choose.randint(1, 12_000))
        case 5 | 6:
            walk.reserve(points, minutes=choose.choice((5, 15, 20_000)))
        case 7:
            walk.confirm(any_of_them, choose.choice((None, points)))
        case 8:
            walk.cancel(any_of_them)
        case 9:
            walk.adjust(choose.randint(-150, 100))
        case 10:
            walk.waive(points)
        case 11:
            walk.transfer_and_back(points)
        case 12:
            walk.refund_redemption(points)
        case _:
            walk.let_pass(timedelta(minutes=choose.choice((1, 10, 2_000, 20_000))))
