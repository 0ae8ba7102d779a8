"""One member's account in PostgreSQL: read, changed by postings, written back, all in the caller's transaction.

Who opens a book holds the member's lock, so nobody else writes into it. A posting is written under its effect key: the
same fact again finds the transaction that is there, another fact under the same key is a conflict. The balance
that cards show is written in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from wallet_service.errors import Conflict
from wallet_service.loyalty.ledger.chain import changes_of, digest_of, entry_hash, instant_text
from wallet_service.loyalty.ledger.due import postings_due
from wallet_service.loyalty.ledger.operations import open_with
from wallet_service.loyalty.ledger.values import OPEN, PARTS, Account, Lot, Posting, Reservation
from wallet_service.storage.tables import (
    LedgerAccount,
    LedgerEntry,
    LedgerLot,
    LedgerReservation,
    LedgerTransaction,
    Member,
)

SYSTEM = "system"
"""The actor of what time itself does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Why something is posted.

    Attributes:
        key: names the business fact within the programme; a retry has the same.
        content: what the fact says; another content under the same key is refused.
        actor: who or what reported it.
        trace: how the amount came about, for whoever explains it; not part of the content.
    """

    key: str
    content: Mapping[str, Any]
    actor: str
    reason: str | None = None
    rule_version: str | None = None
    trace: Mapping[str, Any] = field(default_factory=dict)
    reverses: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A transaction of the ledger; `repeated`: it was there before, and nothing was changed."""

    transaction_id: int
    repeated: bool
    posting: Posting | None = None


