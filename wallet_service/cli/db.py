"""`db upgrade`: migrates the database."""

from __future__ import annotations

import click

from wallet_service.cli.services import settings_of_environment
from wallet_service.storage.engine import open_database
from wallet_service.storage.schema import upgrade


@click.group()
def db() -> None:
    """The database."""


@db.command("upgrade")
def upgrade_command() -> None:
    """Bring the database to this release's tables; again: nothing."""
    database = open_database(settings_of_environment())
    try:
        click.echo(f"the database is at revision {upgrade(database.engine)}")
    finally:
        database.close()
