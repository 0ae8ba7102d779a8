"""Points that go from one member to another: some, or all of two members who are one person. Pure.

Each side is a posting of its own account; the bucket `transfer` joins them, and sums to zero over a programme.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from wallet_service.errors import Conflict
from wallet_service.loyalty.ledger.posting import Draft
from wallet_service.loyalty.ledger.values import Account, Lot, Posting, by_expiry


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What leaves an account: lots with the amount that goes, and, at a merge, the debt and the points ever earned."""

    lots: tuple[Lot, ...]
    debt: int = 0
    earned: int = 0


def transfer_out(account: Account, amount: int, *, now: datetime) -> tuple[Posting, Moved]:
    """Take points for another member, soonest to expire first.

    Raises:
        Conflict: fewer are available.
    """
    draft = Draft(account, "transfer_out", now=now)
    before = draft.spendable()
    spendable = sum(lot.available for lot in before)
    if not 0 < amount <= spendable:
        raise Conflict(f"{amount} points should be transferred, and {spendable} are available")
    draft.take(before, "available", "consumed", amount)
    draft.enter("available", -amount)
    draft.enter("transfer", amount)
    taken = [replace(lot, available=lot.available - draft.lots[lot.number].available) for lot in before]
    return draft.done(), Moved(lots=tuple(lot for lot in taken if lot.available))


def transfer_in(account: Account, moved: Moved, *, now: datetime) -> Posting:
    """Points from another member; they keep the day on which they expire."""
    draft = Draft(account, "transfer_in", now=now)
    _grant(draft, moved.lots)
    draft.settle_debt()
    return draft.done()


def merge_out(account: Account, *, now: datetime) -> tuple[Posting, Moved]:
    """Empty an account whose member turned out to be another.

    Raises:
        Conflict: points are reserved; let that be confirmed or cancelled first.
    """
    if account.locked:
        raise Conflict("points are reserved for a redemption; confirm or cancel that first")
    draft = Draft(account, "merge_out", now=now)
    lots = tuple(sorted((lot for lot in account.lots.values() if lot.pending or lot.available), key=by_expiry))
    for lot in lots:
        draft.move(lot.number, "pending", "consumed", lot.pending)
        draft.move(lot.number, "available", "consumed", lot.available)
    draft.enter("pending", -account.pending)
    draft.enter("available", -account.available)
    draft.enter("debt", account.debt)
    draft.enter("transfer", account.pending + account.available - account.debt)
    draft.earned = -account.earned
    return draft.done(), Moved(lots=lots, debt=account.debt, earned=account.earned)


def merge_in(account: Account, moved: Moved, *, now: datetime) -> Posting:
    """Take over all of another account."""
    draft = Draft(account, "merge_in", now=now)
    _grant(draft, moved.lots)
    draft.enter("debt", -moved.debt)
    draft.enter("transfer", moved.debt)
    draft.settle_debt()
    draft.earned = moved.earned
    return draft.done()


def _grant(draft: Draft, lots: Sequence[Lot]) -> None:
    for lot in lots:
        draft.grant(
            lot.pending + lot.available,
            origin="transfer",
            source="transfer",
            granted_at=lot.granted_at,
            available_at=lot.available_at,
            expires_at=lot.expires_at,
        )
