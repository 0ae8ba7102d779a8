"""`programs apply|list`: programmes from files."""

from __future__ import annotations

from pathlib import Path

import click
from sqlalchemy import select

from wallet_service.cli.services import opened_services
from wallet_service.programs.apply import apply_program
from wallet_service.storage.tables import Program


@click.group()
def programs() -> None:
    """Loyalty programmes."""


@programs.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--although-issued",
    is_flag=True,
    help="Also do what contradicts cards already issued; what happens to them is said.",
)
def apply(file: Path, although_issued: bool) -> None:
    """Make the installation agree with FILE (TOML); again: only the differences."""
    with opened_services() as services, services.sessions.begin() as db:
        applied = apply_program(
            db,
            file,
            templates_dir=services.settings.templates_dir,
            keys=services.keys,
            trust=services.trust,
            now=services.clock(),
            although_issued=although_issued,
        )
    click.echo(f"{applied.program_id}: {', '.join(applied.changes) or 'nothing to change'}")


@programs.command("list")
def list_command() -> None:
    """List the programmes."""
    with opened_services() as services, services.sessions() as db:
        for program in db.scalars(select(Program).order_by(Program.program_id)):
            click.echo(f"{program.program_id}\t{program.name}\t{program.pass_type_id or '-'}")
