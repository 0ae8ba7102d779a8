"""Offers: their version and uses; where members have bought"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("offers", sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False))
    op.add_column("offers", sa.Column("uses", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.create_table(
        "offer_uses",
        sa.Column("offer_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.Text(), nullable=False),
        sa.Column("member_pk", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["member_pk"], ["members.id"], name="fk_offer_uses_member_pk", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["offer_id"], ["offers.id"], name="fk_offer_uses_offer_id"),
        sa.PrimaryKeyConstraint("offer_id", "order_id", name="pk_offer_uses"),
    )
    used = sa.text("member_pk IS NOT NULL")
    op.create_index("ix_offer_uses_member_pk", "offer_uses", ["member_pk"], postgresql_where=used)
    op.create_table(
        "member_stores",
        sa.Column("member_pk", sa.BigInteger(), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("purchases", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["member_pk"], ["members.id"], name="fk_member_stores_member_pk", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("member_pk", "store_id", name="pk_member_stores"),
    )
