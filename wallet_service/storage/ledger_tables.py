"""The tables of the points ledger. No row but an account's names a member."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from wallet_service.storage.base import Base, own_id


class LedgerAccount(Base):
    """A member's points, as the entries make them. The member's lock is the account's. `member_pk` is empty once the
    member was erased.

    `last_entry` and `last_hash` are the end of its chain; `due_at` is when time itself changes it next.
    """

    __tablename__ = "ledger_accounts"
    __table_args__ = (
        UniqueConstraint("member_pk"),
        CheckConstraint("available >= 0 AND pending >= 0 AND locked >= 0 AND debt >= 0", name="not_negative"),
        Index("ix_ledger_accounts_program_id", "program_id", "id"),
        Index("ix_ledger_accounts_due_at", "due_at", postgresql_where=sql("due_at IS NOT NULL")),
    )

    id: Mapped[int] = own_id()
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    member_pk: Mapped[int | None] = mapped_column(ForeignKey("members.id", ondelete="SET NULL"))
    available: Mapped[int] = mapped_column(server_default=sql("0"))
    pending: Mapped[int] = mapped_column(server_default=sql("0"))
    locked: Mapped[int] = mapped_column(server_default=sql("0"))
    debt: Mapped[int] = mapped_column(server_default=sql("0"))
    earned: Mapped[int] = mapped_column(server_default=sql("0"))
    last_lot: Mapped[int] = mapped_column(server_default=sql("0"))
    last_entry: Mapped[int] = mapped_column(server_default=sql("0"))
    last_hash: Mapped[bytes] = mapped_column(server_default=sql(r"'\x'"))
    due_at: Mapped[datetime | None]
    opened_at: Mapped[datetime]


class LedgerTransaction(Base):
    """One business fact on one account, for good: a trigger refuses changes. `effect_key` names the fact, and
    `content_digest` what it said. `changes` is what it did to lots and reservations.

    Once its member was erased it is `forgotten`: key, reason and trace, which may name a person, are gone.
    """

    __tablename__ = "ledger_transactions"
    __table_args__ = (
        UniqueConstraint("program_id", "effect_key"),
        Index("ix_ledger_transactions_account_id", "account_id", "id"),
    )

    id: Mapped[int] = own_id()
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    account_id: Mapped[int] = mapped_column(ForeignKey("ledger_accounts.id"))
    effect_key: Mapped[str]
    kind: Mapped[str]
    content_digest: Mapped[bytes]
    record_digest: Mapped[bytes]
    changes: Mapped[dict[str, Any]]
    earned: Mapped[int]
    rule_version: Mapped[str | None]
    trace: Mapped[dict[str, Any]]
    reverses_transaction_id: Mapped[int | None] = mapped_column(ForeignKey("ledger_transactions.id"))
    reason: Mapped[str | None]
    actor: Mapped[str]
    booked_at: Mapped[datetime]
    forgotten: Mapped[bool] = mapped_column(server_default=sql("false"))


class LedgerEntry(Base):
    """One line of an account: a signed amount in a bucket, chained to the line before. A trigger refuses changes."""

    __tablename__ = "ledger_entries"
    __table_args__ = (Index("ix_ledger_entries_transaction_id", "transaction_id"),)

    account_id: Mapped[int] = mapped_column(ForeignKey("ledger_accounts.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    transaction_id: Mapped[int] = mapped_column(ForeignKey("ledger_transactions.id"))
    bucket: Mapped[str]
    amount: Mapped[int]
    hash: Mapped[bytes]


class LedgerLot(Base):
    """A grant of points with dates of its own; its parts are together what was granted."""

    __tablename__ = "ledger_lots"
    __table_args__ = (
        CheckConstraint(
            "granted = pending + available + locked + consumed + expired + reversed + clawed"
            " AND LEAST(pending, available, locked, consumed, expired, reversed, clawed) >= 0",
            name="parts",
        ),
        Index("ix_ledger_lots_open", "account_id", postgresql_where=sql("pending > 0 OR available > 0 OR locked > 0")),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("ledger_accounts.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    origin: Mapped[str]
    granted: Mapped[int]
    granted_at: Mapped[datetime]
    available_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    pending: Mapped[int]
    available: Mapped[int]
    locked: Mapped[int]
    consumed: Mapped[int]
    expired: Mapped[int]
    reversed: Mapped[int]
    clawed: Mapped[int]


class LedgerReservation(Base):
    """Points set aside for a redemption: `holds` is how many of which lot."""

    __tablename__ = "ledger_reservations"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'confirmed', 'cancelled', 'timed_out')", name="state"),
        Index("ix_ledger_reservations_open", "account_id", postgresql_where=sql("state = 'open'")),
    )

    account_id: Mapped[int] = mapped_column(ForeignKey("ledger_accounts.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]
    holds: Mapped[list[Any]] = mapped_column(JSONB)
    state: Mapped[str]


class LedgerOrder(Base):
    """What an order has earned by which rule, and what of it was refunded and reversed. Deleted with its member."""

    __tablename__ = "ledger_orders"
    __table_args__ = (Index("ix_ledger_orders_account_id", "account_id"),)

    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"), primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("ledger_accounts.id"))
    transaction_id: Mapped[int] = mapped_column(ForeignKey("ledger_transactions.id"))
    lot: Mapped[int | None]
    currency: Mapped[str]
    amount: Mapped[int]
    points_per_unit: Mapped[int]
    minor_per_unit: Mapped[int]
    granted: Mapped[int]
    refunded: Mapped[int] = mapped_column(server_default=sql("0"))
    reversed: Mapped[int] = mapped_column(server_default=sql("0"))


class LedgerParkedRefund(Base):
    """A refund whose order has not arrived; applied when it does. Deleted with its member."""

    __tablename__ = "ledger_parked_refunds"
    __table_args__ = (Index("ix_ledger_parked_refunds_order", "program_id", "source", "order_id"),)

    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"), primary_key=True)
    effect_key: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("ledger_accounts.id"))
    source: Mapped[str]
    order_id: Mapped[str]
    currency: Mapped[str]
    amount: Mapped[int]
    reason: Mapped[str | None]
    actor: Mapped[str]
    received_at: Mapped[datetime]
