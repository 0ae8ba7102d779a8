"""Who locked a person out: an operator's lock is not a programme's to undo"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("locked_by", sa.Text(), nullable=True))
    op.execute("UPDATE users SET locked_by = 'operator' WHERE locked_at IS NOT NULL")
