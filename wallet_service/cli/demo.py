"""`demo`: everything on one machine, in one command."""

from __future__ import annotations

import sys

import click
from rich.console import Console

from wallet_service.cli.services import settings_of_environment
from wallet_service.cli.stopping import Stopped, stay, stoppable
from wallet_service.clock import system_clock
from wallet_service.demo.installation import WEB_PORT, DemoInstallation, start_installation
from wallet_service.demo.page import DemoPage
from wallet_service.demo.processes import free_port
from wallet_service.demo.session import DemoSession
from wallet_service.demo.staff import create_staff
from wallet_service.demo.tour import play
from wallet_service.demo.tour_record import StepFailed, Timeline

PAGE_PORT = 8010
_PORT = click.IntRange(0, 65535)


@click.command()
@click.option("--tour-only", is_flag=True, help="End after the tour; the exit status says whether every step happened.")
@click.option("--port", type=_PORT, default=WEB_PORT, show_default=True, help="Of the service, if free; 0: any.")
@click.option("--page-port", type=_PORT, default=PAGE_PORT, show_default=True, help="Of the demo's page, if free.")
def demo(tour_only: bool, port: int, page_port: int) -> None:
    """Play the whole way of a card on this machine, then stay up to be looked at; Ctrl-C stops all.

    No Apple or Google account is needed: the simulators implement their protocols over real sockets.
    """
    settings = settings_of_environment()
    console = Console(highlight=False, soft_wrap=True)
    timeline = Timeline(console, system_clock)
    toured = False
    try:
        with (
            stoppable(),
            start_installation(
                settings.data_dir, settings.templates_dir, lambda what: console.print(f"· {what}"), port=port
            ) as installation,
        ):
            console.print()
            play(installation, timeline)
            toured = True
            console.print("\n[bold green]Every step happened on the phones.[/]")
            if not tour_only:
                _stay_up(installation, timeline, console, page_port)
    except StepFailed as error:
        console.print(f"\n[bold red]The tour stopped:[/] {error}")
        sys.exit(1)
    except Stopped:
        console.print("\nStopped.")
        sys.exit(0 if toured else 1)


def _stay_up(installation: DemoInstallation, timeline: Timeline, console: Console, page_port: int) -> None:
    session = DemoSession(installation)
    staff = create_staff(installation.environment)
    page = DemoPage(session, installation, timeline, staff=staff, port=free_port(page_port))
    with session.playing(), page.serving():
        console.print(f"\n[bold]Open {page.url}[/] to see both phones live, and to play.")
        for what, address in {
            "API documentation": f"{installation.url}/api/docs",
            "the card's link": session.link,
            "metrics": f"{installation.url}/metrics",
            "readiness": f"{installation.url}/readyz",
            "API key": installation.api.key,
        }.items():
            console.print(f"  {what:<18} {address}")
        console.print(f"\n[bold]Sign in to the console[/] at {installation.url}/console/")
        for person in staff:
            works = f"{person.role}, {', '.join(person.store_ids)}" if person.store_ids else str(person.role)
            console.print(f"  {person.name:<18} {person.email}  {person.password}  ({works})")
        console.print("\nCtrl-C stops everything.")
        stay()
