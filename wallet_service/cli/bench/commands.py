"""`wallet-service bench`: figures beside their yardsticks, from the same run on the same machine."""

from __future__ import annotations

import click
from rich.console import Console
from rich.table import Table

from wallet_service.cli.bench.google import bench_google

_PAGE_MS = 100


@click.group()
def bench() -> None:
    """Measure this program on this machine; ratios count, for they carry over."""


bench.add_command(bench_google)


@bench.command("apple")
@click.option("--passes", default=50, show_default=True, help="Passes built in each round.")
@click.option("--cards", default=300, show_default=True, help="Cards fetched over HTTP in each round.")
@click.option("--rounds", default=12, show_default=True, help="Rounds over HTTP.")
def bench_apple(passes: int, cards: int, rounds: int) -> None:
    """Build passes beside bare RSA signatures; serve phones beside an empty route on the same server."""
    from wallet_service.cli.bench.apple import identity_in_soft_token, measure_build, show
    from wallet_service.cli.bench.http import measure_http

    show("Building a signed .pkpass, processor time", measure_build(passes))
    with identity_in_soft_token() as identity:
        if identity is None:
            click.echo("Keys in tokens are not measured: SoftHSM2 is not installed.")
        else:
            title = "Building a .pkpass that a PKCS#11 token signs (SoftHSM2), processor time"
            show(title, measure_build(passes, identity=identity))
    show("Serving phones over HTTP, processor time of the web process", measure_http(cards, rounds))


@bench.command("apns")
@click.option("--pushes", default=40_000, show_default=True, help="Pushes of the largest run.")
def bench_apns(pushes: int) -> None:
    """Send pushes to a local HTTP/2 sink beside h2load."""
    from wallet_service.cli.bench.apple import measure_apns, show

    show("Announcing through APNs, one connection", measure_apns((pushes // 16, pushes // 4, pushes)))


@bench.command("delivery")
@click.option("--rows", default=40_000, show_default=True, help="Far ends with a pending announcement.")
def bench_delivery(rows: int) -> None:
    """From a due row in PostgreSQL to a settled row, through a local sink, beside sending alone; one worker and two."""
    from wallet_service.cli.bench.apple import show
    from wallet_service.cli.bench.delivery import measure_delivery

    show("Delivery", measure_delivery(rows))


@bench.command("latency")
@click.option("--per-second", default=100, show_default=True, help="Events each second.")
@click.option("--seconds", default=20, show_default=True)
@click.option("--beside-offer", default=0, help="Meanwhile an offer begins on so many more cards.")
def bench_latency(per_second: int, seconds: int, beside_offer: int) -> None:
    """From a CRM's request to the announcement at APNs, through real processes, at a steady rate."""
    from wallet_service.cli.bench.latency import measure_latency

    found = measure_latency(per_second, seconds, beside_offer=beside_offer)
    table = Table("events", "per second", "p50", "p90", "p99", "most", title="Event to APNs", title_justify="left")
    times = (f"{value:.0f} ms" for value in (found.p50_ms, found.p90_ms, found.p99_ms, found.most_ms))
    table.add_row(f"{found.events:,}", f"{found.per_second:.0f}", *times)
    Console().print(table)
    if beside_offer:
        click.echo(f"the offer was composed onto {found.composed_meanwhile:,} cards while the events came")


@bench.command("places")
@click.option("--members", default=1_000_000, show_default=True)
@click.option("--stores", default=2_000, show_default=True)
def bench_places(members: int, stores: int) -> None:
    """The ten places of each member, beside one bare k-d tree query of the same size; processor time."""
    from wallet_service.cli.bench.places import measure_places

    table = Table("members", "stores", "choosing", "bare query", "ratio", title="Ten places", title_justify="left")
    for one in measure_places(members, stores):
        seconds = (f"{one.chosen_s:.2f} s", f"{one.bare_s:.2f} s")
        table.add_row(f"{one.members:,}", f"{one.stores:,}", *seconds, f"{one.ratio:.2f} x (reach 5)")
    Console().print(table)


@bench.command("console")
@click.option("--members", default=1_000_000, show_default=True)
@click.option("--rounds", default=40, show_default=True, help="How often each page is opened.")
def bench_console(members: int, rounds: int) -> None:
    """The server's time for each page of the console, with very many members."""
    from wallet_service.cli.bench.console import measure_console

    table = Table("page", "p50", "p95", title=f"Console, {members:,} members", title_justify="left")
    slow = 0
    for one in measure_console(members, rounds):
        table.add_row(one.path, f"{one.p50_ms:.0f} ms", f"{one.p95_ms:.0f} ms")
        slow += one.p95_ms >= _PAGE_MS
    Console().print(table)
    click.echo(f"{slow} pages took {_PAGE_MS} ms or more at the 95th of a hundred")


@bench.command("walk")
@click.option("--cards", "sizes", multiple=True, type=int, default=(1_000, 10_000), show_default=True)
def bench_walk(sizes: tuple[int, ...]) -> None:
    """A campaign's walk over all cards: cost in a straight line, memory flat."""
    from wallet_service.cli.bench.walk import measure_walks

    table = Table("cards", "seconds", "cards per second", "peak memory", title="Walk", title_justify="left")
    for walk in measure_walks(sizes):
        table.add_row(f"{walk.cards:,}", f"{walk.seconds:.1f}", f"{walk.per_second:,.0f}", f"{walk.peak_mb:.0f} MB")
    Console().print(table)
