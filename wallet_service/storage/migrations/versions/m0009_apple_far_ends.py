"""Numbers of reminders; phones that Apple calls gone; keys in tokens; passes sent anew"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("apple_identities", sa.Column("kind", sa.Text(), server_default=sa.text("'sealed'"), nullable=False))
    op.add_column("apple_identities", sa.Column("reissued_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f("ck_apple_identities_kind"), "apple_identities", "kind IN ('sealed', 'token')")
    op.add_column("campaigns", sa.Column("reissue", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("deliveries", sa.Column("reminder_number", sa.BigInteger(), nullable=True))
    op.create_table(
        "gone_registrations",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("card_id", sa.BigInteger(), nullable=False),
        sa.Column("device_library_id", sa.Text(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wanted_version", sa.BigInteger(), nullable=False),
        sa.Column("told_version", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_answer", sa.Text(), nullable=True),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fetched_version", sa.BigInteger(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gone_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["card_id"], ["cards.id"], name=op.f("fk_gone_registrations_card_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gone_registrations")),
        sa.UniqueConstraint(
            "card_id", "device_library_id", name=op.f("uq_gone_registrations_card_id_device_library_id")
        ),
    )
    op.create_index("ix_gone_registrations_gone_at", "gone_registrations", ["gone_at"])
