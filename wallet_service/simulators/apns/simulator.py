"""The APNs simulator: strict about requests, scripted in its failures, with phones that can be offline."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wallet_service.clock import Clock, system_clock
from wallet_service.simulators.apns.devices import Devices, OnPush, Push
from wallet_service.simulators.apns.http2 import Answer, Http2Connection
from wallet_service.simulators.apns.rules import PushRequest, Verdict, fault_in
from wallet_service.simulators.apns.script import Script
from wallet_service.simulators.apns.tls import make_server_identity, server_context, trust
from wallet_service.simulators.event_log import EventLog


@dataclass(frozen=True, slots=True)
class Announcement:
    """One request that was answered, and how. `lost`: answered 200 and, as scripted, not delivered."""

    arrived_at: datetime
    push_token: str
    topic: str | None
    headers: Mapping[str, str]
    body: bytes
    status: int
    reason: str | None
    apns_id: str
    connection: int
    lost: bool = False


class ApnsSimulator(Script):
    """Apple's push service on a loopback port; everything runs on background threads. `Script` says how it can fail.

    Args:
        client_ca_pem: authorities (one or more, PEM) under which client certificates are accepted.
        port: 0 takes a free one.
        clock: decides about expiry; times in the record come from it.
        max_concurrent_streams: what the settings frame says.

    Source: apple-wallet.md, section 5.
    """

    def __init__(
        self,
        client_ca_pem: bytes,
        *,
        port: int = 0,
        clock: Clock = system_clock,
        max_concurrent_streams: int = 1000,
    ) -> None:
        super().__init__()
        self._identity = make_server_identity()
        self._context = server_context(self._identity, client_ca_pem)
        self._asked_port = port
        self._clock = clock
        self._devices = Devices(clock)
        self._event_log: EventLog[Announcement] = EventLog()
        self._open: set[Http2Connection] = set()
        self._interlude_failures: list[BaseException] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._bound_port = 0
        self.max_concurrent_streams = max_concurrent_streams
        self.connections = 0
        self.pings = 0
        self.requests = 0
        self.refused_streams = 0

    def limit_streams(self, count: int) -> None:
        """Change MAX_CONCURRENT_STREAMS, on open connections too."""
        self.max_concurrent_streams = count

        def tell() -> None:
            for connection in self._open:
                connection.limit_streams(count)

        self._on_loop(tell)

    def drop_connections(self) -> None:
        """Cut every open connection without a word."""

        def cut() -> None:
            for connection in list(self._open):
                connection.abort()

        self._on_loop(cut)

    def connect_device(self, push_token: str, topic: str, on_push: OnPush) -> None:
        """A phone with this token for `topic` comes online.

        `on_push` is called on a delivery thread, one push at a time; what it raises is kept in `delivery_failures`.
        """
        self._devices.connect(push_token, topic, on_push)

    def disconnect(self, push_token: str, only: OnPush | None = None) -> None:
        """A phone goes offline: one push is stored for it until it returns, as long as `apns-expiration` allows.

        With `only`, nothing happens unless that callback is still how the phone is connected.
        """
        self._devices.disconnect(push_token, only)

    def unregister(self, push_token: str, at: datetime) -> None:
        """A token dies: 410 with this instant from now on."""
        self._devices.unregister(push_token, at)

    @property
    def announcements(self) -> tuple[Announcement, ...]:
        """Every request that was answered, oldest first."""
        return self._event_log.read()

    def wait_for(
        self, predicate: Callable[[Sequence[Announcement]], object], timeout_s: float = 5.0
    ) -> tuple[Announcement, ...]:
        """Wait until `predicate`, given all announcements, is true; TimeoutError otherwise."""
        return self._event_log.wait_for(predicate, timeout_s)

    def watch(self, on_announcement: Callable[[Announcement], object]) -> None:
        """Call `on_announcement` with each from now on, on the server's thread: it must not block."""
        self._event_log.watch(on_announcement)

    @property
    def delivery_failures(self) -> tuple[BaseException, ...]:
        """The exceptions that phones raised when a push was delivered to them."""
        return tuple(self._devices.failures)

    @property
    def url(self) -> str:
        """The address, for `WALLET_APNS_URL`."""
        return f"https://127.0.0.1:{self._bound_port}"

    @property
    def ca_pem(self) -> bytes:
        """The authority of the simulator's own certificate, PEM."""
        return self._identity.ca_pem

    def write_ca(self, path: Path) -> Path:
        """Write `ca_pem` to a file, for `WALLET_APNS_CA_FILE`."""
        path.write_bytes(self.ca_pem)
        return path

    def trust(self, client_ca_pem: bytes) -> None:
        """Accept clients under these authorities too, on connections to come."""
        trust(self._context, client_ca_pem)

    def start(self) -> None:
        """Bind and serve; returns when the port is open."""
        started: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), name="apns-simulator")
        self._thread.start()
        try:
            started.result(timeout=30)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Cut connections and join every thread.

        Raises:
            Exception: the first that a callback of `during_next_push` raised.
        """
        if self._thread is not None:
            if self._stop is not None:
                self._on_loop(self._stop.set)
            self._thread.join()
            self._thread = None
        self._devices.stop()
        if self._interlude_failures:
            raise self._interlude_failures.pop(0)

    def __enter__(self) -> ApnsSimulator:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _serve(self, started: Future[None]) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await self._loop.create_server(
                lambda: Http2Connection(self), "127.0.0.1", self._asked_port, ssl=self._context, backlog=256
            )
        except BaseException as error:
            started.set_exception(error)
            return
        self._bound_port = server.sockets[0].getsockname()[1]
        started.set_result(None)
        await self._stop.wait()
        await _accept_no_more(server)
        while self._open:
            for connection in list(self._open):
                connection.abort()
            await asyncio.sleep(0)
        await server.wait_closed()

    def _on_loop(self, action: Callable[[], object]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(action)

    # What `Http2Connection` asks; all on the event loop.
    def opened(self, connection: Http2Connection) -> int:
        """Count a new connection; return its number."""
        self._open.add(connection)
        self.connections += 1
        return self.connections

    def closed(self, connection: Http2Connection) -> None:
        """A connection has ended."""
        self._open.discard(connection)

    def pinged(self) -> None:
        """A client sent PING."""
        self.pings += 1

    def receive(self, request: PushRequest, topic: str | None, connection: int) -> Answer | Awaitable[Answer]:
        """Decide about one request, at once if nothing in the script takes time."""
        self.requests += 1
        if self.take_refusal():
            self.refused_streams += 1
            return Answer(None)
        arrived_at, interlude, delay_s = self._clock(), self.take_interlude(), self.delay_s
        if interlude is None and not delay_s:
            return self._answer(request, topic, connection, arrived_at)
        return self._answer_later(request, topic, connection, arrived_at, interlude, delay_s)

    async def _answer_later(
        self,
        request: PushRequest,
        topic: str | None,
        connection: int,
        arrived_at: datetime,
        interlude: Callable[[], object] | None,
        delay_s: float,
    ) -> Answer:
        if interlude is not None:
            try:
                await asyncio.to_thread(interlude)
            except Exception as error:
                self._interlude_failures.append(error)
        await asyncio.sleep(delay_s)
        return self._answer(request, topic, connection, arrived_at)

    def _answer(self, request: PushRequest, topic: str | None, connection: int, arrived_at: datetime) -> Answer:
        push_token, wanted_topic = request.push_token, request.header("apns-topic")
        verdict = fault_in(request, topic)
        if verdict is None:
            verdict = self.take_answer(push_token) or self._devices.verdict(push_token, wanted_topic or "")
            deliverable = verdict.status == 200 and self._devices.verdict(push_token, wanted_topic or "").status == 200
        else:
            deliverable = False
        apns_id = request.header("apns-id") if verdict.reason != "BadMessageId" else None
        apns_id = apns_id or str(uuid.uuid4())
        lost = deliverable and self.loses()
        headers = {name: value for name, value in request.fields if not name.startswith(":")}
        self._event_log.write(
            Announcement(
                arrived_at,
                push_token,
                wanted_topic,
                headers,
                request.body,
                verdict.status,
                verdict.reason,
                apns_id,
                connection,
                lost,
            )
        )
        if deliverable and not lost:
            self._devices.deliver(Push(push_token, wanted_topic or "", request.body, apns_id, request.expires_at_s))
        return Answer(verdict, apns_id)


async def _accept_no_more(server: asyncio.Server) -> None:
    """Close the port, and end every handshake and late answer.

    A connection that was accepted in this very turn must have become a transport before the server closes, and begun
    its handshake before it is cancelled: asyncio forgets it otherwise, open.
    """
    for listener in server.sockets:
        asyncio.get_running_loop().remove_reader(listener)
    for _ in range(3):
        await asyncio.sleep(0)
    server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


__all__ = ["Announcement", "ApnsSimulator", "Verdict"]
