"""A line to PostgreSQL that can fall silent: what is sent is taken and never answered, as by a machine that hangs."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from sqlalchemy import make_url

from wallet_service.storage.engine import Database


class SilentLine:
    """Carries TCP connections to the Unix socket of a test's database, until it falls `silent`."""

    def __init__(self, database: Database) -> None:
        url = make_url(database.url)
        self._target = f"{url.query['host']}/.s.PGSQL.5432"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"postgresql://postgres@127.0.0.1:{self._listener.getsockname()[1]}/{url.database}"
        self.silent = threading.Event()
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="line")]

    def __enter__(self) -> SilentLine:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()

    def hang_up(self) -> None:
        """End what is open, so that whoever waits for an answer learns that there is none."""
        for end in list(self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                self._ends += [near, far]
                for source, sink in ((near, far), (far, near)):
                    thread = threading.Thread(target=self._carry, args=(source, sink), name="line")
                    self._threads.append(thread)
                    thread.start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                if not self.silent.is_set():
                    sink.sendall(chunk)
            sink.shutdown(socket.SHUT_RDWR)
