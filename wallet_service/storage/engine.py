"""Opening the database: the one named by `WALLET_DATABASE_URL`, or the embedded one in the data folder."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import orjson
import psycopg
from sqlalchemy import URL, Engine, NullPool, create_engine, make_url
from sqlalchemy.exc import OperationalError

from wallet_service.errors import SettingsError
from wallet_service.settings import Settings
from wallet_service.storage import embedded

DATABASE_NAME = "wallet"
OLDEST_POSTGRESQL = 160000
_BOUNDS = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}
"""How long any connection of ours waits for a machine that is gone: libpq's parameters, in seconds, the last in
milliseconds. They travel in the address, so whoever connects with it has them; what an operator's address says stands.
"""


@dataclass
class Database:
    """An open database. `url` is what another process or psycopg itself may connect with."""

    engine: Engine
    url: str
    server: embedded.EmbeddedPostgres | None = None

    @property
    def libpq_url(self) -> str:
        """The address without SQLAlchemy's driver name, for psycopg and Procrastinate."""
        return self.url.replace("+psycopg", "", 1)

    @cached_property
    def aside(self) -> Engine:
        """A fresh connection for each use, given up after 2 s (libpq's least): for asking whether the database answers
        while those of `engine` may all be waiting for it.
        """
        return create_engine(self.url, poolclass=NullPool, connect_args={"connect_timeout": 2})

    def close(self) -> None:
        """Close the connections, and the embedded server if this was its last user."""
        self.engine.dispose()
        if self.server is not None:
            self.server.close()


def open_database(settings: Settings, *, pool_size: int = 10) -> Database:
    """Open the database that the settings name, or start the embedded one.

    Raises:
        SettingsError: neither is to be had, it cannot be reached, or it is older than PostgreSQL 16.
    """
    if settings.database_url is not None:
        return connect(settings.database_url.get_secret_value(), pool_size=pool_size)
    return open_embedded(settings.data_dir, pool_size=pool_size)


def open_embedded(data_dir: Path, *, durable: bool = True, pool_size: int = 10) -> Database:
    """Start the embedded server in `data_dir` and open its database, made if absent."""
    server = embedded.start(data_dir, durable=durable)
    address = server.url("postgres").replace("+psycopg", "")
    made_already = suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation)
    with psycopg.connect(address, autocommit=True) as admin, made_already:
        admin.execute(f"CREATE DATABASE {DATABASE_NAME}")
    database = connect(server.url(DATABASE_NAME), pool_size=pool_size)
    database.server = server
    return database


def connect(address: str, *, pool_size: int = 10) -> Database:
    """Open the PostgreSQL at `address` (postgresql://…)."""
    try:
        url = _bounded(make_url(address))
    except Exception as error:
        raise SettingsError("WALLET_DATABASE_URL should look like postgresql://user@host/database") from error
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,  # errors are logged, and what people wrote is not
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )
    try:
        with engine.connect() as connection:
            version = connection.connection.driver_connection.info.server_version  # type: ignore[union-attr]
    except OperationalError as error:
        engine.dispose()
        raise SettingsError(f"WALLET_DATABASE_URL cannot be reached: {error.orig}") from error
    if version < OLDEST_POSTGRESQL:
        engine.dispose()
        raise SettingsError(f"PostgreSQL 16 or later is needed; this one says {version // 10000}")
    return Database(engine, url.render_as_string(hide_password=False))


def _bounded(url: URL) -> URL:
    return url.set(drivername="postgresql+psycopg", query={**_BOUNDS, **url.query})
