"""The migrations, from an empty database, make the very tables that the program believes in."""

from __future__ import annotations

from collections.abc import Callable

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from wallet_service.storage.engine import Database
from wallet_service.storage.tables import Base


def test_migrations_equal_the_tables(new_database: Callable[[], Database]) -> None:
    database = new_database()
    ours = set(Base.metadata.tables)

    def is_ours(item: object, name: str | None, kind: str, *_: object) -> bool:
        return name in ours if kind == "table" else True

    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "compare_server_default": True, "include_object": is_ours},
        )
        assert compare_metadata(context, Base.metadata) == []
    database.close()
