"""A use of an offer is a member's order at a store: the tills of two stores may give the same number"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_constraint("pk_offer_uses", "offer_uses")
    op.add_column("offer_uses", sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False))
    op.add_column("offer_uses", sa.Column("store_id", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.create_primary_key("pk_offer_uses", "offer_uses", ["id"])
    columns = ["offer_id", "order_id", "store_id", "member_pk"]
    op.create_unique_constraint(op.f("uq_offer_uses_offer_id_order_id_store_id_member_pk"), "offer_uses", columns)
