"""`wallet-service pass`: building the pass of a card, and checking any pass against the rules."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from wallet_service.cli.certs import FILE, now, root_option, told_in_words, trust_from
from wallet_service.cli.opening import opened_services
from wallet_service.errors import NotFound
from wallet_service.storage.tables import Card
from wallet_service.wallets.apple.check import check_bundle
from wallet_service.wallets.apple.findings import Finding


@click.group("pass")
def passes() -> None:
    """Apple passes: build one, check any."""


@passes.command("check")
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of a table.")
@root_option
def check_pass(file: Path, as_json: bool, root: Path | None) -> None:
    """Tell everything that is wrong with FILE, each finding with its rule and what to do. Exit code 1 on errors."""
    with told_in_words():
        findings = check_bundle(file.read_bytes(), now=now(), trust=trust_from(root))
    if as_json:
        click.echo(orjson.dumps([asdict(finding) for finding in findings], option=orjson.OPT_INDENT_2).decode())
    else:
        _show(file, findings)
    if any(finding.severity == "error" for finding in findings):
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
