"""`wallet-service bench`: figures beside their yardsticks, from the same run on the same machine."""

from __future__ import annotations

import click


@click.group()
def bench() -> None:
    """Measure this program on this machine; ratios count, for they carry over."""


@bench.command("apple")
@click.option("--passes", default=50, show_default=True, help="Passes built in each round.")
@click.option("--cards", default=300, show_default=True, help="Cards fetched over HTTP in each round.")
@click.option("--rounds", default=12, show_default=True, help="Rounds over HTTP.")
def bench_apple(passes: int, cards: int, rounds: int) -> None:
    """Build passes beside bare RSA signatures; serve phones beside an empty route on the same server."""
    from wallet_service.cli.bench_apple import measure_build, show
    from wallet_service.cli.bench_http import measure_http

    show("Building a signed .pkpass, processor time", measure_build(passes))
    show("Serving phones over HTTP, processor time of the web process", measure_http(cards, rounds))


@bench.command("apns")
@click.option("--pushes", default=40_000, show_default=True, help="Pushes of the largest run.")
def bench_apns(pushes: int) -> None:
    """Send pushes to a local HTTP/2 sink beside h2load."""
    from wallet_service.cli.bench_apple import measure_apns, show

    show("Announcing through APNs, one connection", measure_apns((pushes // 16, pushes // 4, pushes)))
