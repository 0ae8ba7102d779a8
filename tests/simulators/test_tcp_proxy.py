"""The TCP proxy: each fault does what it is named for."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from wallet_service.simulators.tcp_proxy import TcpProxy

_PATIENCE_S = 10.0


@contextmanager
def line() -> Iterator[tuple[TcpProxy, socket.socket, socket.socket]]:
    """A proxy and the two ends of a connection through it, which has carried a byte each way."""
    with ExitStack() as cleanup:
        listener = cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))
        proxy = cleanup.enter_context(TcpProxy(listener.getsockname()))
        client = cleanup.enter_context(socket.create_connection(("127.0.0.1", proxy.port)))
        listener.settimeout(_PATIENCE_S)
        server, _ = listener.accept()
        cleanup.enter_context(server)
        for end in (client, server):
            end.settimeout(_PATIENCE_S)
        client.sendall(b"1")
        assert server.recv(1) == b"1"
        server.sendall(b"2")
        assert client.recv(1) == b"2"
        yield proxy, client, server


def test_a_reset_is_no_polite_end() -> None:
    with line() as (proxy, client, server):
        proxy.fail("reset")
        for end in (client, server):
            with pytest.raises(ConnectionResetError):
                end.recv(1)


def test_a_half_closed_line_says_that_no_more_comes() -> None:
    with line() as (proxy, client, server):
        proxy.fail("half close")
        assert (client.recv(1), server.recv(1)) == (b"", b"")
