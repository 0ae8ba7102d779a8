"""`wallet-service pass`: building the pass of a card, and checking any pass against the rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from wallet_service.cli.certs import FILE, now, read_identity, root_option, told_in_words, trust_from
from wallet_service.cli.pass_values import facts_from, pass_of
from wallet_service.cli.services import opened_services
from wallet_service.cli.templates import good_template
from wallet_service.errors import NotFound
from wallet_service.storage.tables import Card
from wallet_service.wallets.apple.checking.check import check_path
from wallet_service.wallets.apple.findings import Finding, Severity
from wallet_service.wallets.apple.passes.archive import bundle_of


@click.group("pass")
def passes() -> None:
    """Apple passes: build one, check any."""


@passes.command("check")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of tables.")
@root_option
def check_pass(paths: tuple[Path, ...], as_json: bool, root: Path | None) -> None:
    """Report everything that is wrong with passes, ours or not: .pkpass, .pkpasses, or a folder of a pass's files.

    An error is what Wallet refuses; a warning is shown or updated wrongly; a note is our advice. Each finding has its
    place, the number of its rule in docs/apple.md, what to do, and whose page says so. Exit code 0: no errors; 1:
    errors; 2: nothing was checked.
    """
    with told_in_words():
        trust, at = trust_from(root), now()
        found = {path: check_path(path, now=at, trust=trust) for path in paths}
    if as_json:
        rows = [
            {"file": str(path)} | asdict(finding) | {"source": finding.source}
            for path, findings in found.items()
            for finding in findings
        ]
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    else:
        for path, findings in found.items():
            _show(path, findings)
    if any(finding.severity == "error" for findings in found.values() for finding in findings):
        raise SystemExit(1)


OUT = click.Path(dir_okay=False, path_type=Path)


@passes.command("build")
@click.argument("serial_numbers", nargs=-1, metavar="[SERIAL_NUMBER]...")
@click.option("--out", required=True, type=OUT, help="The .pkpass to write; .pkpasses for several.")
@click.option("--template", "design", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--value", "values", multiple=True, metavar="NAME=VALUE", help="Like member.first_name=Claire; JSON or text."
)
@click.option("--values", "file", type=FILE, help='JSON: {"member": {…}, "balance": {…}}; - is standard input.')
@click.option("--sample", is_flag=True, help="Start from a fictitious member instead of an empty card.")
@click.option("--locale", help="One of the design's languages; its first, if absent.")
@click.option("--certificate", type=FILE, help="Sign with this certificate (PEM or .cer; with --key) or .p12.")
@click.option("--key", type=FILE, help="The private key of --certificate.")
@click.option("--intermediate", type=FILE, help="The issuer, if it is not WWDR G4 (development chains).")
@click.option("--password-file", type=FILE, help="Holds the password of the .p12 or of the key.")
def build_pass(
    serial_numbers: tuple[str, ...], out: Path, design: Path | None, values: tuple[str, ...], file: Path | None,
    sample: bool, locale: str | None, certificate: Path | None, key: Path | None, intermediate: Path | None,
    password_file: Path | None,
) -> None:  # fmt: skip
    """Build passes of cards as they were last published, by their serial numbers; several make one .pkpasses.

    With --template, build one pass of that design out of values instead: no database is needed, and without a
    certificate it is signed with a throwaway one, for the simulated phones only.
    """
    if bool(serial_numbers) == (design is not None):
        raise click.UsageError("name serial numbers of cards, or a design with --template")
    with told_in_words():
        if design is not None:
            template = good_template(design)
            chosen = locale or next(iter(template.words))
            facts = facts_from(values, file, locale=chosen, sample=sample, now=now())
            identity = read_identity(certificate, key, password_file, intermediate) if certificate else None
            bundle = pass_of(template, facts, locale=chosen, identity=identity, now=now())
        else:
            bundle = _stored(serial_numbers)
    out.write_bytes(bundle)
    click.echo(f"{out}: {len(bundle):,} bytes")


def _stored(serial_numbers: tuple[str, ...]) -> bytes:
    built: dict[str, bytes] = {}
    with opened_services() as services, services.sessions() as db:
        for serial_number in serial_numbers:
            card = db.scalar(select(Card).where(Card.serial_number == serial_number))
            if card is None:
                raise NotFound(f"there is no card {serial_number}")
            built[serial_number] = services.issuer.pass_file(db, card, now=services.clock())
    return next(iter(built.values())) if len(built) == 1 else bundle_of(built)


def _show(file: Path, findings: list[Finding]) -> None:
    if not findings:
        click.echo(f"{file}: good")
        return
    verdict = "Wallet refuses it" if findings[0].severity == "error" else "Wallet takes it"
    columns = ("rule", "", "where", "what is wrong", "what to do", "who says so")
    table = Table(*columns, title=f"{file}: {verdict}", title_justify="left")
    for finding in findings:
        words = (finding.rule, finding.severity, finding.path, finding.message, finding.remedy, finding.source)
        table.add_row(*words, style=_STYLES[finding.severity])
    Console().print(table)


_STYLES: Mapping[Severity, str] = {"error": "red", "warning": "yellow", "note": "cyan"}
