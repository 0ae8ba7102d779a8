"""`bench walk`: what a campaign's walk costs for each card, and how much memory it takes."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import click
import orjson

from wallet_service.cli.bench.installation import bench_installation
from wallet_service.cli.services import opened_services
from wallet_service.offers.campaigns import start_campaign


@dataclass(frozen=True, kw_only=True)
class Walk:
    """One size. The walk composes every card and finds that no face has changed."""

    cards: int
    seconds: float
    per_second: float
    peak_mb: float


def measure_walks(sizes: tuple[int, ...]) -> list[Walk]:
    """Walk over each number of cards, in a process of its own, whose peak memory is its own."""
    walks = []
    for cards in sizes:
        with bench_installation(cards) as site:
            command = [sys.executable, "-m", __name__]
            done = subprocess.run(command, env=site.environment, check=True, capture_output=True)
            walks.append(Walk(cards=cards, **orjson.loads(done.stdout.splitlines()[-1])))
    return walks


def _walk() -> None:
    """Compose all cards for the first time, then start a campaign and walk it to its end; print the figures."""
    with opened_services() as services:
        worker = services.worker()
        _until_idle(worker.compose_step)
        with services.sessions.begin() as db:
            start_campaign(db, "bench", reason="bench", now=services.clock())
        began = time.perf_counter()
        composed = _until_idle(worker.compose_step)
        seconds = time.perf_counter() - began
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    click.echo(orjson.dumps({"seconds": seconds, "per_second": composed / seconds, "peak_mb": peak_mb}))


def _until_idle(step: Callable[[], int]) -> int:
    total = 0
    while (done := step()) > 0:
        total += done
    return total


if __name__ == "__main__":
    _walk()
