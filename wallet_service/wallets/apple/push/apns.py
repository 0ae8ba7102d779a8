"""The channel to iPhones: Apple Push Notification service over HTTP/2.

Apple, "Establishing a certificate-based connection to APNs", "Sending notification requests to APNs", "Handling
notification responses from APNs". A push for a pass carries nothing: the phone comes and asks what changed.
"""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pycurl
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from wallet_service.clock import Clock, system_clock
from wallet_service.wallets.apple.certificates import PassIdentity
from wallet_service.wallets.protocol import Accepted, ChannelDown, Gone, Later, Notice, Outcome, Refused

KEPT_BY_APPLE = timedelta(days=7)
WINDOW = 300
"""Most pushes on their way at once; Apple's own limit of streams on a connection is obeyed beneath it."""
REPLACED_AFTER_IDLE = timedelta(hours=1)
"""A connection that was silent for so long is not trusted again; Apple asks for a PING instead, which libcurl lacks."""
_QUIET_S = 0.05
"""After so long without an event libcurl is asked to look at its connection by itself: when a stream that it was
reading for ends, it may forget answers to others that it has already decrypted, and no event will ever tell of those.
"""
_GRACE_S = 2.0
"""How long what is on its way may still be answered over a connection that is to be replaced."""

_OUR_MISTAKES = frozenset(
    (
        *("BadCollapseId", "BadExpirationDate", "BadMessageId", "BadPriority", "BadTopic", "DuplicateHeaders"),
        *("InvalidPushType", "MethodNotAllowed", "MissingDeviceToken", "MissingTopic", "PayloadEmpty"),
        *("PayloadTooLarge", "TopicDisallowed"),
    )
)
"""What is wrong with every push alike, whichever phone it is for."""

_OUR_TLS_FAULTS = frozenset(
    (
        pycurl.E_BAD_FUNCTION_ARGUMENT,  # a key that does not belong to the certificate
        pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_SSL_ISSUER_ERROR,
        pycurl.E_URL_MALFORMAT,
        pycurl.E_UNSUPPORTED_PROTOCOL,
    )
)


def outcome_from_apns(
    status: int, reason: str, at: datetime | None = None, retry_after: timedelta | None = None, *, apns_id: str = ""
) -> Outcome:
    """What an answer of APNs asks of us. Pure.

    Args:
        reason: the JSON answer's `reason`, empty for 200.
        at: the instant since which a token is dead; only 410 carries one.
        retry_after: the server's own wish, if it named one.

    Source: Apple, "Handling notification responses from APNs".
    """
    words = reason or f"HTTP {status}"
    match status:
        case 200:
            return Accepted(apns_id)
        case 410 if at is not None:
            return Gone(since=at)
        case 400 if reason == "IdleTimeout":
            return Later(words, retry_after)
        case 403:
            return ChannelDown(words)
        case 400 | 405 | 413 if reason in _OUR_MISTAKES:
            return ChannelDown(words)
        case 429:
            return Later(words, retry_after)
        case _ if status >= 500:
            return Later(words, retry_after)
        case _:
            # About the token that a phone gave us (BadDeviceToken, DeviceTokenNotForTopic, BadPath), or about all of
            # them, for a wrong host or certificate answers so too: only many answers tell which.
            return Refused(words)


def outcome_from_curl(code: int, message: str) -> Outcome:
    """What a failure below HTTP asks of us: our own certificates stop the channel, all else passes. Pure.

    The reason is `libcurl 28: …`: its number (libcurl-errors), then its sentence.
    Under TLS 1.3 the server's refusal of our certificate arrives after the handshake, as an alert while reading.
    """
    words = f"libcurl {code}: {message}" if message else f"libcurl {code}"
    if code in _OUR_TLS_FAULTS or ("alert" in words and ("certificate" in words or "unknown ca" in words)):
        return ChannelDown(words)
    return Later(words)


@dataclass(slots=True)
class _Slot:
    """A reusable transfer and what it carries now."""

    curl: pycurl.Curl
    body: bytearray
    notice: Notice | None = None
    apns_id: str = ""
    is_scout: bool = False


@dataclass(slots=True)
class _Progress:
    """The progress of one `announce` call. `halted` is what all that is not yet sent is answered with."""

    waiting: Iterator[Notice]
    in_flight: int = 0
    more: bool = True
    halted: Outcome | None = None
    unsent: list[tuple[Notice, Outcome]] = field(default_factory=list)


