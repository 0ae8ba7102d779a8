"""The reading end of a `LineStream`: how a phone in another process hears from a simulator."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode, urlsplit

from wallet_service.errors import Unreachable

_CONNECT_TIMEOUT_S = 10.0


class LineReader:
    """Reads JSON lines from `url` and gives each to `on_value` on a thread of its own, until `close`.

    The first line is the server's greeting: it has been read when the constructor returns.

    Raises:
        Unreachable: nobody answers, or not with 200.
    """

    def __init__(self, url: str, query: dict[str, str], on_value: Callable[[Any], None], *, name: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(address.netloc, timeout=_CONNECT_TIMEOUT_S)
        try:
            self._connection.connect()
            self._socket: socket.socket = self._connection.sock
            self._connection.request("GET", f"{address.path}?{urlencode(query)}")
            self._response = self._connection.getresponse()
            if self._response.status != 200 or not self._response.readline():
                raise Unreachable(f"{url} answered {self._response.status}")
            self._socket.settimeout(None)
        except OSError as error:
            self._connection.close()
            raise Unreachable(f"{url}: {error}") from error
        except Unreachable:
            self._hang_up()
            raise
        self._on_value = on_value
        self._thread = threading.Thread(target=self._follow, name=name)
        self._thread.start()

    def close(self) -> None:
        """Disconnect and join the thread."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _follow(self) -> None:
        with suppress(OSError, http.client.HTTPException):
            while line := self._response.readline():
                if line.strip():
                    self._on_value(json.loads(line))
        self._hang_up()

    def _hang_up(self) -> None:
        self._response.close()
        self._connection.close()
