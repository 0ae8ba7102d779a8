"""A line to PostgreSQL that can fall silent: what is sent is taken and never answered, as by a machine that hangs."""

from __future__ import annotations

from sqlalchemy import make_url

from wallet_service.simulators.tcp_proxy import TcpProxy
from wallet_service.storage.engine import Database


class SilentLine(TcpProxy):
    """Carries TCP connections to the Unix socket of a test's database; a `black hole` is its silence."""

    def __init__(self, database: Database) -> None:
        address = make_url(database.url)
        super().__init__(f"{address.query['host']}/.s.PGSQL.5432")
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/{address.database}"
