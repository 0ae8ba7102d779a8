"""`keys create|list|revoke`: API keys."""

from __future__ import annotations

import click
from sqlalchemy import select

from wallet_service.access.api_keys import create_key
from wallet_service.access.roles import SCOPES_OF
from wallet_service.cli.services import opened_services
from wallet_service.errors import NotFound
from wallet_service.storage.tables import ApiKey


@click.group()
def keys() -> None:
    """Keys of the JSON API."""


@keys.command()
@click.option("--program", "program_id", required=True, help="The programme's id.")
@click.option("--name", required=True, help="Who will hold the key, for your own eyes.")
@click.option("--role", type=click.Choice(sorted(SCOPES_OF)), default="technical", show_default=True)
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES_OF["technical"]), help="Fewer rights.")
@click.option("--store", "store_id", help="The one store that the key is for; with the roles store and till.")
def create(program_id: str, name: str, role: str, scopes: tuple[str, ...], store_id: str | None) -> None:
    """Make a key and print it, alone and once; only its digest is kept."""
    with opened_services() as services, services.sessions.begin() as db:
        services.program_cache.program(db, program_id)
        key = create_key(db, program_id, name, role=role, scopes=scopes, store_id=store_id, now=services.clock())
    click.echo(key)


@keys.command("list")
@click.option("--program", "program_id", help="Only this programme's.")
def list_command(program_id: str | None) -> None:
    """List the keys: number, programme, name, role, first characters, state."""
    with opened_services() as services, services.sessions() as db:
        query = select(ApiKey).order_by(ApiKey.id)
        for key in db.scalars(query if program_id is None else query.where(ApiKey.program_id == program_id)):
            state = "revoked" if key.revoked_at else "live"
            click.echo(f"{key.id}\t{key.program_id}\t{key.name}\t{key.role}\t{key.shown_prefix}…\t{state}")


@keys.command()
@click.argument("number", type=int)
def revoke(number: int) -> None:
    """Revoke the key of that number; it stops working at once."""
    with opened_services() as services, services.sessions.begin() as db:
        key = db.get(ApiKey, number)
        if key is None:
            raise NotFound(f"there is no key {number}")
        key.revoked_at = key.revoked_at or services.clock()
    click.echo(f"key {number} is revoked")
