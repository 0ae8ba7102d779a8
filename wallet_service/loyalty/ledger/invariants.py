"""What holds of every account after every operation. Pure.

Source: loyalty-mechanics 2.7; the numbers are its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from wallet_service.loyalty.ledger.values import OPEN, PARTS, Account, Posting


def faults_of(account: Account, *, now: datetime) -> Iterator[str]:
    """Where an account with all of its lots contradicts itself: I2, I3, I4."""
    for name in (*OPEN, "debt"):
        if getattr(account, name) < 0:
            yield f"I2: {name} is {getattr(account, name)}"
    spendable = sum(lot.available for lot in account.lots.values() if not lot.is_expired(now))
    if spendable > 0 and account.debt > 0:
        yield f"I2: {account.debt} are owed while {spendable} can be spent"
    for part in OPEN:
        total = sum(lot.of(part) for lot in account.lots.values())
        if total != getattr(account, part):
            yield f"I3: {part} is {getattr(account, part)}, and in the lots {total}"
    for lot in account.lots.values():
        if sum(lot.of(part) for part in PARTS) != lot.granted or any(lot.of(part) < 0 for part in PARTS):
            yield f"I4: lot {lot.number} was granted {lot.granted}, and its parts are others"


def faults_of_books(account: Account, postings: Iterable[Posting]) -> Iterator[str]:
    """Where an account contradicts the postings that made it: I1, I5, I12, I15."""
    rebuilt, totals = Account(), Counter[str]()
    for posting in postings:
        if sum(entry.amount for entry in posting.entries) != 0:
            yield f"I1: the entries of {posting.kind} do not sum to zero"
            continue
        rebuilt = rebuilt.applied(posting)
        for entry in posting.entries:
            totals[entry.bucket] += entry.amount
    given = -totals["issued"] - totals["adjust"] - totals["transfer"]
    held = account.pending + account.available + account.locked - account.debt
    gone = totals["spent"] + totals["expired"] + totals["reversed"] + totals["waived"]
    if given != held + gone:
        yield f"I5: {given} were given, {held} are held and {gone} are gone"
    if rebuilt != account:
        yield "I12: the log makes another account than this one"


def earned_by(postings: Iterable[Posting]) -> int:
    """I15: what was granted for earning, less what reversals took; nothing else counts. Who merges takes over both."""
    return sum(
        posting.earned
        if posting.kind in ("merge_in", "merge_out")
        else sum(lot.granted for lot in posting.grants if lot.origin == "earn") - posting.total("reversed")
        for posting in postings
    )
