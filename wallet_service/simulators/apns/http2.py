"""One HTTP/2 connection of the APNs simulator: frames in, answers out. Knows nothing of pushes."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Protocol

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingReceived,
    RequestReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from wallet_service.simulators.apns.rules import PushRequest, Verdict
from wallet_service.simulators.apns.tls import topic_of


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back on one stream; without a verdict the stream is refused."""

    verdict: Verdict | None
    apns_id: str = ""


class RequestHandler(Protocol):
    """The protocol of whoever answers requests; all of it runs on the event loop."""

    max_concurrent_streams: int

    def opened(self, connection: Http2Connection) -> int: ...

    def closed(self, connection: Http2Connection) -> None: ...

    def pinged(self) -> None: ...

    def receive(self, request: PushRequest, topic: str | None, connection: int) -> Answer | Awaitable[Answer]: ...

    def goaway_due(self, requests: int) -> str | None: ...


@dataclass(slots=True)
class _Incoming:
    fields: list[tuple[str, str]]
    body: bytearray = field(default_factory=bytearray)


class Http2Connection(asyncio.Protocol):
    """The server side of one client's HTTP/2 connection."""

    def __init__(self, office: RequestHandler) -> None:
        self._office = office
        self._h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._incoming: dict[int, _Incoming] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._requests = 0
        self._last_stream: int | None = None
        self._transport: asyncio.Transport | None = None
        self.topic: str | None = None
        self.number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Look at the client's certificate and send our settings."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        tls: ssl.SSLObject = transport.get_extra_info("ssl_object")
        self.number = self._office.opened(self)
        if tls.selected_alpn_protocol() != "h2":
            transport.abort()
            return
        self.topic = topic_of(tls.getpeercert(binary_form=True))
        # A limit binds once it is acknowledged; given as an initial value it would bind a client that has not read it.
        self._h2.local_settings = Settings(
            client=False, initial_values={SettingCodes.MAX_CONCURRENT_STREAMS: 2**31 - 1}
        )
        self._h2.initiate_connection()
        self.limit_streams(self._office.max_concurrent_streams)

    def data_received(self, data: bytes) -> None:
        """Feed the state machine and react to what it saw."""
        try:
            for event in self._h2.receive_data(data):
                self._react(event)
        except ProtocolError:
            self._flush()
            self._close()
            return
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was on its way."""
        self._transport = None
        for task in self._tasks.values():
            task.cancel()
        self._office.closed(self)

    def limit_streams(self, count: int) -> None:
        """Tell the client how many streams it may have open."""
        self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: count})
        self._flush()

    def abort(self) -> None:
        """Drop the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _react(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=int(stream), headers=headers) if headers is not None:
                self._incoming[stream] = _Incoming([(str(name), str(value)) for name, value in headers])
            case DataReceived(stream_id=int(stream), data=bytes(data), flow_controlled_length=int(length)):
                self._h2.acknowledge_received_data(length, stream)
                if stream in self._incoming:
                    self._incoming[stream].body += data
            case StreamEnded(stream_id=int(stream)):
                self._complete(stream)
            case StreamReset(stream_id=int(stream)):
                self._incoming.pop(stream, None)
                if task := self._tasks.pop(stream, None):
                    task.cancel()
            case PingReceived():
                self._office.pinged()
            case ConnectionTerminated():
                self._close()
            case _:
                return

    def _complete(self, stream: int) -> None:
        incoming = self._incoming.pop(stream, None)
        if incoming is None or (self._last_stream is not None and stream > self._last_stream):
            return
        self._requests += 1
        reason = self._office.goaway_due(self._requests) if self._last_stream is None else None
        if reason is not None:
            self._last_stream = stream
        answer = self._office.receive(PushRequest(incoming.fields, bytes(incoming.body)), self.topic, self.number)
        if isinstance(answer, Answer):
            self._send(stream, answer)
        else:
            self._tasks[stream] = asyncio.ensure_future(self._send_later(stream, answer))
        if reason is not None:
            self._go_away(stream, reason)
        self._close_if_drained()

    async def _send_later(self, stream: int, answer: Awaitable[Answer]) -> None:
        self._send(stream, await answer)
        self._tasks.pop(stream, None)
        self._flush()
        self._close_if_drained()

    def _send(self, stream: int, answer: Answer) -> None:
        if answer.verdict is None:
            self._h2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
            return
        verdict, body = answer.verdict, answer.verdict.body()
        headers = [(":status", str(verdict.status)), ("apns-id", answer.apns_id)]
        if verdict.retry_after_s is not None:
            headers.append(("retry-after", str(verdict.retry_after_s)))
        if body:
            headers.append(("content-type", "application/json"))
        self._h2.send_headers(stream, headers, end_stream=not body)
        if body:
            self._h2.send_data(stream, body, end_stream=True)

    def _go_away(self, last_stream: int, reason: str) -> None:
        # Written past h2, whose own close_connection would forbid the answers that are still to come.
        frame = GoAwayFrame(0, last_stream_id=last_stream, error_code=ErrorCodes.NO_ERROR)
        frame.additional_data = json.dumps({"reason": reason}).encode()
        self._flush()
        if self._transport is not None:
            self._transport.write(frame.serialize())

    def _close_if_drained(self) -> None:
        if self._last_stream is not None and not self._tasks:
            self._flush()
            self._close()

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
