"""What time itself does to an account: pending lots become available, reservations run out, lots expire. Pure.

The order is that of loyalty-mechanics 2.5; what runs out comes before what expires, for points that come back into a
lot whose day has passed expire with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from wallet_service.loyalty.ledger.posting import Draft
from wallet_service.loyalty.ledger.spending import time_out
from wallet_service.loyalty.ledger.values import Account, Posting, by_expiry


def postings_due(account: Account, *, now: datetime) -> Iterator[tuple[str, Posting, Account]]:
    """Each posting that is due, with what makes it unique within the account and the account after it."""
    for lot in sorted(account.lots.values(), key=by_expiry):
        if lot.pending and lot.available_at is not None and lot.available_at <= now:
            posting = _activate(account, lot.number, now=now)
            account = account.applied(posting)
            yield f"activate:{lot.number}", posting, account
    for key, reservation in sorted(account.reservations.items()):
        if reservation.state == "open" and reservation.until <= now:
            posting = time_out(account, key, now=now)
            account = account.applied(posting)
            yield f"time_out:{key}", posting, account
    for lot in sorted(account.lots.values(), key=by_expiry):
        if lot.available and lot.is_expired(now):
            posting = _expire(account, lot.number, now=now)
            account = account.applied(posting)
            # what is locked may come back and expire later: so the number before it is part of the name
            yield f"expire:{lot.number}:{lot.expired}", posting, account


def _activate(account: Account, lot: int, *, now: datetime) -> Posting:
    draft = Draft(account, "activate", now=now)
    amount = draft.lots[lot].pending
    draft.move(lot, "pending", "available", amount)
    draft.enter("pending", -amount)
    draft.enter("available", amount)
    draft.settle_debt()
    return draft.done()


def _expire(account: Account, lot: int, *, now: datetime) -> Posting:
    draft = Draft(account, "expire", now=now)
    draft.expire_released([lot])
    return draft.done()
