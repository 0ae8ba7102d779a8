"""The application as granian's RSGI interface runs it: bodies are read in the event loop, before a thread is taken.

So a stranger who sends slowly costs a connection and nothing else. A WSGI server reads bodies in the threads that
answer, where as many slow bodies as there are threads stop everything.

Source: granian, "RSGI specification" 1.7; PEP 3333.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol
from wsgiref.types import WSGIApplication, WSGIEnvironment

from wallet_service.web.bodies import FLAW, MIB, Flaw, largest_body

_SLOWEST_BYTES_A_SECOND = 50_000
_MOST_HELD = 256 * MIB
"""Of all bodies that are being read."""


class Scope(Protocol):
    """What RSGI says of a request."""

    proto: str
    http_version: str
    server: str
    client: str
    scheme: str
    method: str
    path: str
    query_string: str
    authority: str | None
    headers: Any


class Server:
    """Runs a WSGI application in `threads` threads."""

    def __init__(self, app: WSGIApplication, *, threads: int, body_within_s: float) -> None:
        """Args: `body_within_s` is how long a body may take, and more the longer it is: 50 kB a second at the least."""
        self._app = app
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="request")
        self._body_within_s = body_within_s
        self._held = 0

    async def __rsgi__(self, scope: Scope, protocol: Any) -> None:
        """Answer one request."""
        body, flaw = b"", None
        if "content-length" in scope.headers or "transfer-encoding" in scope.headers:
            body, flaw = await self._body(scope, protocol)
        environ = environ_of(scope, body, flaw)
        loop = asyncio.get_running_loop()
        status, headers, answer = await loop.run_in_executor(self._threads, self._answer, environ)
        if flaw is not None:
            headers.append(("connection", "close"))
        protocol.response_bytes(status, headers, answer)

    def __rsgi_del__(self, _loop: Any) -> None:
        """The process ends: what was begun is answered first."""
        self._threads.shutdown(wait=True)

    async def _body(self, scope: Scope, protocol: Any) -> tuple[bytes, Flaw | None]:
        limit, told = largest_body(scope.path), scope.headers.get("content-length")
        length = int(told) if told is not None and told.isascii() and told.isdecimal() else None
        if length is not None and length > limit:
            return b"", "too_large"
        begun, chunks, size = asyncio.get_running_loop().time(), list[bytes](), 0
        try:
            async with asyncio.timeout(self._body_within_s) as patience:
                async for chunk in protocol:
                    chunks.append(chunk)
                    size += len(chunk)
                    self._held += len(chunk)
                    if size > limit:
                        return b"", "too_large"
                    if self._held > _MOST_HELD:
                        return b"", "busy"
                    patience.reschedule(begun + self._body_within_s + size / _SLOWEST_BYTES_A_SECOND)
        except TimeoutError:
            return b"", "late"
        finally:
            self._held -= size
        return (b"".join(chunks), None) if length is None or length == size else (b"", "incomplete")

    def _answer(self, environ: WSGIEnvironment) -> tuple[int, list[tuple[str, str]], bytes]:
        told: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None, /) -> Any:
            told[:] = [int(status[:3]), headers]
            return None

        parts: Iterable[bytes] = self._app(environ, start_response)
        try:
            body = b"".join(parts)
        finally:
            if (close := getattr(parts, "close", None)) is not None:
                close()
        status, headers = told
        return status, [*headers], body


def environ_of(scope: Scope, body: bytes, flaw: Flaw | None) -> WSGIEnvironment:
    """The request as PEP 3333 writes it. RSGI decodes paths as UTF-8; what is none has U+FFFD in it."""
    host, _, port = scope.server.rpartition(":")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if flaw is not None:
        environ[FLAW] = flaw
    if scope.authority is not None:
        environ["HTTP_HOST"] = scope.authority
    for name, value in scope.headers.items():
        if "_" in name:
            continue  # it would pass for the header with a dash
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        separator = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{separator}{value}" if key in environ and key != "HTTP_HOST" else value
    if body or flaw is not None:
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ
