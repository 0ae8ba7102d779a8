"""Several Apple certificates for each programme; what phones report of a card"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "apple_identities",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("program_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("not_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_apple_identities_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_apple_identities")),
        sa.UniqueConstraint("program_id", "digest", name=op.f("uq_apple_identities_program_id_digest")),
    )
    # A certificate begins about when it is imported; it runs for a year at most.
    op.execute("""
        INSERT INTO apple_identities (program_id, digest, sealed, not_before, not_after, imported_at)
        SELECT program_id, digest, sealed, updated_at - interval '1 day', expires_at, updated_at
        FROM program_secrets WHERE kind = 'apple' AND expires_at IS NOT NULL
    """)
    op.execute("DELETE FROM program_secrets WHERE kind = 'apple'")
    op.create_table(
        "device_reports",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("card_id", sa.BigInteger(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name=op.f("fk_device_reports_card_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_reports")),
        sa.UniqueConstraint("card_id", "task", "error", name=op.f("uq_device_reports_card_id_task_error")),
    )