class Book:
    """The account of one locked member. `account` holds the open lots, and others that were asked for."""

    def __init__(self, db: Session, row: LedgerAccount, member: Member, account: Account, *, now: datetime) -> None:
        self._db = db
        self._row = row
        self._member = member
        self._now = now
        self._whole = False
        self.account = account
        self.booked_due = 0
        """How many postings time itself has made since the book was opened."""

    @property
    def account_id(self) -> int:
        """The account's number, which says nothing of whose it is."""
        return self._row.id

    @property
    def now(self) -> datetime:
        """When this book was opened."""
        return self._now

    def post(self, fact: Fact, operation: Callable[[Account], Posting]) -> Posted:
        """Write what the operation makes of the account, once for each fact.

        Raises:
            Conflict: the key was used for another fact, or the operation is refused.
            Invalid: the operation is refused.
        """
        content = digest_of({"account": self.account_id, **fact.content})
        known = self._known(fact.key, content)
        if known is not None:
            return known
        posting = operation(self.account)
        account = self.account.applied(posting)
        transaction = self._insert(fact, posting, content)
        if transaction is None:  # somebody else's, since the look
            known = self._known(fact.key, content)
            assert known is not None  # noqa: S101  rows are not deleted
            return known
        transaction_id, record = transaction
        self._write(account, posting, transaction_id, record)
        return Posted(transaction_id=transaction_id, repeated=False, posting=posting)

    def book_due(self) -> None:
        """Book what time has done to the account."""
        if self._row.due_at is None or self._row.due_at > self._now:
            return
        self.read_open()
        for name, posting, _ in postings_due(self.account, now=self._now):
            kind, _, rest = name.partition(":")
            fact = Fact(key=f"{kind}:{self.account_id}.{rest}", content={}, actor=SYSTEM)
            self.post(fact, lambda _account, posting=posting: posting)  # type: ignore[misc]
            self.booked_due += 1
        self._update_due()
        self._db.flush()

    def read_open(self, *, lot: int | None = None, reservation: str | None = None) -> None:
        """Read the open lots and reservations, and of those that are not open the ones named."""
        if not self._whole:
            lots = read_lots(self._db, self.account_id, open_only=True) | dict(self.account.lots)
            reservations = read_reservations(self._db, self.account_id, open_only=True)
            self.account = replace(self.account, lots=lots, reservations=reservations)
            self._whole = True
        if lot is not None and lot not in self.account.lots:
            row = self._db.get_one(LedgerLot, (self.account_id, lot), populate_existing=True)
            self.account = replace(self.account, lots={**self.account.lots, lot: lot_of(row)})
        if reservation is not None and reservation not in self.account.reservations:
            held = self._db.get(LedgerReservation, (self.account_id, reservation), populate_existing=True)
            if held is not None:
                reservations = {**self.account.reservations, reservation: _reservation_of(held)}
                self.account = replace(self.account, reservations=reservations)

    def _known(self, key: str, content: bytes) -> Posted | None:
        row = self._db.execute(
            select(LedgerTransaction.id, LedgerTransaction.content_digest).where(
                LedgerTransaction.program_id == self._row.program_id, LedgerTransaction.effect_key == key
            )
        ).one_or_none()
        if row is None:
            return None
        if row.content_digest != content:
            raise Conflict(f"{key} was booked before, with other content")
        return Posted(transaction_id=row.id, repeated=True)

    def _insert(self, fact: Fact, posting: Posting, content: bytes) -> tuple[int, bytes] | None:
        values = {
            "account_id": self.account_id,
            "effect_key": fact.key,
            "kind": posting.kind,
            "changes": changes_of(posting),
            "earned": posting.earned,
            "rule_version": fact.rule_version,
            "trace": dict(fact.trace),
            "reverses_transaction_id": fact.reverses,
            "reason": fact.reason,
            "actor": fact.actor,
            "booked_at": self._now,
        }
        record = record_digest(values, content)
        statement = (
            upsert(LedgerTransaction)
            .values(**values, program_id=self._row.program_id, content_digest=content, record_digest=record)
            .on_conflict_do_nothing(index_elements=["program_id", "effect_key"])
            .returning(LedgerTransaction.id)
        )
        number = self._db.scalar(statement)
        return None if number is None else (number, record)

    def _write(self, account: Account, posting: Posting, transaction_id: int, record: bytes) -> None:
        row = self._row
        number, last = row.last_entry, row.last_hash
        entries = []
        for entry in posting.entries:
            number += 1
            last = entry_hash(
                last,
                account=row.id,
                number=number,
                transaction=transaction_id,
                bucket=entry.bucket,
                amount=entry.amount,
                record_digest=record,
            )
            line = {"number": number, "bucket": entry.bucket, "amount": entry.amount, "hash": last}
            entries.append({"account_id": row.id, "transaction_id": transaction_id, **line})
        if entries:
            self._db.execute(insert(LedgerEntry), entries)
        touched = {grant.number for grant in posting.grants} | {move.lot for move in posting.moves}
        for lot in sorted(touched):
            _write_lot(self._db, row.id, account.lots[lot])
        if posting.reservation is not None:
            _write_reservation(self._db, row.id, posting.reservation)
        self.account = account
        row.available, row.pending, row.locked, row.debt = (
            account.available,
            account.pending,
            account.locked,
            account.debt,
        )
        row.earned, row.last_lot, row.last_entry, row.last_hash = account.earned, account.last_lot, number, last
        self._update_due()
        self._member.balance.points = account.balance
        self._db.flush()

    def _update_due(self) -> None:
        """Of lots that were not read, the instant that is known already stands."""
        due = self.account.due_at
        if not self._whole and self._row.due_at is not None:
            due = self._row.due_at if due is None else min(due, self._row.due_at)
        self._row.due_at = due


def record_digest(transaction: Mapping[str, Any], content: bytes) -> bytes:
    """The digest of all that a transaction says; the chain holds it."""
    return digest_of(
        {
            "account": transaction["account_id"],
            "actor": transaction["actor"],
            "booked_at": instant_text(transaction["booked_at"]),
            "changes": transaction["changes"],
            "content": content.hex(),
            "earned": transaction["earned"],
            "effect_key": transaction["effect_key"],
            "kind": transaction["kind"],
            "reason": transaction["reason"],
            "reverses": transaction["reverses_transaction_id"],
            "rule_version": transaction["rule_version"],
            "trace": transaction["trace"],
        }
    )


