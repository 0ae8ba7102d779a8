"""A small HTTP server on loopback for the simulators: one handler function, JSON, and endless streams of JSON."""

from __future__ import annotations

import json
import queue
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

HEARTBEAT_S = 2.0
"""A stream with nothing to say sends an empty line this often, so that a reader who left is noticed."""


@dataclass(frozen=True)
class Request:
    """One request as it came; header names in lower case, path still percent-encoded."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; ValueError if it is not."""
        return json.loads(self.body or b"null")


@dataclass(frozen=True)
class Reply:
    """One answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
        """An answer whose body is `value` as JSON."""
        body = json.dumps(value, ensure_ascii=False).encode()
        return cls(status, body, "application/json; charset=UTF-8", headers or {})


class LineStream:
    """An endless answer: one JSON value a line, put by any thread. `on_end` runs once, when either end has left."""

    content_type = "application/x-ndjson"
    heartbeat = b"\n"

    def __init__(self, on_end: Callable[[], None] = lambda: None) -> None:
        self._values: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._end = object()
        self._on_end = on_end

    def put(self, value: object) -> None:
        """Send one value."""
        self._values.put(value)

    def close(self) -> None:
        """End the stream after what was put."""
        self._values.put(self._end)

    def lines(self) -> Iterator[bytes]:
        """The bytes to send; ends when closed."""
        try:
            while True:
                try:
                    value = self._values.get(timeout=HEARTBEAT_S)
                except queue.Empty:
                    yield self.heartbeat
                    continue
                if value is self._end:
                    return
                yield self.line(value)
        finally:
            self._on_end()

    def line(self, value: object) -> bytes:
        """One value as it travels."""
        return json.dumps(value, ensure_ascii=False).encode() + b"\n"


class EventStream(LineStream):
    """The same for browsers: server-sent events (WHATWG HTML, section 9.2), each with JSON as its data."""

    content_type = "text/event-stream"
    heartbeat = b":\n\n"

    def line(self, value: object) -> bytes:
        """One event."""
        return b"data: " + super().line(value) + b"\n"


Handler = Callable[[Request], "Reply | LineStream"]


class LoopbackServer:
    """Serves `handler` on loopback from background threads; `start` and `stop`, or a `with` block."""

    def __init__(self, handler: Handler, *, port: int = 0, name: str = "loopback") -> None:
        self._handler = handler
        self._asked_port = port
        self._name = name
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        if self._server is None:
            raise RuntimeError(f"the {self._name} server has not been started")
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> None:
        """Bind and begin to serve."""
        self._server = _Server(("127.0.0.1", self._asked_port), self._handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name=self._name)
        self._thread.start()

    def stop(self) -> None:
        """End streams and connections, and join every thread. Does nothing when not started."""
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        server.shutdown()
        thread.join()
        server.hang_up()
        server.server_close()
        self._server = self._thread = None

    def __enter__(self) -> LoopbackServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], handler: Handler) -> None:
        self.handler = handler
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._streams: set[LineStream] = set()
        self._ended = False
        super().__init__(address, _Conversation)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._sockets.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left in the middle is not an error here; anything else is, and is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def opened(self, stream: LineStream) -> None:
        with self._lock:
            self._streams.add(stream)
            if self._ended:
                stream.close()

    def ended(self, stream: LineStream) -> None:
        with self._lock:
            self._streams.discard(stream)

    def hang_up(self) -> None:
        with self._lock:
            self._ended = True
            streams, sockets = list(self._streams), list(self._sockets)
        for stream in streams:
            stream.close()
        for one in sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        address = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=address.path,
            query=dict(parse_qsl(address.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length") or 0)),
        )
        answer = self.server.handler(request)
        if isinstance(answer, Reply):
            self._reply(answer)
        else:
            self._stream(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve  # noqa: N815 - the standard library's names

    def _reply(self, reply: Reply) -> None:
        self.send_response(reply.status)
        if reply.body:
            self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def _stream(self, stream: LineStream) -> None:
        self.close_connection = True
        self.server.opened(stream)
        lines = stream.lines()
        try:
            self.send_response(200)
            self.send_header("Content-Type", stream.content_type)
            self.send_header("Cache-Control", "no-store")
            self.send_header("Connection", "close")
            self.end_headers()
            for line in lines:
                self.wfile.write(line)
                self.wfile.flush()
        finally:
            lines.close()  # type: ignore[attr-defined]  # a generator, whose end runs on_end
            self.server.ended(stream)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Nothing: the simulators keep their own event logs."""
