"""The points ledger; balances that are kept here become its first lots"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_REFUSE_CHANGES = """
CREATE FUNCTION refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append only';
END
$$
"""
_FORGET_ONLY = """
CREATE FUNCTION refuse_ledger_change_but_forgetting() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    forgettable CONSTANT text[] := ARRAY['effect_key', 'reason', 'trace', 'forgotten'];
BEGIN
    IF NOT OLD.forgotten AND NEW.forgotten AND NEW.effect_key = 'forgotten:' || OLD.id
        AND NEW.reason IS NULL AND NEW.trace = '{}'
        AND to_jsonb(NEW) - forgettable = to_jsonb(OLD) - forgettable
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the ledger is append only';
END
$$
"""
_TRIGGERS = (
    "CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries"
    " FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change()",
    "CREATE TRIGGER ledger_transactions_kept BEFORE DELETE OR TRUNCATE ON ledger_transactions"
    " FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change()",
    "CREATE TRIGGER ledger_transactions_append_only BEFORE UPDATE ON ledger_transactions"
    " FOR EACH ROW EXECUTE FUNCTION refuse_ledger_change_but_forgetting()",
)
_PORTION = 1000
_BALANCES = """
SELECT m.id, m.program_id, b.points FROM members m JOIN balances b ON b.member_pk = m.id
JOIN programs p ON p.program_id = m.program_id
WHERE p.document ->> 'master' = 'builtin' AND m.erased_at IS NULL AND b.points <> 0 AND m.id > :after
ORDER BY m.id LIMIT :portion
"""


def upgrade() -> None:
    op.create_table(
        "ledger_accounts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("member_pk", sa.BigInteger(), nullable=True),
        sa.Column("available", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("pending", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("locked", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("debt", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("earned", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_lot", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_entry", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_hash", sa.LargeBinary(), server_default=sa.text("'\\x'"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "available >= 0 AND pending >= 0 AND locked >= 0 AND debt >= 0",
            name=op.f("ck_ledger_accounts_not_negative"),
        ),
        sa.ForeignKeyConstraint(
            ["member_pk"], ["members.id"], name=op.f("fk_ledger_accounts_member_pk"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_ledger_accounts_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_accounts")),
        sa.UniqueConstraint("member_pk", name=op.f("uq_ledger_accounts_member_pk")),
    )
    op.create_index(
        "ix_ledger_accounts_due_at",
        "ledger_accounts",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_ledger_accounts_program_id", "ledger_accounts", ["program_id", "id"], unique=False)
    op.create_table(
        "ledger_lots",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("granted", sa.BigInteger(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("pending", sa.BigInteger(), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.Column("locked", sa.BigInteger(), nullable=False),
        sa.Column("consumed", sa.BigInteger(), nullable=False),
        sa.Column("expired", sa.BigInteger(), nullable=False),
        sa.Column("reversed", sa.BigInteger(), nullable=False),
        sa.Column("clawed", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "granted = pending + available + locked + consumed + expired + reversed + clawed"
            " AND LEAST(pending, available, locked, consumed, expired, reversed, clawed) >= 0",
            name=op.f("ck_ledger_lots_parts"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["ledger_accounts.id"], name=op.f("fk_ledger_lots_account_id")),
        sa.PrimaryKeyConstraint("account_id", "number", name=op.f("pk_ledger_lots")),
    )
    op.create_index(
        "ix_ledger_lots_open",
        "ledger_lots",
        ["account_id"],
        unique=False,
        postgresql_where=sa.text("pending > 0 OR available > 0 OR locked > 0"),
    )
    op.create_table(
        "ledger_parked_refunds",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("effect_key", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["ledger_accounts.id"], name=op.f("fk_ledger_parked_refunds_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["program_id"], ["programs.program_id"], name=op.f("fk_ledger_parked_refunds_program_id")
        ),
        sa.PrimaryKeyConstraint("program_id", "effect_key", name=op.f("pk_ledger_parked_refunds")),
    )
    op.create_index(
        "ix_ledger_parked_refunds_order", "ledger_parked_refunds", ["program_id", "source", "order_id"], unique=False
    )
    op.create_table(
        "ledger_reservations",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("holds", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('open', 'confirmed', 'cancelled', 'timed_out')", name=op.f("ck_ledger_reservations_state")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["ledger_accounts.id"], name=op.f("fk_ledger_reservations_account_id")),
        sa.PrimaryKeyConstraint("account_id", "key", name=op.f("pk_ledger_reservations")),
    )
    op.create_index(
        "ix_ledger_reservations_open",
        "ledger_reservations",
        ["account_id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "ledger_transactions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("effect_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False),
        sa.Column("record_digest", sa.LargeBinary(), nullable=False),
        sa.Column("changes", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("earned", sa.BigInteger(), nullable=False),
        sa.Column("rule_version", sa.Text(), nullable=True),
        sa.Column("trace", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("reverses_transaction_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("forgotten", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["ledger_accounts.id"], name=op.f("fk_ledger_transactions_account_id")),
        sa.ForeignKeyConstraint(
            ["program_id"], ["programs.program_id"], name=op.f("fk_ledger_transactions_program_id")
        ),
        sa.ForeignKeyConstraint(
            ["reverses_transaction_id"],
            ["ledger_transactions.id"],
            name=op.f("fk_ledger_transactions_reverses_transaction_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transactions")),
        sa.UniqueConstraint("program_id", "effect_key", name=op.f("uq_ledger_transactions_program_id_effect_key")),
    )
    op.create_index("ix_ledger_transactions_account_id", "ledger_transactions", ["account_id", "id"], unique=False)
    op.create_table(
        "ledger_entries",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["ledger_accounts.id"], name=op.f("fk_ledger_entries_account_id")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transactions.id"], name=op.f("fk_ledger_entries_transaction_id")
        ),
        sa.PrimaryKeyConstraint("account_id", "number", name=op.f("pk_ledger_entries")),
    )
    op.create_index("ix_ledger_entries_transaction_id", "ledger_entries", ["transaction_id"], unique=False)
    op.create_table(
        "ledger_orders",
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger(), nullable=False),
        sa.Column("lot", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("points_per_unit", sa.BigInteger(), nullable=False),
        sa.Column("minor_per_unit", sa.BigInteger(), nullable=False),
        sa.Column("granted", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reversed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["ledger_accounts.id"], name=op.f("fk_ledger_orders_account_id")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_ledger_orders_program_id")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["ledger_transactions.id"], name=op.f("fk_ledger_orders_transaction_id")
        ),
        sa.PrimaryKeyConstraint("program_id", "source", "order_id", name=op.f("pk_ledger_orders")),
    )
    op.create_index("ix_ledger_orders_account_id", "ledger_orders", ["account_id"], unique=False)
    op.execute(_REFUSE_CHANGES)
    op.execute(_FORGET_ONLY)
    for trigger in _TRIGGERS:
        op.execute(trigger)
    _open_accounts()


def _open_accounts() -> None:
    """One opening transaction for each balance: `loyalty.ledger` as it was when this was written."""
    db, after = op.get_bind(), 0
    now = db.execute(sa.text("SELECT now()")).scalar_one().astimezone(UTC).isoformat()
    while True:
        rows = db.execute(sa.text(_BALANCES), {"after": after, "portion": _PORTION}).all()
        if not rows:
            return
        for member, program_id, points in rows:
            _open_account(db, member, program_id, points, now)
            after = member


def _open_account(db: sa.Connection, member: int, program_id: str, points: int, now: str) -> None:
    lots = int(points > 0)
    account = db.scalar(
        sa.text(
            "INSERT INTO ledger_accounts (program_id, member_pk, available, debt, last_lot, opened_at)"
            " VALUES (:program, :member, :available, :debt, :lots, :now) RETURNING id"
        ),
        {
            "program": program_id,
            "member": member,
            "available": max(points, 0),
            "debt": max(-points, 0),
            "lots": lots,
            "now": now,
        },
    )
    key = f"opening:{account}"
    changes = {
        "grants": [[1, "opening", points, "available", now, None, None]] * lots,
        "moves": [],
        "reservation": None,
    }
    content = _digest({"account": account, "balance": points})
    record = {
        "account": account,
        "actor": "migration",
        "booked_at": now,
        "changes": changes,
        "content": content.hex(),
        "earned": 0,
        "effect_key": key,
        "kind": "opening",
        "reason": None,
        "reverses": None,
        "rule_version": None,
        "trace": {},
    }
    digest = _digest(record)
    transaction = db.scalar(
        sa.text(
            "INSERT INTO ledger_transactions (program_id, account_id, effect_key, kind, content_digest, record_digest,"
            " changes, earned, trace, actor, booked_at) VALUES (:program, :account, :key, 'opening', :content, :record,"
            " CAST(:changes AS jsonb), 0, '{}', 'migration', :now) RETURNING id"
        ),
        {
            "program": program_id,
            "account": account,
            "key": key,
            "content": content,
            "record": digest,
            "changes": json.dumps(changes),
            "now": now,
        },
    )
    lines: Sequence[tuple[str, int]] = (
        (("adjust", -points), ("available", points)) if points > 0 else (("debt", points), ("adjust", -points))
    )
    before = b""
    for number, (bucket, amount) in enumerate(lines, 1):
        before = hashlib.sha256(
            before + f"{account}|{number}|{transaction}|{bucket}|{amount}|{digest.hex()}".encode()
        ).digest()
        db.execute(
            sa.text("INSERT INTO ledger_entries VALUES (:account, :number, :transaction, :bucket, :amount, :hash)"),
            {
                "account": account,
                "number": number,
                "transaction": transaction,
                "bucket": bucket,
                "amount": amount,
                "hash": before,
            },
        )
    db.execute(
        sa.text("UPDATE ledger_accounts SET last_entry = 2, last_hash = :hash WHERE id = :account"),
        {"hash": before, "account": account},
    )
    if lots:
        db.execute(
            sa.text(
                "INSERT INTO ledger_lots (account_id, number, origin, granted, granted_at, pending, available, locked,"
                " consumed, expired, reversed, clawed)"
                " VALUES (:account, 1, 'opening', :points, :now, 0, :points, 0, 0, 0, 0, 0)"
            ),
            {"account": account, "points": points, "now": now},
        )


def _digest(document: Mapping[str, Any]) -> bytes:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).digest()