def open_book(db: Session, member: Member, *, now: datetime, whole: bool = True) -> Book:
    """The account of a locked member, with all that is due booked. The first time it is made: what the member's balance
    says becomes its first lot.

    Args:
        whole: with the open lots. Without them points can only be given; where points are owed they are read anyway.
    """
    stored = select(LedgerAccount).where(LedgerAccount.member_pk == member.id)
    row = db.scalar(stored.execution_options(populate_existing=True))
    if row is None:
        row = LedgerAccount(
            program_id=member.program_id,
            member_pk=member.id,
            available=0,
            pending=0,
            locked=0,
            debt=0,
            earned=0,
            last_lot=0,
            last_entry=0,
            last_hash=b"",
            due_at=None,
            opened_at=now,
        )
        db.add(row)
        db.flush()
    account = Account(
        available=row.available,
        pending=row.pending,
        locked=row.locked,
        debt=row.debt,
        earned=row.earned,
        last_lot=row.last_lot,
    )
    book = Book(db, row, member, account, now=now)
    points = member.balance.points or 0
    if row.last_entry == 0 and points:
        fact = Fact(key=f"opening:{row.id}", content={"balance": points}, actor=SYSTEM)
        book.post(fact, lambda account: open_with(account, points, now=now))
    book.book_due()
    if whole or row.debt:
        book.read_open()
    return book


def lot_of(row: LedgerLot) -> Lot:
    """A lot as it is stored."""
    return Lot(
        number=row.number,
        origin=row.origin,  # type: ignore[arg-type]
        granted=row.granted,
        granted_at=row.granted_at,
        available_at=row.available_at,
        expires_at=row.expires_at,
        **{part: getattr(row, part) for part in PARTS},
    )


def read_lots(db: Session, account_id: int, *, open_only: bool = False) -> dict[int, Lot]:
    """The lots of an account, by number."""
    query = select(LedgerLot).where(LedgerLot.account_id == account_id).order_by(LedgerLot.number)
    if open_only:
        query = query.where(or_(*(getattr(LedgerLot, part) > 0 for part in OPEN)))
    return {row.number: lot_of(row) for row in db.scalars(query.execution_options(populate_existing=True))}


def read_reservations(db: Session, account_id: int, *, open_only: bool = False) -> dict[str, Reservation]:
    """The reservations of an account, by key."""
    query = select(LedgerReservation).where(LedgerReservation.account_id == account_id)
    if open_only:
        query = query.where(LedgerReservation.state == "open")
    return {row.key: _reservation_of(row) for row in db.scalars(query.execution_options(populate_existing=True))}


def _reservation_of(row: LedgerReservation) -> Reservation:
    return Reservation(
        key=row.key,
        until=row.until,
        holds=tuple((lot, amount) for lot, amount in row.holds),
        state=row.state,  # type: ignore[arg-type]
    )


def _write_lot(db: Session, account_id: int, lot: Lot) -> None:
    parts = {part: lot.of(part) for part in PARTS}
    dates = {"granted_at": lot.granted_at, "available_at": lot.available_at, "expires_at": lot.expires_at}
    statement = upsert(LedgerLot).values(
        account_id=account_id, number=lot.number, origin=lot.origin, granted=lot.granted, **dates, **parts
    )
    db.execute(statement.on_conflict_do_update(index_elements=["account_id", "number"], set_=parts))


def _write_reservation(db: Session, account_id: int, reservation: Reservation) -> None:
    statement = upsert(LedgerReservation).values(
        account_id=account_id,
        key=reservation.key,
        until=reservation.until,
        holds=[list(hold) for hold in reservation.holds],
        state=reservation.state,
    )
    db.execute(statement.on_conflict_do_update(index_elements=["account_id", "key"], set_={"state": reservation.state}))


def forget_account(db: Session, member: Member) -> None:
    """Part a locked member's account from the member: entries stay, for the programme's sums; what of them may name a
    person goes.
    """
    account = db.scalar(select(LedgerAccount.id).where(LedgerAccount.member_pk == member.id))
    if account is None:
        return
    for statement in _FORGET:
        db.execute(statement, {"account": account})
    db.execute(update(LedgerAccount).where(LedgerAccount.id == account).values(member_pk=None, due_at=None))


_FORGET = (
    text("DELETE FROM ledger_parked_refunds WHERE account_id = :account"),
    text("DELETE FROM ledger_orders WHERE account_id = :account"),
    text("DELETE FROM ledger_reservations WHERE account_id = :account"),
    text("""
    UPDATE ledger_transactions
    SET effect_key = 'forgotten:' || id, reason = NULL, trace = '{}', forgotten = TRUE
    WHERE account_id = :account AND NOT forgotten
    """),
)
