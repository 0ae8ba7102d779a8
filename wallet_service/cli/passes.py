"""`wallet-service pass`: building the pass of a card, and checking any pass against the rules."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from wallet_service.cli.certs import now, root_option, told_in_words, trust_from
from wallet_service.cli.opening import opened_services
from wallet_service.errors import NotFound
from wallet_service.storage.tables import Card
from wallet_service.wallets.apple.check import check_path
from wallet_service.wallets.apple.findings import Finding


@click.group("pass")
def passes() -> None:
    """Apple passes: build one, check any."""


@passes.command("check")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of tables.")
@root_option
def check_pass(paths: tuple[Path, ...], as_json: bool, root: Path | None) -> None:
    """Tell everything that is wrong with passes, ours or not: .pkpass, .pkpasses, or a folder of a pass's files.

    Each finding has its severity, its place, the number of its rule in docs/apple.md and what to do. Exit code 0: no
    errors; 1: errors; 2: nothing was checked.
    """
    with told_in_words():
        trust, at = trust_from(root), now()
        found = {path: check_path(path, now=at, trust=trust) for path in paths}
    if as_json:
        rows = [{"file": str(path)} | asdict(finding) for path, findings in found.items() for finding in findings]
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    else:
        for path, findings in found.items():
            _show(path, findings)
    if any(finding.severity == "error" for findings in found.values() for finding in findings):
        raise SystemExit(1)


@passes.command("build")
@click.argument("serial_number")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The .pkpass to write.")
def build_pass(serial_number: str, out: Path) -> None:
    """Build the pass of one card as it was last published: what its phones would fetch now."""
    with opened_services() as services, services.sessions() as db:
        card = db.scalar(select(Card).where(Card.serial_number == serial_number))
        if card is None:
            raise NotFound(f"there is no card {serial_number}")
        bundle = services.issuer.pass_file(db, card, now=services.clock())
    out.write_bytes(bundle)
    click.echo(f"{out}: {len(bundle):,} bytes")


def _show(file: Path, findings: list[Finding]) -> None:
    if not findings:
        click.echo(f"{file}: good")
        return
    table = Table("rule", "", "where", "what is wrong", "what to do", title=str(file), title_justify="left")
    for finding in findings:
        style = "red" if finding.severity == "error" else "yellow"
        table.add_row(finding.rule, finding.severity, finding.path, finding.message, finding.remedy, style=style)
    Console().print(table)
