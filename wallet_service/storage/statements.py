"""Prepared single statements, straight to PostgreSQL: for the few queries of every phone's requests.

A session costs a phone's "nothing new?" twenty times what the answer does. One statement is its own transaction, and a
row of a few texts needs no mapping; so this uses psycopg's lowest level, where a prepared statement costs one call.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import pq

Row = list[bytes | None]
"""One row: each column as PostgreSQL writes it, None where it is null."""
_GOOD = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


class Statements:
    """Runs one statement at a time, each its own transaction, on a connection that is free. Safe to share between
    threads: there are as many connections as statements ever ran at once.
    """

    def __init__(self, libpq_url: str) -> None:
        self._url = libpq_url
        self._free: list[_Connection] = []
        self._closed = False

    def rows(self, statement: str, *values: str | int) -> list[Row]:
        """Run a statement with `$1`, `$2` … in it; returns its rows.

        Raises:
            psycopg.Error: PostgreSQL refused it, or cannot be reached.
        """
        wires = [str(value).encode() for value in values]
        while (connection := self._take()) is not None:
            try:
                return connection.rows(statement, wires)
            except psycopg.DatabaseError:
                # The database went away and may be back. What this is used for may run twice.
                if connection.alive:
                    raise
            finally:
                self._give_back(connection)
        connection = _Connection(self._url)
        try:
            return connection.rows(statement, wires)
        finally:
            self._give_back(connection)

    def close(self) -> None:
        """Close the connections; those at work are closed as they come back."""
        self._closed = True
        while (connection := self._take()) is not None:
            connection.close()

    def _take(self) -> _Connection | None:
        try:
            return self._free.pop()
        except IndexError:
            return None

    def _give_back(self, connection: _Connection) -> None:
        if connection.alive:
            self._free.append(connection)
        if self._closed:  # looked at last: whoever closes sees this connection, or this sees that it was closed
            self.close()


class _Connection:
    """One connection with what is prepared on it."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._names: dict[str, bytes] = {}

    @property
    def alive(self) -> bool:
        return not self._connection.closed

    def close(self) -> None:
        self._connection.close()

    def rows(self, statement: str, wires: Sequence[bytes]) -> list[Row]:
        pgconn = self._connection.pgconn
        name = self._names.get(statement)
        if name is None:
            name = b"s%d" % len(self._names)
            self._require_good(pgconn.prepare(name, statement.encode()))
            self._names[statement] = name
        result = self._require_good(pgconn.exec_prepared(name, wires))
        columns = range(result.nfields)
        return [[result.get_value(row, column) for column in columns] for row in range(result.ntuples)]

    def _require_good(self, result: pq.abc.PGresult) -> pq.abc.PGresult:
        if result.status not in _GOOD:
            raise psycopg.errors.error_from_result(result)
        return result
