"""What gives points and takes them back: earning, reversing, adjusting, waiving. Pure.

Each takes an account and returns a posting. What is due on the account (`due.postings_due`) is booked before: an
operation sees no lot that should have been activated or expired already, and spends none that has.

Source: loyalty-mechanics 2.2 and 2.6.
"""

from __future__ import annotations

from datetime import datetime

from wallet_service.errors import Conflict
from wallet_service.loyalty.ledger.posting import Draft
from wallet_service.loyalty.ledger.values import Account, Posting, RefundPolicy, by_expiry


def open_with(account: Account, balance: int, *, now: datetime) -> Posting:
    """A balance from before the ledger: one lot that never expires, or a debt."""
    draft = Draft(account, "opening", now=now)
    if balance >= 0:
        draft.grant(balance, origin="opening", source="adjust", granted_at=now)
    else:
        draft.enter("debt", balance)
        draft.enter("adjust", -balance)
    return draft.done()


def earn(
    account: Account,
    amount: int,
    *,
    earned_at: datetime,
    available_at: datetime | None,
    expires_at: datetime | None,
    now: datetime,
) -> Posting:
    """Points for a fact, pending until `available_at` if that is still to come.

    Raises:
        Invalid: the balance would be more than a wallet can carry.
    """
    draft = Draft(account, "earn", now=now)
    draft.require_room(account.earned, amount)
    draft.grant(
        amount,
        origin="earn",
        source="issued",
        granted_at=earned_at,
        available_at=available_at,
        expires_at=expires_at,
    )
    draft.earned = amount
    draft.settle_debt()
    return draft.done()


def reverse(account: Account, lot: int | None, amount: int, *, policy: RefundPolicy, now: datetime) -> Posting:
    """Take back what a fact has earned: from its own lot, then from the member's others, soonest to expire first.

    `only_pending` takes what of the own lot is pending, and waives the rest. `within_balance` takes pending, then
    available points, and waives the rest. With `unlimited` the rest is owed.

    Args:
        lot: the fact's own; None where it had none.
        amount: 0 or more, of what was granted (see `refunds.reversal_of`).
    """
    draft = Draft(account, "reverse", now=now)
    own = [draft.lots[lot]] if lot is not None else []
    taken_pending = draft.take(own, "pending", "reversed", amount)
    taken_available = 0
    if policy != "only_pending":
        taken_available = draft.take(
            [one for one in own if not one.is_expired(now)], "available", "reversed", amount - taken_pending
        )
        others = sorted((one for one in draft.lots.values() if one.number != lot), key=by_expiry)
        taken_pending += draft.take(others, "pending", "clawed", amount - taken_pending - taken_available)
        taken_available += draft.take(
            draft.spendable(), "available", "clawed", amount - taken_pending - taken_available
        )
    rest = amount - taken_pending - taken_available
    draft.enter("pending", -taken_pending)
    draft.enter("available", -taken_available)
    draft.enter("debt" if policy == "unlimited" else "waived", -rest)
    draft.enter("reversed", amount)
    draft.earned = -amount
    return draft.done()


def adjust(account: Account, amount: int, *, expires_at: datetime | None, may_owe: bool, now: datetime) -> Posting:
    """A correction by a person or another system; reason and actor are recorded with it.

    Raises:
        Invalid: the balance would be more than a wallet can carry.
        Conflict: it takes more than there is, and the programme lets nobody owe points.
    """
    draft = Draft(account, "adjust", now=now)
    if amount >= 0:
        draft.grant(amount, origin="adjust", source="adjust", granted_at=now, expires_at=expires_at)
        draft.settle_debt()
        return draft.done()
    taken = draft.take(draft.spendable(), "available", "clawed", -amount)
    if taken < -amount and not may_owe:
        raise Conflict(f"{-amount} points should be taken, and {account.available} are available")
    draft.require_room(account.debt, -amount - taken)
    draft.enter("available", -taken)
    draft.enter("debt", amount + taken)
    draft.enter("adjust", -amount)
    return draft.done()


def waive(account: Account, amount: int, *, now: datetime) -> Posting:
    """Let a member owe less.

    Raises:
        Conflict: so much is not owed.
    """
    if not 0 < amount <= account.debt:
        raise Conflict(f"{amount} points cannot be waived of {account.debt} that are owed")
    draft = Draft(account, "waive", now=now)
    draft.enter("debt", amount)
    draft.enter("waived", -amount)
    return draft.done()
