"""Databases, keys and systems for every test."""

from __future__ import annotations

import itertools
import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.browser import chromium
from tests.system import PASS_TYPE, TEAM, System, running_system
from wallet_service.simulators.apple_pki import Chain, DevelopmentAuthority
from wallet_service.storage import embedded, engine, schema
from wallet_service.storage.engine import Database

logging.getLogger("werkzeug").setLevel(logging.ERROR)
_TEMPLATE = "wallet_template"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for a newcomer about what this machine cannot run."""
    if chromium.are_left_out():
        terminalreporter.write_line(chromium.MISSING, yellow=True)


@pytest.fixture(scope="session")
def cluster() -> Iterator[embedded.EmbeddedPostgres]:
    """A PostgreSQL for this test process, with one migrated database to copy from.

    Not in pytest's own temporary folder: run as root, the server is somebody else, and pytest shuts that folder to
    others.
    """
    with tempfile.TemporaryDirectory(prefix="wallet-tests-") as folder:
        server = embedded.start(Path(folder), durable=False)
        _administer(server, f"CREATE DATABASE {_TEMPLATE}")
        template = engine.connect(server.url(_TEMPLATE))
        schema.upgrade(template.engine)
        template.close()
        yield server
        server.close()


@pytest.fixture
def new_database(cluster: embedded.EmbeddedPostgres) -> Iterator[Callable[[], Database]]:
    """Makes databases, each migrated and empty; all are dropped in the end."""
    numbers, opened = itertools.count(), []

    def make() -> Database:
        name = f"wallet_{next(numbers)}"
        _administer(cluster, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        opened.append(name)
        return engine.connect(cluster.url(name))

    yield make
    for name in opened:
        _administer(cluster, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def authority() -> DevelopmentAuthority:
    """Stands in for Apple's: issues throwaway certificates for any pass type."""
    return DevelopmentAuthority.make(datetime.now(UTC))


@pytest.fixture(scope="session")
def chain(authority: DevelopmentAuthority) -> Chain:
    """A throwaway chain with Apple's shape."""
    return authority.issue(PASS_TYPE, TEAM, "Maison Lumière", datetime.now(UTC))


OpenSystem = Callable[..., System]


@pytest.fixture
def open_system(new_database: Callable[[], Database], chain: Chain, tmp_path: Path) -> Iterator[OpenSystem]:
    """Opens a system with settings of the test's own choice."""
    with ExitStack() as cleanup:
        yield lambda **options: cleanup.enter_context(running_system(new_database(), chain, tmp_path, **options))


@pytest.fixture
def system(open_system: OpenSystem) -> System:
    """The usual system: a CRM's programme with the points card."""
    return open_system()


def _administer(server: embedded.EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(server.url("postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement.encode())