class ApnsChannel:
    """One HTTP/2 connection to APNs for one pass type, kept open between calls. Used by one thread.

    After a failure below HTTP (a time-out, a reset) the connection is not used again: libcurl would go on with one that
    is open and never answers. What is on its way has a moment to be answered; then the next push goes over a new one.

    The first push on a connection that has not proved itself goes alone: if it fails below HTTP, so would all others,
    and they are given back at once instead of one connection attempt for each.

    Args:
        url: `https://api.push.apple.com`, or a simulator's.
        identity: the pass type's certificate, which signs in here too; its key never touches a file.
        ca_file: authorities of the server's certificate; None: the public ones.
        timeout: for one push, from its start to its answer.
        window: most pushes on their way at once.
        now: for the expiration header.
    """

    def __init__(
        self,
        url: str,
        identity: PassIdentity,
        *,
        ca_file: Path | None = None,
        timeout: timedelta = timedelta(seconds=20),
        window: int = WINDOW,
        now: Clock = system_clock,
    ) -> None:
        self._url = f"{url.rstrip('/')}/3/device/"
        self._certificates = identity.certificates_pem()
        self._key = identity.key_pem()
        self._topic = identity.pass_type_id
        self._ca_file = str(ca_file or DEFAULT_CA_BUNDLE_PATH)
        self._timeout_ms = round(timeout / timedelta(milliseconds=1))
        self._window = window
        self._now = now
        self._proven = False
        self._free: list[_Slot] = []
        self._busy: dict[pycurl.Curl, _Slot] = {}
        self._replace_at_s: float | None = None
        self._connect()

    def announce(self, notices: Iterable[Notice]) -> Iterator[tuple[Notice, Outcome]]:
        """Push to each phone once; yields every notice exactly once, as its answer arrives.

        Outcomes carry what APNs or the network said; see `outcome_from_apns` and `outcome_from_curl`. A push whose
        answer never came is `Later`: it may have arrived, and a second one does no harm.

        Source: Apple, "Sending notification requests to APNs".
        """
        course = _Progress(iter(notices))
        headers = self._headers()
        try:
            while course.more or course.in_flight:
                self._fill(course, headers)
                if course.in_flight:
                    self._move()
                yield from self._arrived(course)
                yield from self._replaced(course)
                yield from course.unsent
                course.unsent.clear()
        finally:
            for slot in list(self._busy.values()):
                self._release(slot)
            if self._replace_at_s is not None:
                self._replace()

    def close(self) -> None:
        """Close the connection."""
        for slot in [*self._busy.values(), *self._free]:
            slot.curl.close()
        self._busy.clear()
        self._free.clear()
        self._disconnect()

    def __enter__(self) -> ApnsChannel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self) -> None:
        """Begin with no connection; the next transfer opens one."""
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, 1)
        self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, 1)
        self._multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, self._window)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._selector = selectors.DefaultSelector()
        self._timer_ms = -1

    def _disconnect(self) -> None:
        self._multi.close()
        self._selector.close()

    def _replace(self) -> None:
        self._replace_at_s, self._proven = None, False
        self._disconnect()
        self._connect()

    def _replaced(self, course: _Progress) -> Iterator[tuple[Notice, Outcome]]:
        """Replace a connection that has failed, once nothing is on its way over it or its time is up."""
        if self._replace_at_s is None or (course.in_flight and time.monotonic() < self._replace_at_s):
            return
        for slot in list(self._busy.values()):
            yield self._settled(slot, Later("the connection was replaced"), course)
        self._replace()

    def _headers(self) -> list[str]:
        expiration = int((self._now() + KEPT_BY_APPLE).timestamp())
        return [
            f"apns-topic: {self._topic}",
            "apns-push-type: background",
            "apns-priority: 5",
            f"apns-expiration: {expiration}",
            "content-type: application/json",
            "accept:",
        ]

    def _fill(self, course: _Progress, headers: list[str]) -> None:
        most = self._window if self._proven else 1
        while course.more and course.in_flight < most and self._replace_at_s is None:
            notice = next(course.waiting, None)
            if notice is None:
                course.more = False
            elif course.halted is not None:
                course.unsent.append((notice, course.halted))
            elif not (notice.far_end.isascii() and notice.far_end.isalnum()):
                course.unsent.append((notice, Refused("BadDeviceToken")))
            else:
                self._send(notice, headers)
                course.in_flight += 1

    def _send(self, notice: Notice, headers: list[str]) -> None:
        slot = self._free.pop() if self._free else self._new_slot()
        slot.notice, slot.is_scout = notice, not self._proven
        slot.apns_id = new_apns_id()
        slot.curl.setopt(pycurl.URL, self._url + notice.far_end)
        slot.curl.setopt(pycurl.HTTPHEADER, [*headers, f"apns-id: {slot.apns_id}"])
        self._busy[slot.curl] = slot
        self._multi.add_handle(slot.curl)

    def _move(self) -> None:
        """Wait for the connection or for libcurl's timer, and let libcurl act on it.

        `socket_action` rather than `perform`, which visits every transfer at each turn: at 300 in flight it is three
        times as fast, and no file descriptor is too high for it.
        """
        wait_s = self._timer_ms / 1000 if self._timer_ms >= 0 else _QUIET_S
        ready = self._selector.select(min(wait_s, _QUIET_S)) if wait_s else []
        if not ready:
            self._timer_ms = -1
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            if wait_s >= _QUIET_S:
                for descriptor in list(self._selector.get_map()):
                    self._multi.socket_action(descriptor, 0)
        for key, events in ready:
            readable = pycurl.CSELECT_IN if events & selectors.EVENT_READ else 0
            writable = pycurl.CSELECT_OUT if events & selectors.EVENT_WRITE else 0
            self._multi.socket_action(key.fd, readable | writable)

    def _watch(self, what: int, descriptor: int, multi: pycurl.CurlMulti, data: object) -> None:
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)
        if what != pycurl.POLL_REMOVE:
            readable = selectors.EVENT_READ if what & pycurl.POLL_IN else 0
            writable = selectors.EVENT_WRITE if what & pycurl.POLL_OUT else 0
            self._selector.register(descriptor, readable | writable)

    def _set_timer(self, milliseconds: int) -> None:
        self._timer_ms = milliseconds

    def _arrived(self, course: _Progress) -> Iterator[tuple[Notice, Outcome]]:
        more = True
        while more:
            more, answered, failed = self._multi.info_read()
            for curl in answered:
                slot = self._busy[curl]
                outcome = _outcome_of(slot)
                self._proven = True
                yield self._settled(slot, outcome, course)
            for curl, code, message in failed:
                slot = self._busy[curl]
                outcome = outcome_from_curl(code, message)
                if slot.is_scout:
                    course.halted = outcome
                self._proven = False
                if self._replace_at_s is None:
                    self._replace_at_s = time.monotonic() + _GRACE_S
                yield self._settled(slot, outcome, course)

    def _settled(self, slot: _Slot, outcome: Outcome, course: _Progress) -> tuple[Notice, Outcome]:
        notice = slot.notice
        assert notice is not None  # noqa: S101  (a busy slot carries one)
        if isinstance(outcome, ChannelDown):
            course.halted = outcome
        course.in_flight -= 1
        self._release(slot)
        return notice, outcome

    def _release(self, slot: _Slot) -> None:
        del self._busy[slot.curl]
        self._multi.remove_handle(slot.curl)
        slot.notice = None
        slot.body.clear()
        self._free.append(slot)

    def _new_slot(self) -> _Slot:
        slot = _Slot(pycurl.Curl(), bytearray())
        options = {
            pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_2TLS,
            pycurl.PIPEWAIT: 1,
            pycurl.SSLVERSION: pycurl.SSLVERSION_TLSv1_2,
            pycurl.CAINFO: os.fsencode(os.fsencode(self._ca_file)),
            pycurl.SSLCERTTYPE: "PEM",
            pycurl.SSLCERT_BLOB: self._certificates,
            pycurl.SSLKEYTYPE: "PEM",
            pycurl.SSLKEY_BLOB: self._key,
            pycurl.POSTFIELDS: "{}",
            pycurl.USERAGENT: "wallet-service",
            pycurl.WRITEFUNCTION: slot.body.extend,
            pycurl.TIMEOUT_MS: self._timeout_ms,
            pycurl.NOSIGNAL: 1,
            pycurl.TCP_KEEPALIVE: 1,
            pycurl.DNS_CACHE_TIMEOUT: 0,
            pycurl.MAXAGE_CONN: int(REPLACED_AFTER_IDLE.total_seconds()),
        }
        for option, value in options.items():
            slot.curl.setopt(option, value)
        return slot


def new_apns_id() -> str:
    """A random UUID in lower case; written here because `uuid.uuid4` takes a tenth of a push's whole time."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _outcome_of(slot: _Slot) -> Outcome:
    status = slot.curl.getinfo(pycurl.RESPONSE_CODE)
    if status == 200:
        return Accepted(slot.apns_id)
    reason, at = _read_body(bytes(slot.body))
    seconds = slot.curl.getinfo(pycurl.RETRY_AFTER)
    return outcome_from_apns(status, reason, at, timedelta(seconds=seconds) if seconds else None)


def _read_body(body: bytes) -> tuple[str, datetime | None]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "", None
    if not isinstance(answer, dict):
        return "", None
    reason, since_ms = answer.get("reason"), answer.get("timestamp")
    at = datetime.fromtimestamp(since_ms / 1000, UTC) if isinstance(since_ms, int | float) else None
    return reason if isinstance(reason, str) else "", at
