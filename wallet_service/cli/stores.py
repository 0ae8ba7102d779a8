"""`stores import|export`: a programme's stores from and to CSV files."""

from __future__ import annotations

from pathlib import Path

import click

from wallet_service.access.roles import OPERATOR
from wallet_service.cli.services import opened_services
from wallet_service.stores.csv_file import decoded, match, table_of
from wallet_service.stores.importing import apply_plan, export_stores, plan_import
from wallet_service.web.refused_rows import reasons_of, refused_csv


@click.group()
def stores() -> None:
    """Stores of a programme."""


@stores.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--program", "program_id", required=True, help="The programme's id.")
@click.option("--rehearse", is_flag=True, help="Say what would happen, and change nothing.")
@click.option(
    "--refused", type=click.Path(dir_okay=False, path_type=Path), help="Write the refused rows, with reasons, to FILE."
)
def import_command(file: Path, program_id: str, rehearse: bool, refused: Path | None) -> None:
    """Create and change stores from FILE (CSV); rows that are wrong are told and left out."""
    with opened_services() as services, services.sessions.begin() as db:
        program = services.program_cache.program(db, program_id).document
        table = table_of(decoded(file.read_bytes()))
        columns = match(table, program.locales)
        plan = plan_import(db, program, table, columns)
        if not rehearse:
            apply_plan(db, program, plan, OPERATOR, now=services.clock())
    for row in plan.refused:
        for sentences in reasons_of(row).values():
            click.echo(f"  {file.name}:{row.line}: {row.store_id}: {' '.join(sentences)}", err=True)
    passed_over = [header for place, header in enumerate(table.headers) if place not in columns and header]
    if passed_over:
        click.echo(f"columns that were not read: {', '.join(passed_over)}", err=True)
    if refused is not None:
        refused.write_text(refused_csv(table.headers, plan.refused), encoding="utf-8")
    counts = f"{plan.count('new')} new, {plan.count('changed')} changed, {plan.count('unchanged')} unchanged"
    click.echo(f"{'would be: ' if rehearse else ''}{counts}, {len(plan.refused)} refused")
    if plan.refused:
        raise SystemExit(1)


@stores.command()
@click.option("--program", "program_id", required=True, help="The programme's id.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file; else it is printed.")
def export(program_id: str, output: Path | None) -> None:
    """Write the stores as CSV: importing that changes nothing."""
    with opened_services() as services, services.sessions() as db:
        text = export_stores(db, services.program_cache.program(db, program_id).document)
    if output is None:
        click.echo(text.removeprefix("\ufeff"), nl=False)
    else:
        output.write_text(text, encoding="utf-8")
