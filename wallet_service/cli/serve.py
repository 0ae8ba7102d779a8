"""`serve` and `worker`: the production processes."""

from __future__ import annotations

import os
import socket

import click
from prometheus_client import start_http_server

from wallet_service.cli.services import opened_services, settings_of_environment
from wallet_service.cli.stopping import end_within, stopping_by
from wallet_service.errors import SettingsError
from wallet_service.logs import log_uncaught, server_log_config

_END_AFTER_LEASE_S = 10.0
_WEB_ENDS_WITHIN_S = 20
_MOST_AT_ONCE = 8192
"""Requests that a process holds at once, also those whose bodies are still coming."""
_NO_LONG_STATEMENTS = "-c statement_timeout=30s"
"""For web processes: no request's statement takes a second, and a thread that waits for a lock serves nobody."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1), help="Web processes.")
@click.option("--threads", type=click.IntRange(1), help="Threads in each process, instead of WALLET_WEB_THREADS.")
def serve(host: str, port: int, processes: int, threads: int | None) -> None:
    """Serve phones, CRMs, Google and people over HTTP (put TLS in front)."""
    from granian import Granian  # a server is loaded only where one runs
    from granian.constants import Interfaces

    if threads is not None:
        os.environ["WALLET_WEB_THREADS"] = str(threads)  # the web processes read their settings themselves
    settings_of_environment()
    _require_free(host, port)
    with opened_services():  # a wrong setting stops here, in words, and the embedded database stays up for the children
        os.environ.setdefault("PGOPTIONS", _NO_LONG_STATEMENTS)
        Granian(
            "wallet_service.app:create_server",
            factory=True,
            address=host,
            port=port,
            interface=Interfaces.RSGI,
            workers=processes,
            websockets=False,
            backpressure=_MOST_AT_ONCE,
            workers_kill_timeout=_WEB_ENDS_WITHIN_S,
            log_access=False,
            log_dictconfig=server_log_config(),
        ).serve()


def _require_free(host: str, port: int) -> None:
    """Refuse a port that somebody has: the server's own words for that are a traceback for each of its processes.

    Raises:
        SettingsError: it is taken, or not ours to take.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise SettingsError(f"{host} port {port}: {error.strerror or error}; choose another --port") from error


@click.command()
@click.option("--metrics-port", type=click.IntRange(1, 65535), help="Serve Prometheus's metrics of this worker there.")
@click.option("--metrics-host", default="127.0.0.1", show_default=True, help="The address for --metrics-port.")
def worker(metrics_port: int | None, metrics_host: str) -> None:
    """Tell phones and Google what has changed; start as many as you like, on as many machines."""
    with opened_services() as services:
        if metrics_port is not None:
            try:
                start_http_server(metrics_port, addr=metrics_host)
            except OSError as error:
                words = f"{metrics_host} port {metrics_port}: {error.strerror or error}; choose another --metrics-port"
                raise SettingsError(words) from error
        log_uncaught()
        running = services.worker()

        def stop() -> None:
            end_within(services.settings.lease_s + _END_AFTER_LEASE_S)
            running.stop()

        with stopping_by(stop):
            running.run()
