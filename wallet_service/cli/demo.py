"""`demo`: everything on one machine, in one command."""

from __future__ import annotations

import sys

import click
from rich.console import Console

from wallet_service.cli.opening import settings_of_environment
from wallet_service.clock import system_clock
from wallet_service.demo.stage import set_stage
from wallet_service.demo.timeline import StepFailed, Timeline
from wallet_service.demo.tour import play


@click.command()
@click.option("--tour-only", is_flag=True, help="End after the tour; the exit status says whether every step happened.")
def demo(tour_only: bool) -> None:
    """Play the whole way of a card on this machine, then stay up to be looked at; Ctrl-C stops all.

    No Apple or Google account is needed: the simulators speak their protocols over real sockets.
    """
    settings = settings_of_environment()
    console = Console(highlight=False, soft_wrap=True)
    with set_stage(settings.data_dir, settings.templates_dir, lambda what: console.print(f"· {what}")) as stage:
        console.print()
        try:
            play(stage, Timeline(console, system_clock))
        except StepFailed as error:
            console.print(f"\n[bold red]The tour stopped:[/] {error}")
            sys.exit(1)
        console.print("\n[bold green]Every step happened on the phones.[/]")
