"""`serve` and `worker`: the production processes."""

from __future__ import annotations

import os

import click
from prometheus_client import start_http_server

from wallet_service.cli.services import opened_services, settings_of_environment
from wallet_service.cli.stopping import end_within, stopping_by

_END_AFTER_LEASE_S = 10.0
_WEB_ENDS_WITHIN_S = 20
_NO_LONG_STATEMENTS = "-c statement_timeout=30s"
"""For web processes: no request's statement takes a second, and a thread that waits for a lock serves nobody."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1), help="Web processes.")
@click.option("--threads", default=8, show_default=True, type=click.IntRange(1), help="Threads in each process.")
def serve(host: str, port: int, processes: int, threads: int) -> None:
    """Serve phones, CRMs, Google and people over HTTP (put TLS in front)."""
    from granian import Granian  # a server is loaded only where one runs
    from granian.constants import Interfaces

    settings_of_environment()
    with opened_services():  # a wrong setting stops here, in words, and the embedded database stays up for the children
        os.environ.setdefault("PGOPTIONS", _NO_LONG_STATEMENTS)
        Granian(
            "wallet_service:create_app",
            factory=True,
            address=host,
            port=port,
            interface=Interfaces.WSGI,
            workers=processes,
            blocking_threads=threads,
            workers_kill_timeout=_WEB_ENDS_WITHIN_S,
            log_access=False,
        ).serve()


@click.command()
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Serve Prometheus's metrics of this worker there.")
def worker(metrics_port: int | None) -> None:
    """Tell phones and Google what has changed; start as many as you like, on as many machines."""
    with opened_services() as services:
        if metrics_port is not None:
            start_http_server(metrics_port)
        running = services.worker()

        def stop() -> None:
            end_within(services.settings.lease_s + _END_AFTER_LEASE_S)
            running.stop()

        with stopping_by(stop):
            running.run()
