"""Processes end when they are asked to: at any moment, and in time, whatever they are waiting for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import click
import granian
import pytest
from click.testing import CliRunner
from sqlalchemy import text

from tests.storage.silent_line import SilentLine
from tests.system import System, eventually, running_system
from wallet_service.cli.serve import serve
from wallet_service.cli.stopping import stopping_by
from wallet_service.simulators.apple_pki import Chain
from wallet_service.storage import engine
from wallet_service.storage.engine import Database

BRIEF = {"WALLET_LEASE_S": "1", "WALLET_APNS_TIMEOUT_S": "0.5", "WALLET_GOOGLE_TIMEOUT_S": "0.5"}


def test_a_signal_is_not_answered_within_what_it_interrupts() -> None:
    before, lock, stopped = signal.getsignal(signal.SIGTERM), threading.Lock(), threading.Event()

    def stop() -> None:
        with lock:  # as Event.set() has one, which the main thread may hold in Event.wait()
            stopped.set()

    with stopping_by(stop):
        with lock:
            os.kill(os.getpid(), signal.SIGTERM)
            assert not stopped.wait(0.1)
        assert stopped.wait(10)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_process_ends_in_time_whatever_its_threads_do() -> None:
    """Both of a job's habits: the main thread is done, and the interpreter waits for a thread that is not."""
    script = (
        "import threading; from wallet_service.cli.stopping import end_within;"
        "threading.Thread(target=threading.Event().wait).start(); end_within(0.2)"
    )
    ended = subprocess.run([sys.executable, "-c", script], timeout=30, check=False, capture_output=True)
    assert ended.returncode == 1
    assert b"ended_by_force" in ended.stdout + ended.stderr


def test_a_worker_ends_while_its_database_does_not_answer(
    new_database: Callable[[], Database], chain: Chain, tmp_path: Path
) -> None:
    database = new_database()
    with SilentLine(database) as line, running_system(engine.connect(line.url), chain, tmp_path, **BRIEF) as system:
        worker = system.worker_process()
        eventually(lambda: system.rows("SELECT FROM worker_heartbeats"))
        line.fail("black hole")
        worker.terminate()
        assert worker.wait(60) == 1
        line.fail("reset")
    database.close()


def test_web_processes_give_a_statement_up(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of `serve` but the server, in whose place the database is asked how long a statement may take."""

    class Asking:
        def __init__(self, *_: object, **__: object) -> None: ...

        def serve(self) -> None:
            database = engine.connect(system.services.database.url)
            with database.engine.connect() as connection:
                click.echo(connection.execute(text("SHOW statement_timeout")).scalar_one())
            database.close()

    monkeypatch.setattr(granian, "Granian", Asking)
    environment = system.environment | {"WALLET_DATABASE_URL": system.services.database.url}
    assert CliRunner().invoke(serve, env=environment | {"PGOPTIONS": None}).output == "30s\n"
    assert CliRunner().invoke(serve, env=environment | {"PGOPTIONS": "-c statement_timeout=5s"}).output == "5s\n"
