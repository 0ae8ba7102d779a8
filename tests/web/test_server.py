"""The server as production runs it: what strangers send slowly, or too much of, and what goes on meanwhile."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
import requests

from tests.system import System, eventually

WITHIN_S = 2


@pytest.fixture
def address(system: System) -> Iterator[tuple[str, int]]:
    """`serve` in a process of its own, with two threads."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    environment = os.environ | system.environment
    environment |= {"WALLET_DATABASE_URL": system.services.database.url, "WALLET_BODY_WITHIN_S": str(WITHIN_S)}
    command = [sys.executable, "-m", "wallet_service", "serve", "--port", str(port), "--threads", "2"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: _answers(port))
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def begin(address: tuple[str, int], path: str, *headers: str, body: bytes = b"") -> socket.socket:
    """A request whose body has begun."""
    connection = socket.create_connection(address, timeout=30)
    lines = [f"POST {path} HTTP/1.1", "Host: cards.example", "Content-Type: application/json", *headers, "", ""]
    connection.sendall("\r\n".join(lines).encode() + body)
    return connection


def status_of(connection: socket.socket) -> int:
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", connection.recv(4096))
    assert found is not None
    return int(found[1])


def test_sixteen_slow_bodies_stop_nobody_and_are_not_waited_for(system: System, address: tuple[str, int]) -> None:
    """A4: as anonymous as can be; two threads answer."""
    url = f"http://{address[0]}:{address[1]}"
    paths = ["/google/callback", "/apple/v1/log", "/api/v1/events", "/apple/v1/devices/d/registrations/p/s"] * 4
    with ExitStack() as cleanup:
        slow = [cleanup.enter_context(closing(begin(address, p, "Content-Length: 900", body=b"{"))) for p in paths]
        assert requests.get(f"{url}/healthz", timeout=WITHIN_S).text == "alive\n"
        system.api.base = url
        assert system.api("PUT", "/members/M-1", {"first_name": "Claire"}).status_code == 201
        # the device log takes everything and answers nothing else
        assert [status_of(one) for one in slow] == [200 if p.endswith("/log") else 408 for p in paths]
        # what was answered stays open on the other side, and holds nothing up
        assert requests.get(f"{url}/healthz", timeout=WITHIN_S).text == "alive\n"


def test_a_body_that_is_too_large_is_not_read(address: tuple[str, int]) -> None:
    for path, length in (("/google/callback", 65_537), ("/api/v1/events", 16 * 1024**2 + 1), ("/api/v1/x", 2**21 + 1)):
        with closing(begin(address, path, f"Content-Length: {length}")) as connection:
            assert status_of(connection) == 413
    endless = b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
    with closing(begin(address, "/google/callback", "Transfer-Encoding: chunked", body=endless * 2)) as connection:
        assert status_of(connection) == 413


def test_a_request_is_the_same_as_under_wsgi(system: System, address: tuple[str, int]) -> None:
    """Headers, query, path, a body in chunks, and a HEAD."""
    url = f"http://{address[0]}:{address[1]}"
    system.api.base = url
    answer = system.api("PUT", "/members/%C3%89lodie", {"first_name": "É" * 100})
    assert (answer.status_code, answer.json()["member_id"]) == (201, "Élodie")
    assert system.api("GET", "/stores?limit=0").status_code == 422
    assert system.api("GET", "/members/%FF").status_code == 404
    key = {"Authorization": f"Bearer {system.api.key}", "Content-Type": "application/json"}
    chunks = iter([b'{"first_name": ', b'"Zo\xc3\xab"}'])
    assert requests.put(f"{url}/api/v1/members/M-2", data=chunks, headers=key, timeout=30).status_code == 201
    assert system.api.ok("GET", "/members/M-2")["first_name"] == "Zoë"
    assert requests.head(f"{url}/healthz", timeout=30).status_code == 200
    card = system.api.ok("POST", "/members/M-2/card")
    page = requests.get(card["links"]["card"].replace(system.url, url), timeout=30)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
