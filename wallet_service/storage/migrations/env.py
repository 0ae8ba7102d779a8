"""Alembic's entry: works on the connection that `storage.schema` hands over, inside its transaction."""

from alembic import context

from wallet_service.storage.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
context.run_migrations()
