"""`points audit|soak`: the points ledger, looked at as a whole."""

from __future__ import annotations

import secrets

import click

from wallet_service.cli.services import opened_services
from wallet_service.loyalty.ledger.audit import audit_program
from wallet_service.loyalty.ledger.soak import BrokenInvariantError, soak


@click.group()
def points() -> None:
    """The points ledger of a programme."""


@points.command()
@click.option("--program", "program_id", required=True, help="The programme's id.")
def audit(program_id: str) -> None:
    """Rebuild every balance from the ledger's entries and follow its chain; ends with 1 if anything differs."""
    with opened_services() as services:
        with services.sessions() as db:
            services.program_cache.program(db, program_id)  # there is such a programme
        found = audit_program(services.sessions, program_id, now=services.clock())
    for one in found.differences:
        click.echo(f"  {one}", err=True)
    click.echo(f"{found.accounts} accounts, {found.entries} entries, {len(found.differences)} differences")
    if found.differences:
        raise SystemExit(1)


@points.command("soak")
@click.option("--operations", type=click.IntRange(min=1), default=100_000, show_default=True, help="How many.")
@click.option("--seed", type=int, default=None, help="Repeats a run; else one is chosen, and printed.")
def soak_command(operations: int, seed: int | None) -> None:
    """Random operations on accounts in memory, every invariant checked after each; ends with 1 if one breaks."""
    seed = secrets.randbelow(2**31) if seed is None else seed
    click.echo(f"seed {seed}")
    try:
        postings = soak(operations, seed)
    except BrokenInvariantError as error:
        click.echo(f"  {error}", err=True)
        raise SystemExit(1) from error
    click.echo(f"{operations} operations, {postings} postings: every invariant holds")
