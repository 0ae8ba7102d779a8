"""Google to the letter: what it was told, the notification ledger, messages, classes and the shared rate"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _what_google_was_told()
    _make_notifications()
    _make_messages()
    op.create_table(
        "google_classes",
        sa.Column("class_id", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("variant", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("told_digest", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_google_classes_program_id")),
        sa.PrimaryKeyConstraint("class_id", name=op.f("pk_google_classes")),
    )
    op.create_table(
        "google_rates",
        sa.Column("issuer_id", sa.Text(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("slowed_to", sa.Float(), nullable=True),
        sa.Column("slowed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("issuer_id", name=op.f("pk_google_rates")),
    )


def _what_google_was_told() -> None:
    op.add_column("google_objects", sa.Column("told_digest", sa.Text(), nullable=True))
    told_fields = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
    op.add_column("google_objects", sa.Column("told_fields", told_fields, nullable=True))
    op.add_column("google_objects", sa.Column("confirm_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "google_objects",
        sa.Column("linked_ids", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("google_objects", sa.Column("totp_secret", sa.LargeBinary(), nullable=True))
    op.create_index(
        "ix_google_objects_confirm_at",
        "google_objects",
        ["confirm_at"],
        unique=False,
        postgresql_where=sa.text("confirm_at IS NOT NULL"),
    )
    # what Google holds already is told once more, and then known
    op.execute(
        "UPDATE google_objects o SET told_digest = '' FROM deliveries d "
        "WHERE d.google_object_id = o.id AND d.told_version > 0"
    )


def _make_notifications() -> None:
    op.create_table(
        "google_notifications",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("google_object_id", sa.BigInteger(), nullable=True),
        sa.Column("class_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(google_object_id IS NULL) <> (class_id IS NULL)", name=op.f("ck_google_notifications_one_far_end")
        ),
        sa.CheckConstraint("kind IN ('field', 'message')", name=op.f("ck_google_notifications_kind")),
        sa.CheckConstraint(
            "how IN ('asked', 'notified', 'silent', 'refused')", name=op.f("ck_google_notifications_how")
        ),
        sa.ForeignKeyConstraint(
            ["google_object_id"],
            ["google_objects.id"],
            name=op.f("fk_google_notifications_google_object_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_google_notifications")),
    )
    for end in ("object", "class"):
        column = "google_object_id" if end == "object" else "class_id"
        op.create_index(
            f"uq_google_notifications_{end}", "google_notifications", [column, "kind", "reference"], unique=True
        )
    op.create_index("ix_google_notifications_at", "google_notifications", ["at"], unique=False)


def _make_messages() -> None:
    body = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
    op.create_table(
        "google_messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("google_object_id", sa.BigInteger(), nullable=True),
        sa.Column("class_id", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("body", body, nullable=False),
        sa.Column("loud", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("how", sa.Text(), nullable=True),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(google_object_id IS NULL) <> (class_id IS NULL)", name=op.f("ck_google_messages_one_far_end")
        ),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_google_messages_program_id")),
        sa.ForeignKeyConstraint(
            ["google_object_id"],
            ["google_objects.id"],
            name=op.f("fk_google_messages_google_object_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_google_messages")),
    )
    for end in ("object", "class"):
        column = "google_object_id" if end == "object" else "class_id"
        op.create_index(f"uq_google_messages_{end}", "google_messages", [column, "message_id"], unique=True)
    op.create_index(
        "ix_google_messages_open",
        "google_messages",
        ["program_id", "next_attempt_at"],
        unique=False,
        postgresql_where=sa.text("sent_at IS NULL AND removed_at IS NULL"),
    )
    op.create_index(
        "ix_google_messages_ends_at",
        "google_messages",
        ["program_id", "ends_at"],
        unique=False,
        postgresql_where=sa.text("sent_at IS NOT NULL AND removed_at IS NULL"),
    )
