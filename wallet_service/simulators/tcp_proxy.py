"""A TCP proxy that delays, swallows, resets or half-closes connections."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from typing import Literal, Self

Fault = Literal["none", "delay", "black hole", "reset", "half close"]
_CHUNK = 65536
_PATIENCE_S = 5.0
"""Whoever sends to a far end that does not read cannot be woken, and is left behind."""


class TcpProxy:
    """Carries connections to `target` (host and port, or the path of a Unix socket); `fault` may be changed at any
    moment and holds for open connections, too.

    `delay` holds each chunk back for `delay_s`; `black hole` reads and forwards nothing; `reset` cuts every connection
    with an RST, both ways at once; `half close` ends the sending direction (FIN) and goes on listening.
    """

    def __init__(self, target: tuple[str, int] | str, *, delay_s: float = 0.3) -> None:
        self._target = target
        self._delay_s = delay_s
        self._fault: Fault = "none"
        self._stopping = threading.Event()
        self._connections: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept, name="proxy")]

    @property
    def port(self) -> int:
        """Where to connect instead."""
        number: int = self._listener.getsockname()[1]
        return number

    def fail(self, fault: Fault) -> None:
        """From now on the line is like this; `none` heals it for what connects from now on."""
        self._fault = fault
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            if fault == "reset":
                _reset(connection)
            elif fault == "half close":
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()  # wakes the thread that accepts
        self._threads[0].join()
        self._listener.close()
        self.fail("reset")
        for thread in self._threads[1:]:
            thread.join(_PATIENCE_S)

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            if self._stopping.is_set():
                near.close()
                return
            far = _connected(self._target)
            with self._lock:
                self._connections += [near, far]
            for source, sink in ((near, far), (far, near)):
                thread = threading.Thread(target=self._carry, args=(source, sink), name="proxy-line", daemon=True)
                self._threads.append(thread)
                thread.start()
            if self._fault == "reset":
                self.fail("reset")

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if self._fault == "delay":
                    self._stopping.wait(self._delay_s)
                if self._fault != "black hole":
                    sink.sendall(chunk)
            if self._fault != "reset":  # else a FIN would go before the RST
                sink.shutdown(socket.SHUT_WR)


def _connected(target: tuple[str, int] | str) -> socket.socket:
    if not isinstance(target, str):
        return socket.create_connection(target)
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(target)
    return connection


def _reset(connection: socket.socket) -> None:
    """Close without lingering: that is what sends an RST. Shutting the reading side sends nothing; it wakes the thread
    that reads, without which the connection would stay open beneath it.
    """
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
    connection.close()
