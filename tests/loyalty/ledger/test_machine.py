"""The ledger under any history: invariants I1 to I5, I8 to I10, I12 and I15 of loyalty-mechanics 2.7, after every
operation. I6, I7, I11 and I13 need the database or two histories, and have tests of their own.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from wallet_service.loyalty.ledger.soak import BrokenInvariantError, LedgerWalk, soak
from wallet_service.loyalty.ledger.values import Entry, RefundPolicy

POLICIES: tuple[RefundPolicy, ...] = get_args(RefundPolicy)
_POINTS = st.integers(1, 200)
_CHOICE = st.integers(0, 50)


class LedgerMachine(RuleBasedStateMachine):
    """One account; every rule is one operation."""

    walk: LedgerWalk

    @initialize(policy=st.sampled_from(POLICIES))
    def begin(self, policy: RefundPolicy) -> None:
        self.walk = LedgerWalk(policy)

    @rule(
        cents=st.integers(0, 20_000), pending_days=st.sampled_from([0, 14]), valid_days=st.sampled_from([None, 5, 30])
    )
    def earn(self, cents: int, pending_days: int, valid_days: int | None) -> None:
        self.walk.earn(cents, pending_days=pending_days, valid_days=valid_days)

    @rule(order=_CHOICE, cents=st.integers(1, 15_000))
    def refund(self, order: int, cents: int) -> None:
        self.walk.refund(order, cents)

    @rule(points=_POINTS, minutes=st.sampled_from([5, 15, 20_000]))
    def reserve(self, points: int, minutes: int) -> None:
        self.walk.reserve(points, minutes=minutes)

    @rule(reservation=_CHOICE, points=st.none() | _POINTS)
    def confirm(self, reservation: int, points: int | None) -> None:
        self.walk.confirm(reservation, points)

    @rule(reservation=_CHOICE)
    def cancel(self, reservation: int) -> None:
        self.walk.cancel(reservation)

    @rule(points=st.integers(-200, 200))
    def adjust(self, points: int) -> None:
        self.walk.adjust(points)

    @rule(points=_POINTS)
    def waive(self, points: int) -> None:
        self.walk.waive(points)

    @rule(points=_POINTS)
    def transfer(self, points: int) -> None:
        self.walk.transfer_and_back(points)

    @rule(points=_POINTS)
    def refund_redemption(self, points: int) -> None:
        self.walk.refund_redemption(points)

    @rule(minutes=st.sampled_from([1, 10, 2_000, 20_000, 60_000]))
    def let_pass(self, minutes: int) -> None:
        self.walk.let_pass(timedelta(minutes=minutes))

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "walk"):
            self.walk.check()

    def teardown(self) -> None:
        if hasattr(self, "walk"):
            self.walk.check_log()


LedgerMachine.TestCase.settings = settings(
    max_examples=120,
    stateful_step_count=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestInvariantsUnderAnyHistory = LedgerMachine.TestCase


@pytest.mark.parametrize("seed", [1, 2])
def test_a_long_walk_breaks_nothing(seed: int) -> None:
    """Scenario 11, in short; `wallet-service points soak` goes on for as long as somebody likes."""
    assert soak(3000, seed) > 1000


def test_the_same_seed_walks_the_same_way() -> None:
    assert soak(400, 7) == soak(400, 7)


def _walked() -> LedgerWalk:
    walk = LedgerWalk("unlimited")
    walk.earn(5000, pending_days=0, valid_days=None)
    walk.check_log()
    return walk


def test_the_checks_see_points_from_nowhere() -> None:
    walk = _walked()
    walk.account = replace(walk.account, available=51)
    with pytest.raises(BrokenInvariantError, match="I3"):
        walk.check()
    with pytest.raises(BrokenInvariantError, match="I5"):
        walk.check_log()


def test_the_checks_see_a_lot_that_gained() -> None:
    walk = _walked()
    walk.account = replace(walk.account, available=51, lots={1: replace(walk.account.lots[1], available=51)})
    with pytest.raises(BrokenInvariantError, match="I4"):
        walk.check()


def test_the_checks_see_debt_beside_points() -> None:
    walk = _walked()
    walk.account = replace(walk.account, debt=1)
    with pytest.raises(BrokenInvariantError, match="I2"):
        walk.check()


def test_the_checks_see_a_log_that_does_not_add_up() -> None:
    walk = _walked()
    walk.log = [replace(walk.log[0], entries=(Entry("available", 50), Entry("issued", -49)))]
    with pytest.raises(BrokenInvariantError, match="I1"):
        walk.check_log()


def test_the_checks_see_what_was_earned_twice() -> None:
    walk = _walked()
    walk.account = replace(walk.account, earned=51)
    with pytest.raises(BrokenInvariantError, match="I12"):
        walk.check_log()
