"""Erased members keep a void card for a while; when the last word on a member was said"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("members", sa.Column("as_of", sa.DateTime(timezone=True), nullable=True))
    op.add_column("members", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_members_erased_at", "members", ["erased_at"], postgresql_where=sa.text("erased_at IS NOT NULL"))
