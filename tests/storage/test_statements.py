"""Single statements: rows as PostgreSQL writes them, on connections that are used again and replaced when lost."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest

from wallet_service.storage.engine import Database
from wallet_service.storage.statements import Statements


def test_rows_and_refusals(new_database: Callable[[], Database]) -> None:
    database = new_database()
    statements = Statements(database.libpq_url)
    assert statements.rows("SELECT $1::bigint + 1, NULL, $2::text", 41, "été") == [[b"42", None, "été".encode()]]
    assert statements.rows("SELECT 1 WHERE $1::text = 'x'", "y") == []
    with pytest.raises(psycopg.errors.UndefinedTable):
        statements.rows("SELECT * FROM nothing")
    with pytest.raises(psycopg.errors.InvalidDatetimeFormat):
        statements.rows("SELECT $1::timestamptz", "soon")
    statements.close()
    database.close()


def test_a_lost_connection_is_replaced(new_database: Callable[[], Database]) -> None:
    database = new_database()
    statements = Statements(database.libpq_url)
    (first,) = statements.rows("SELECT pg_backend_pid()")
    assert statements.rows("SELECT pg_backend_pid()") == [first], "the connection is used again"
    with psycopg.connect(database.libpq_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [int(first[0] or b"")])
    (second,) = statements.rows("SELECT pg_backend_pid()")
    assert second != first
    statements.close()
    database.close()


def test_threads_share_what_is_free(new_database: Callable[[], Database]) -> None:
    database = new_database()
    statements = Statements(database.libpq_url)
    seen: set[bytes | None] = set()
    for _ in range(5):
        thread = threading.Thread(target=lambda: seen.update(statements.rows("SELECT pg_backend_pid()")[0]))
        thread.start()
        thread.join()
    assert len(seen) == 1
    statements.close()
    database.close()
