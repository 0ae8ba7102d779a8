"""The ledger's operations by example; scenarios of loyalty-mechanics 14 where named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.errors import Conflict, Invalid
from wallet_service.loyalty.ledger.due import postings_due
from wallet_service.loyalty.ledger.invariants import faults_of
from wallet_service.loyalty.ledger.moving import merge_in, merge_out, transfer_in, transfer_out
from wallet_service.loyalty.ledger.operations import adjust, earn, open_with, reverse, waive
from wallet_service.loyalty.ledger.refunds import EarnRule, OrderGrant
from wallet_service.loyalty.ledger.spending import cancel, confirm, refund_redemption, reserve
from wallet_service.loyalty.ledger.values import Account, Posting, RefundPolicy
from wallet_service.values import LARGEST

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=15)


def day(month: int, of_month: int) -> datetime:
    return datetime(2026, month, of_month, tzinfo=UTC)


def with_lots(*lots: tuple[int, datetime | None], account: Account | None = None) -> Account:
    account = account or Account()
    for amount, expires_at in lots:
        account = account.applied(
            earn(account, amount, earned_at=NOW, available_at=None, expires_at=expires_at, now=NOW)
        )
    return account


def available(account: Account) -> list[int]:
    return [lot.available for lot in account.lots.values()]


def at(account: Account, now: datetime) -> Account:
    for _, _, after in postings_due(account, now=now):
        account = after
    assert list(faults_of(account, now=now)) == []
    return account


def test_scenario_5_the_soonest_to_expire_is_spent_first() -> None:
    """I10: 50 until 1 March, 30 until 1 February, 100 for ever; 70 are 30 of the second and 40 of the first."""
    account = with_lots((50, day(3, 1)), (30, day(2, 1)), (100, None))
    account = account.applied(reserve(account, "r", 70, until=LATER, now=NOW))
    assert available(account) == [10, 0, 100]
    account = account.applied(confirm(account, "r", now=NOW))
    assert [lot.consumed for lot in account.lots.values()] == [40, 30, 0]


def test_scenario_4_a_reservation_that_runs_out_gives_back_to_the_same_lots() -> None:
    before = with_lots((50, day(3, 1)), (30, day(2, 1)), (100, None))
    reserved = before.applied(reserve(before, "r", 70, until=LATER, now=NOW))
    assert at(reserved, LATER - timedelta(seconds=1)) == reserved
    after = at(reserved, LATER)
    assert after.lots == before.lots
    assert (after.available, after.locked) == (180, 0)
    with pytest.raises(Conflict, match="timed out"):
        confirm(after, "r", now=LATER)


def test_what_is_released_into_an_expired_lot_expires_at_once() -> None:
    account = with_lots((30, day(2, 1)))
    account = account.applied(reserve(account, "r", 20, until=day(2, 3), now=NOW))
    account = at(account, day(2, 2))
    assert (account.available, account.locked, account.lots[1].expired) == (0, 20, 10)
    account = account.applied(cancel(account, "r", now=day(2, 2)))
    assert (account.available, account.locked, account.lots[1].expired) == (0, 0, 30)


def test_i9_a_reservation_from_before_the_expiry_may_be_confirmed_after_it() -> None:
    account = with_lots((30, day(2, 1)))
    account = account.applied(reserve(account, "r", 20, until=day(2, 3), now=NOW))
    account = at(account, day(2, 2))
    account = account.applied(confirm(account, "r", now=day(2, 2)))
    assert account.lots[1].consumed == 20
    with pytest.raises(Conflict, match="0 are available"):
        reserve(account, "s", 1, until=day(2, 3), now=day(2, 2))


def test_i9_an_expiry_that_is_not_booked_yet_holds_all_the_same() -> None:
    account = with_lots((30, day(2, 1)), (5, None))
    assert account.available == 35
    with pytest.raises(Conflict, match="5 are available"):
        reserve(account, "r", 6, until=day(2, 2), now=day(2, 1))


def test_confirming_less_gives_the_rest_back() -> None:
    account = with_lots((50, day(3, 1)), (30, day(2, 1)))
    account = account.applied(reserve(account, "r", 60, until=LATER, now=NOW))
    account = account.applied(confirm(account, "r", 35, now=NOW))
    assert available(account) == [45, 0]
    assert (account.available, account.locked) == (45, 0)
    with pytest.raises(Conflict, match="confirmed"):
        cancel(account, "r", now=NOW)


@pytest.mark.parametrize("more", [0, -1, 81])
def test_no_more_is_reserved_than_there_is(more: int) -> None:
    with pytest.raises(Conflict, match="80 are available"):
        reserve(with_lots((80, None)), "r", more, until=LATER, now=NOW)


@pytest.mark.parametrize(
    ("policy", "owed", "waived", "balance"),
    [("only_pending", 0, 40, 10), ("within_balance", 0, 30, 0), ("unlimited", 30, 0, -30)],
)
def test_scenario_6_a_refund_after_the_points_were_spent(
    policy: RefundPolicy, owed: int, waived: int, balance: int
) -> None:
    account = with_lots((40, None))
    account = account.applied(reserve(account, "r", 40, until=LATER, now=NOW))
    account = account.applied(confirm(account, "r", now=NOW))
    account = with_lots((10, None), account=account)
    posting = reverse(account, 1, 40, policy=policy, now=NOW)
    account = account.applied(posting)
    assert (account.debt, -posting.total("waived"), account.balance) == (owed, waived, balance)
    assert account.earned == 10


def test_what_is_owed_is_paid_by_what_is_earned_next() -> None:
    """Debt is settled at every credit, and no lot can be spent beside it (I2)."""
    account = Account().applied(adjust(Account(), -30, expires_at=None, may_owe=True, now=NOW))
    assert account.balance == -30
    account = with_lots((20, None), account=account)
    assert (account.available, account.debt, account.lots[1].clawed) == (0, 10, 20)
    account = with_lots((20, None), account=account)
    assert (account.available, account.debt) == (10, 0)


def test_pending_points_pay_what_is_owed_when_they_become_available() -> None:
    account = Account().applied(adjust(Account(), -30, expires_at=None, may_owe=True, now=NOW))
    account = account.applied(earn(account, 40, earned_at=NOW, available_at=day(2, 1), expires_at=None, now=NOW))
    assert (account.pending, account.debt) == (40, 30)
    account = at(account, day(2, 1))
    assert (account.pending, account.available, account.debt) == (0, 10, 0)


def test_a_debt_can_be_waived_and_no_more_than_it() -> None:
    account = Account().applied(open_with(Account(), -30, now=NOW))
    with pytest.raises(Conflict):
        waive(account, 31, now=NOW)
    assert account.applied(waive(account, 30, now=NOW)).debt == 0


def test_nobody_owes_where_the_programme_does_not_allow_it() -> None:
    with pytest.raises(Conflict, match="5 are available"):
        adjust(with_lots((5, None)), -6, expires_at=None, may_owe=False, now=NOW)


def test_a_reversal_takes_from_its_own_lot_before_others() -> None:
    account = with_lots((10, day(2, 1)), (20, day(3, 1)))
    account = account.applied(reverse(account, 2, 25, policy="within_balance", now=NOW))
    assert [(lot.available, lot.reversed, lot.clawed) for lot in account.lots.values()] == [(5, 0, 5), (0, 20, 0)]


def test_no_balance_leaves_what_wallets_carry() -> None:
    account = with_lots((LARGEST, None))
    with pytest.raises(Invalid, match="beyond"):
        adjust(account, 1, expires_at=None, may_owe=True, now=NOW)
    with pytest.raises(Invalid, match="beyond"):
        earn(account, 1, earned_at=NOW, available_at=None, expires_at=None, now=NOW)


def test_a_refunded_redemption_is_a_new_lot() -> None:
    account = with_lots((30, None))
    account = account.applied(reserve(account, "r", 30, until=LATER, now=NOW))
    account = account.applied(confirm(account, "r", now=NOW))
    account = account.applied(refund_redemption(account, 30, expires_at=day(2, 9), now=NOW))
    assert (account.available, account.earned) == (30, 30)
    assert account.lots[2].origin == "redemption_refund"


def test_transferred_points_keep_the_day_on_which_they_expire() -> None:
    giver = with_lots((50, day(3, 1)), (30, day(2, 1)))
    out, moved = transfer_out(giver, 40, now=NOW)
    receiver = Account().applied(transfer_in(Account(), moved, now=NOW))
    assert giver.applied(out).balance + receiver.balance == 80
    assert {lot.expires_at: lot.available for lot in receiver.lots.values()} == {day(2, 1): 30, day(3, 1): 10}
    assert (giver.applied(out).earned, receiver.earned) == (80, 0)


def test_merged_members_have_together_what_they_had() -> None:
    loser = with_lots((50, day(3, 1)))
    loser = loser.applied(earn(loser, 7, earned_at=NOW, available_at=day(2, 1), expires_at=None, now=NOW))
    winner = Account().applied(open_with(Account(), -20, now=NOW))
    out, moved = merge_out(loser, now=NOW)
    loser, winner = loser.applied(out), winner.applied(merge_in(winner, moved, now=NOW))
    assert (loser.available, loser.pending, loser.earned) == (0, 0, 0)
    assert (winner.available, winner.pending, winner.debt, winner.earned) == (30, 7, 0, 57)
    assert list(faults_of(winner, now=NOW)) == []


def test_a_merge_waits_for_a_reservation() -> None:
    account = with_lots((50, None))
    account = account.applied(reserve(account, "r", 1, until=LATER, now=NOW))
    with pytest.raises(Conflict, match="reserved"):
        merge_out(account, now=NOW)


RULE = EarnRule(points_per_unit=1, minor_per_unit=100)


def reversals(grant: OrderGrant, refunds: Sequence[int]) -> list[int]:
    amounts = []
    for refund in refunds:
        after = grant.after_refund(refund)
        amounts.append(after.reversed - grant.reversed)
        grant = after
    return amounts


def test_scenario_2_three_refunds_reverse_all_and_no_more() -> None:
    """The worked example of 2.6: flooring each refund would leave two points."""
    order = OrderGrant(rule=RULE, amount=5990, granted=59)
    assert reversals(order, [1997, 1997, 1996]) == [20, 20, 19]


@given(st.integers(0, 10**7), st.lists(st.integers(1, 10**7), max_size=8), st.integers(0, 20))
def test_i8_no_more_is_reversed_than_was_granted(amount: int, refunds: list[int], points: int) -> None:
    rule = EarnRule(points_per_unit=points, minor_per_unit=100)
    order = OrderGrant(rule=rule, amount=amount, granted=rule.points_for(amount))
    taken = reversals(order, refunds)
    assert min(taken, default=0) >= 0
    assert sum(taken) <= order.granted
    if sum(refunds) >= amount:
        assert sum(taken) == order.granted


@pytest.mark.parametrize("policy", ["only_pending", "within_balance", "unlimited"])
def test_i11_orders_and_refunds_may_come_in_any_order(policy: RefundPolicy) -> None:
    """Two orders and a refund of each, all orders of arrival in which the ledger can apply them."""

    def earned(points: int) -> Callable[[Account, dict[str, int]], Posting]:
        return lambda account, lots: earn(
            account, points, earned_at=NOW, available_at=day(2, 1), expires_at=None, now=NOW
        )

    def refunded(order: str, points: int) -> Callable[[Account, dict[str, int]], Posting]:
        return lambda account, lots: reverse(account, lots[order], points, policy=policy, now=NOW)

    facts = {"a": earned(40), "b": earned(25), "ra": refunded("a", 40), "rb": refunded("b", 10)}
    outcomes = set()
    for order in permutations(facts):
        if order.index("ra") < order.index("a") or order.index("rb") < order.index("b"):
            continue  # these are parked: tests of orders
        account, lots = Account(), dict[str, int]()
        for name in order:
            account = account.applied(facts[name](account, lots))
            lots.setdefault(name, account.last_lot)
        outcomes.add((account.available, account.pending, account.debt, account.earned))
    assert outcomes == {(0, 15, 0, 15)}
