"""Erased members keep a void card for a while; when each field of a member was last spoken of"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instants = postgresql.JSONB(none_as_null=True)
    op.add_column("members", sa.Column("said_at", instants, server_default=sa.text("'{}'"), nullable=False))
    op.add_column("members", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_members_erased_at", "members", ["erased_at"], postgresql_where=sa.text("erased_at IS NOT NULL"))
