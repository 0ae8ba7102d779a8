"""The audit: every account is rebuilt from its log, and its chain is followed, entry by entry.

Source: loyalty-mechanics 2.7, I6, I12 and I13.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.loyalty.ledger.books import read_lots, read_reservations, record_digest
from wallet_service.loyalty.ledger.chain import START, entry_hash, posting_of
from wallet_service.loyalty.ledger.invariants import earned_by, faults_of, faults_of_books
from wallet_service.loyalty.ledger.values import Account, Entry, Posting
from wallet_service.metrics import LEDGER_DIFFERENCES
from wallet_service.storage.tables import Balance, LedgerAccount, LedgerEntry, LedgerTransaction, Program

log = structlog.get_logger()
PORTION = 500
_TRANSFERRED = text("""
SELECT COALESCE(SUM(e.amount), 0) FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
WHERE a.program_id = :program AND e.bucket = 'transfer'
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What is not as it should be, of which account; None: of the programme."""

    account_id: int | None
    fault: str

    def __str__(self) -> str:
        return f"account {self.account_id}: {self.fault}" if self.account_id else self.fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit has looked at, and found. `is_whole`: nothing was left out."""

    accounts: int
    entries: int
    differences: tuple[Difference, ...]
    is_whole: bool = True


def audit_program(
    sessions: sessionmaker[Session],
    program_id: str,
    *,
    now: datetime,
    stopping: Callable[[], bool] = lambda: False,
) -> Audit:
    """Audit the accounts of a programme, a portion in each snapshot."""
    after = accounts = entries = 0
    differences: list[Difference] = []
    while not stopping():
        with sessions() as db:
            db.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            rows = db.scalars(
                select(LedgerAccount)
                .where(LedgerAccount.program_id == program_id, LedgerAccount.id > after)
                .order_by(LedgerAccount.id)
                .limit(PORTION)
            ).all()
            if not rows:
                return Audit(
                    accounts=accounts, entries=entries, differences=(*differences, *_of_program(db, program_id))
                )
            for row in rows:
                differences.extend(Difference(account_id=row.id, fault=fault) for fault in _faults(db, row, now=now))
            after = rows[-1].id
            accounts += len(rows)
            entries += sum(row.last_entry for row in rows)
    return Audit(accounts=accounts, entries=entries, differences=tuple(differences), is_whole=False)


def audit_all(
    sessions: sessionmaker[Session], *, now: datetime, stopping: Callable[[], bool] = lambda: False
) -> Mapping[str, int]:
    """Audit every programme that keeps its points here. A difference is an error in the log, and raises the metric."""
    with sessions() as db:
        of_builtin = Program.document["master"].as_string() == "builtin"
        programs = db.scalars(select(Program.program_id).where(of_builtin).order_by(Program.program_id)).all()
    counted: dict[str, int] = defaultdict(int)
    for program_id in programs:
        audit = audit_program(sessions, program_id, now=now, stopping=stopping)
        for one in audit.differences:
            log.error("ledger_differs", program_id=program_id, account_id=one.account_id, fault=one.fault)
        LEDGER_DIFFERENCES.labels(program_id).set(len(audit.differences))
        counted["accounts"] += audit.accounts
        counted["differences"] += len(audit.differences)
    return counted


def _of_program(db: Session, program_id: str) -> Iterator[Difference]:
    left = db.scalar(_TRANSFERRED, {"program": program_id})
    if left:
        yield Difference(account_id=None, fault=f"I5: transfers between members leave {left} points")


def _faults(db: Session, row: LedgerAccount, *, now: datetime) -> Iterator[str]:
    transactions = db.scalars(
        select(LedgerTransaction).where(LedgerTransaction.account_id == row.id).order_by(LedgerTransaction.id)
    ).all()
    entries = db.scalars(select(LedgerEntry).where(LedgerEntry.account_id == row.id).order_by(LedgerEntry.number)).all()
    by_id = {one.id: one for one in transactions}
    yield from _faults_of_chain(row, entries, by_id)
    for one in transactions:
        if not one.forgotten and record_digest(_columns(one), one.content_digest) != one.record_digest:
            yield f"I13: transaction {one.id} does not say what was recorded"
    account = _account(db, row, forgotten=row.member_pk is None)
    yield from faults_of(account, now=now)
    try:
        postings = list(_postings(transactions, entries, forgotten=row.member_pk is None))
        yield from faults_of_books(account, postings)
        if account.earned != earned_by(postings):
            yield f"I15: {account.earned} are said to be earned, and by the log {earned_by(postings)}"
    except (ValueError, KeyError, TypeError) as error:
        yield f"I12: the log cannot be followed: {error}"
    if row.member_pk is not None:
        shown = db.scalar(select(Balance.points).where(Balance.member_pk == row.member_pk))
        if (shown or 0) != account.balance:
            yield f"I6: the balance says {shown}, and the ledger {account.balance}"


def _faults_of_chain(
    row: LedgerAccount, entries: Sequence[LedgerEntry], transactions: Mapping[int, LedgerTransaction]
) -> Iterator[str]:
    last = START
    for number, entry in enumerate(entries, 1):
        transaction = transactions.get(entry.transaction_id)
        expected = entry_hash(
            last,
            account=row.id,
            number=number,
            transaction=entry.transaction_id,
            bucket=entry.bucket,
            amount=entry.amount,
            record_digest=transaction.record_digest if transaction is not None else b"",
        )
        if expected != entry.hash:
            yield f"I13: the chain is broken at entry {entry.number}"
            return
        last = entry.hash
    if (row.last_entry, row.last_hash) != (len(entries), last):
        yield f"I13: the chain ends at entry {len(entries)}, and the account says {row.last_entry}"


def _columns(one: LedgerTransaction) -> dict[str, object]:
    return {column.name: getattr(one, column.name) for column in LedgerTransaction.__table__.columns}


def _account(db: Session, row: LedgerAccount, *, forgotten: bool) -> Account:
    return Account(
        available=row.available,
        pending=row.pending,
        locked=row.locked,
        debt=row.debt,
        earned=row.earned,
        last_lot=row.last_lot,
        lots=read_lots(db, row.id),
        reservations={} if forgotten else read_reservations(db, row.id),
    )


def _postings(
    transactions: Sequence[LedgerTransaction], entries: Sequence[LedgerEntry], *, forgotten: bool
) -> Iterator[Posting]:
    lines: dict[int, list[Entry]] = defaultdict(list)
    for entry in entries:
        lines[entry.transaction_id].append(Entry(entry.bucket, entry.amount))  # type: ignore[arg-type]
    for one in transactions:
        changes = one.changes | {"reservation": None} if forgotten else one.changes
        yield posting_of(one.kind, lines[one.id], changes, one.earned)
