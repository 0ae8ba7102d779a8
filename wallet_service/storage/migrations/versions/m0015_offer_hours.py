"""Offers: hours of the week, and what the purchases that used them came to"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    no, none, nought = (sa.text(default) for default in ("false", "'[]'", "0"))
    op.add_column("offers", sa.Column("weekly_hours", postgresql.JSONB(), server_default=none, nullable=False))
    op.add_column("offers", sa.Column("only_when_open", sa.Boolean(), server_default=no, nullable=False))
    op.add_column("offer_uses", sa.Column("amount", sa.BigInteger(), nullable=True))
    op.add_column("offer_uses", sa.Column("currency", sa.Text(), nullable=True))
    op.add_column("offer_uses", sa.Column("returned", sa.BigInteger(), server_default=nought, nullable=False))
    op.create_check_constraint(op.f("ck_offer_uses_amount"), "offer_uses", "(amount IS NULL) = (currency IS NULL)")
