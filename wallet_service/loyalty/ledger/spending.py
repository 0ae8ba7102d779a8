"""Spending in two steps: reserve, then confirm, cancel or let time run out; a reservation is resolved once. Pure.

Source: loyalty-mechanics 2.4.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from wallet_service.errors import Conflict
from wallet_service.loyalty.ledger.posting import Draft
from wallet_service.loyalty.ledger.values import Account, Kind, Posting, Reservation, ReservationState


def reserve(account: Account, key: str, amount: int, *, until: datetime, now: datetime) -> Posting:
    """Set points aside, soonest to expire first; which of which lot is remembered.

    Raises:
        Conflict: fewer are available, or the key was used.
    """
    if key in account.reservations:
        raise Conflict(f"there was a reservation {key} already")
    draft = Draft(account, "reserve", now=now)
    before = draft.spendable()
    spendable = sum(lot.available for lot in before)
    if not 0 < amount <= spendable:
        raise Conflict(f"{amount} points should be reserved, and {spendable} are available")
    draft.take(before, "available", "locked", amount)
    holds = tuple((lot.number, lot.available - draft.lots[lot.number].available) for lot in before)
    draft.enter("available", -amount)
    draft.enter("locked", amount)
    draft.reservation = Reservation(key=key, until=until, holds=tuple(hold for hold in holds if hold[1]))
    return draft.done()


def confirm(account: Account, key: str, amount: int | None = None, *, now: datetime) -> Posting:
    """Spend what was reserved; of less than that the rest goes back to the lots it came from.

    Raises:
        Conflict: the reservation is not open any more, or holds less.
    """
    reservation = _open(account, key)
    spent = reservation.amount if amount is None else amount
    if not 0 <= spent <= reservation.amount:
        raise Conflict(f"{spent} points should be spent, and {reservation.amount} are reserved")
    return _resolved(account, reservation, spent, kind="confirm", state="confirmed", now=now)


def cancel(account: Account, key: str, *, now: datetime) -> Posting:
    """Give back what was reserved, to the lots it came from.

    Raises:
        Conflict: the reservation is not open any more.
    """
    return _resolved(account, _open(account, key), 0, kind="cancel", state="cancelled", now=now)


def time_out(account: Account, key: str, *, now: datetime) -> Posting:
    """As `cancel`, because nobody came."""
    return _resolved(account, _open(account, key), 0, kind="time_out", state="timed_out", now=now)


def refund_redemption(account: Account, amount: int, *, expires_at: datetime | None, now: datetime) -> Posting:
    """Give back spent points, as a new lot: the old ones may have expired meanwhile."""
    draft = Draft(account, "refund_redemption", now=now)
    draft.grant(amount, origin="redemption_refund", source="spent", granted_at=now, expires_at=expires_at)
    draft.settle_debt()
    return draft.done()


def _open(account: Account, key: str) -> Reservation:
    reservation = account.reservations.get(key)
    if reservation is None:
        raise Conflict(f"there is no reservation {key}")
    if reservation.state != "open":
        raise Conflict(f"the reservation {key} is {reservation.state.replace('_', ' ')}")
    return reservation


def _resolved(
    account: Account, reservation: Reservation, spent: int, *, kind: Kind, state: ReservationState, now: datetime
) -> Posting:
    draft = Draft(account, kind, now=now)
    left = spent
    for lot, held in reservation.holds:
        some = min(left, held)
        draft.move(lot, "locked", "consumed", some)
        draft.move(lot, "locked", "available", held - some)
        left -= some
    released = reservation.amount - spent
    draft.enter("locked", -reservation.amount)
    draft.enter("spent", spent)
    draft.enter("available", released)
    draft.expire_released(lot for lot, _ in reservation.holds)
    draft.settle_debt()
    draft.reservation = replace(reservation, state=state)
    return draft.done()
