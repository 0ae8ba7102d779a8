"""What an event said, as a digest; instants that no release should have stored get a place in the calendar"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inbox_events", sa.Column("digest", sa.LargeBinary(), nullable=True))
    # Releases before this one took instants without offset in vouchers, and ends beyond what can be read back.
    op.execute(
        """
        UPDATE balances SET vouchers = (
            SELECT jsonb_agg(
                CASE WHEN v ->> 'valid_until' > '2999-12-31T23:59:59Z'
                    THEN jsonb_set(v, '{valid_until}', '"2999-12-31T23:59:59Z"')
                WHEN v ->> 'valid_until' !~ '(Z|[+-][0-9]{2}:?[0-9]{2})$'
                    THEN jsonb_set(v, '{valid_until}', to_jsonb((v ->> 'valid_until') || 'Z'))
                ELSE v END ORDER BY place)
            FROM jsonb_array_elements(vouchers) WITH ORDINALITY AS each (v, place)
        )
        WHERE EXISTS (
            SELECT FROM jsonb_array_elements(vouchers) AS v
            WHERE v ->> 'valid_until' > '2999-12-31T23:59:59Z'
                OR v ->> 'valid_until' !~ '(Z|[+-][0-9]{2}:?[0-9]{2})$'
        )
        """
    )
    op.execute("UPDATE balances SET as_of = '2999-12-31T23:59:59Z' WHERE as_of > '2999-12-31T23:59:59Z'")
    op.execute("UPDATE offers SET ends_at = '2999-12-31T23:59:59Z' WHERE ends_at > '2999-12-31T23:59:59Z'")
