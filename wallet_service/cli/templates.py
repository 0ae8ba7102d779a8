"""`wallet-service templates`: checks designs before they reach a customer."""

from __future__ import annotations

from pathlib import Path

import click

from wallet_service.cards.template import Template
from wallet_service.cards.template_folder import load_template
from wallet_service.clock import system_clock
from wallet_service.errors import Invalid
from wallet_service.wallets.apple.passes.design import template_faults
from wallet_service.wallets.google.content.bodies import faults_in_raw_keys
from wallet_service.wallets.unsupported_features import losses_of, silent_news


@click.group()
def templates() -> None:
    """Check and preview card designs."""


@templates.command()
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER...",
)
def check(folders: tuple[Path, ...]) -> None:
    """Refuse each wrong design with the path of every fault; exit code 1 if there is any. Of a good one, say which news
    no phone will announce.
    """
    wrong = 0
    for folder in folders:
        try:
            template = good_template(folder)
        except Invalid as refusal:
            wrong += 1
            click.echo(f"{folder.name}: {len(refusal.faults)} fault{'s' if len(refusal.faults) > 1 else ''}")
            for fault in refusal.faults:
                click.echo(f"  {fault}")
        else:
            click.echo(f"{folder.name}: good ({', '.join(sorted(template.words))}; {template.digest[:12]})")
            for news in silent_news(template):
                click.echo(f"  {news.wallet}: {news.path}: {news.words}")
    if wrong:
        raise SystemExit(1)


@templates.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def losses(folder: Path) -> None:
    """Report what each wallet cannot show of a design."""
    for loss in losses_of(good_template(folder)):
        click.echo(f"{loss.wallet}: {loss.path}: {loss.words}")


@templates.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder for the PNG files."
)
@click.option("--together", is_flag=True, help="One picture for each language: card, lock screen and Android.")
def preview(folder: Path, out: Path, together: bool) -> None:
    """Draw a design on an iPhone and on Android with a fictitious member, in every language."""
    from wallet_service.cli.preview import draw_brochure, draw_faces  # the simulators are an extra

    template = good_template(folder)
    out.mkdir(parents=True, exist_ok=True)
    draw = draw_brochure if together else draw_faces
    for name, picture in draw(template, now=system_clock()):
        (out / name).write_bytes(picture)
        click.echo(str(out / name))


def good_template(folder: Path) -> Template:
    """A design that both wallets would take.

    Raises:
        Invalid: with the path of every fault.
    """
    template = load_template(folder)
    if faults := [*template_faults(template), *faults_in_raw_keys(template)]:
        raise Invalid(*faults)
    return template
