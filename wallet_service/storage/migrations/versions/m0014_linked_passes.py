"""Passes linked to a member's card, each in a design of its own"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    nothing = sa.text("'{}'")
    op.add_column("programs", sa.Column("linked_versions", postgresql.JSONB(), server_default=nothing, nullable=False))
    op.add_column("cards", sa.Column("linked_to", sa.BigInteger(), nullable=True))
    op.add_column("cards", sa.Column("linked_key", sa.Text(), server_default=sa.text("''"), nullable=False))
    op.add_column("cards", sa.Column("linked_template", sa.Text(), nullable=True))
    op.add_column("cards", sa.Column("linked_facts", postgresql.JSONB(), server_default=nothing, nullable=False))
    op.create_foreign_key(op.f("fk_cards_linked_to"), "cards", "cards", ["linked_to"], ["id"], ondelete="CASCADE")
    op.create_check_constraint(
        op.f("ck_cards_linked"),
        "cards",
        "(linked_to IS NULL) = (linked_key = '') AND (linked_to IS NULL) = (linked_template IS NULL)",
    )
    op.create_index("ix_cards_linked_to", "cards", ["linked_to"], postgresql_where=sa.text("linked_to IS NOT NULL"))
    op.create_unique_constraint(op.f("uq_cards_member_pk_linked_key"), "cards", ["member_pk", "linked_key"])
    op.drop_constraint(op.f("uq_cards_member_pk"), "cards")
