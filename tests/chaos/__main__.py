"""`make chaos`: the long run, with a progress bar and a table; its exit status is the verdict."""

from __future__ import annotations

import secrets
import sys

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.chaos.run import Plan, run

AT_LEAST_ONE = click.IntRange(min=1)


@click.command()
@click.option(
    "--cards", default=3640, show_default=True, type=click.IntRange(min=1), help="Every tenth is on two phones."
)
@click.option(
    "--rounds",
    default=25,
    show_default=True,
    type=AT_LEAST_ONE,
    help="Changes of every card; announcements are phones × rounds at least.",
)
@click.option("--kills", default=50, show_default=True, help="Workers killed.")
@click.option(
    "--restarts", default=3, show_default=True, help="Times that PostgreSQL is stopped at once and restarted."
)
@click.option("--seed", default=None, type=int, help="Replay the choices of an earlier run.")
@click.option("--bound", default=600, show_default=True, help="Seconds after which the run has failed.")
def main(cards: int, rounds: int, kills: int, restarts: int, seed: int | None, bound: int) -> None:
    """Everything goes wrong at once; in the end every reachable phone shows the last state."""
    seed = secrets.randbelow(10**6) if seed is None else seed
    console = Console()
    console.print(f"seed {seed}")
    plan = Plan(cards=cards, rounds=rounds, kills=kills, restarts=restarts, seed=seed, bound_s=bound)
    with Progress(console=console) as progress:
        task = progress.add_task("setting up", total=1.0)
        result = run(plan, lambda what, done: progress.update(task, description=what, completed=done))
    table = Table("what", "figure", title="chaos", title_justify="left")
    table.add_row("announcements", f"{result.announcements:,}")
    table.add_row("of them, the same change once more", f"{result.repeats.total:,}")
    table.add_row("  for APNs had lost the one before", f"{result.repeats.lost:,}")
    table.add_row("  for the phone had slept through it, or is off", f"{result.repeats.asleep:,}")
    table.add_row("  for nobody lived to write it down", f"{result.repeats.unsettled:,}")
    table.add_row("pushes lost by APNs", f"{result.lost:,}")
    table.add_row("connections to APNs (GOAWAY every 1,000)", f"{result.connections:,}")
    table.add_row("workers killed", f"{result.kills} of {plan.kills}")
    table.add_row("database stopped and restarted", f"{result.restarts}")
    table.add_row("cards stale on a reachable phone", f"{result.stale}")
    table.add_row("live registrations removed", f"{result.registrations_removed}")
    table.add_row("seconds", f"{result.seconds:.0f}")
    console.print(table)
    sys.exit(not result.keeps_the_promise(plan))


main()
