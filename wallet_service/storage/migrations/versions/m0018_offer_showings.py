"""Which card carries which offer since when, and what became of its notification"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.add_column("cards", sa.Column("offers", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False))
    op.create_table(
        "offer_showings",
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("card_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("first_at", instant, nullable=False),
        sa.Column("gone_at", instant, nullable=True),
        sa.Column("announced", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("proven", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("decided_at", instant, nullable=False),
        sa.Column("held_until", instant, nullable=True),
        sa.Column("notified_at", instant, nullable=True),
        sa.CheckConstraint(
            "decision IN ('sent', 'held', 'capped', 'no_consent', 'silent', 'expired', 'not_installed')",
            name=op.f("ck_offer_showings_decision"),
        ),
        sa.CheckConstraint(
            "(decision = 'sent') = (notified_at IS NOT NULL)", name=op.f("ck_offer_showings_notified_at")
        ),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name="fk_offer_showings_offer_id"),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name="fk_offer_showings_card_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("offer_id", "card_id", name="pk_offer_showings"),
    )
    op.create_index("ix_offer_showings_card_id", "offer_showings", ["card_id", "notified_at"])
    op.create_table(
        "offer_counts",
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", instant, nullable=False),
        sa.Column("targeted", sa.BigInteger(), nullable=False),
        sa.Column("announced", sa.BigInteger(), nullable=False),
        sa.Column("proven", sa.BigInteger(), nullable=False),
        sa.Column("decisions", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name="fk_offer_counts_offer_id"),
        sa.PrimaryKeyConstraint("offer_id", name="pk_offer_counts"),
    )
