"""The signed messages that Google sends when a card is saved or deleted.

Source: google-wallet.md, section 17.
"""

from __future__ import annotations

import base64
import json
import queue
import struct
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from wallet_service.clock import Clock
from wallet_service.simulators.event_log import EventLog

PROTOCOL = "ECv2SigningOnly"
SENDER = "GooglePayPasses"
TIMEOUT_S = 10.0
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""How long the sender waits before each new try after a 5xx or a silence; then it gives up."""

EventType = Literal["save", "del"]


@dataclass(frozen=True)
class SentCallback:
    """One message and what came of it; `status` None when nobody answered."""

    at: datetime
    event: EventType
    class_id: str
    object_id: str
    nonce: str
    url: str
    status: int | None
    attempts: int


@dataclass(frozen=True)
class _PendingCallback:
    event: EventType
    class_id: str
    object_id: str
    nonce: str
    url: str
    body: bytes


class SigningKeys:
    """The root key that the world can look up, and the intermediate that signs messages. Thread-safe.

    Args:
        clock: expiry is relative to it.
        root_lifetime: how long a root key is valid.
    """

    def __init__(self, clock: Clock, *, root_lifetime: timedelta = timedelta(days=365)) -> None:
        self._clock, self._root_lifetime = clock, root_lifetime
        self._lock = threading.Lock()
        self._published: list[dict[str, str]] = []
        self.rotate()

    def rotate(self, *, keep_old: bool = False) -> None:
        """Sign with a new root from now on; the old one is withdrawn unless it is kept."""
        root, intermediate = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        now = self._clock()
        entry = {
            "keyValue": _spki(root),
            "protocolVersion": PROTOCOL,
            "keyExpiration": _milliseconds(now + self._root_lifetime),
        }
        signed_key = _compact(
            {"keyValue": _spki(intermediate), "keyExpiration": _milliseconds(now + timedelta(days=7))}
        )
        signature = _sign(root, SENDER, PROTOCOL, signed_key)
        with self._lock:
            self._published = [entry, *(self._published if keep_old else [])]
            self._intermediate = intermediate
            self._voucher = {"signedKey": signed_key, "signatures": [signature]}

    def published(self) -> dict[str, object]:
        """The answer of the key address."""
        with self._lock:
            return {"keys": list(self._published)}

    def seal(self, message: str, issuer_id: str) -> bytes:
        """The body of one callback."""
        with self._lock:
            intermediate, voucher = self._intermediate, self._voucher
        return json.dumps(
            {
                "signature": _sign(intermediate, SENDER, issuer_id, PROTOCOL, message),
                "intermediateSigningKey": voucher,
                "protocolVersion": PROTOCOL,
                "signedMessage": message,
            }
        ).encode()


class CallbackSender:
    """Sends callbacks in order from one thread, again after 5xx and silence; can hold them back."""

    def __init__(self, keys: SigningKeys, clock: Clock, wait: Callable[[float], object] | None = None) -> None:
        self._keys, self._clock = keys, clock
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._queue: queue.SimpleQueue[_PendingCallback | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._held: list[_PendingCallback] | None = None
        self._thread = threading.Thread(target=self._run, name="google-callbacks")
        self.sent: EventLog[SentCallback] = EventLog()

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Drop what was not sent and join the thread."""
        self._stopping.set()
        self._queue.put(None)
        if self._thread.ident is not None:
            self._thread.join()

    def post(
        self, event: EventType, class_id: str, object_id: str, url: str, *, times: int = 1, lifetime_s: float = 3600
    ) -> str:
        """Queue one message, `times` over with the same nonce; returns the nonce."""
        nonce = str(uuid.uuid4())
        expires_at = self._clock() + timedelta(seconds=lifetime_s)
        message = _compact(
            {
                "classId": class_id,
                "objectId": object_id,
                "eventType": event,
                "expTimeMillis": int(expires_at.timestamp() * 1000),
                "count": 1,
                "nonce": nonce,
            }
        )
        body = self._keys.seal(message, class_id.partition(".")[0])
        callbacks = [_PendingCallback(event, class_id, object_id, nonce, url, body)] * times
        with self._lock:
            if self._held is not None:
                self._held += callbacks
                return nonce
        for callback in callbacks:
            self._queue.put(callback)
        return nonce

    def hold(self) -> None:
        """Keep messages back from now on."""
        with self._lock:
            self._held = self._held or []

    def release(self, *, reverse: bool = False) -> None:
        """Send what was held, in the reverse order if asked, and hold no more."""
        with self._lock:
            held, self._held = self._held or [], None
        for callback in reversed(held) if reverse else held:
            self._queue.put(callback)

    def _run(self) -> None:
        with requests.Session() as session:
            session.headers.update({"User-Agent": "Googlebot", "Content-Type": "application/json"})
            while (callback := self._queue.get()) is not None and not self._stopping.is_set():
                self._deliver(session, callback)

    def _deliver(self, session: requests.Session, callback: _PendingCallback) -> None:
        status, attempts = None, 0
        for pause_s in (*PAUSES_S, None):
            attempts += 1
            try:
                status = session.post(
                    callback.url, data=callback.body, timeout=TIMEOUT_S, allow_redirects=False
                ).status_code
            except requests.RequestException:
                status = None
            if (status is not None and status < 500) or pause_s is None or self._wait(pause_s):
                break
        self.sent.write(
            SentCallback(
                self._clock(),
                callback.event,
                callback.class_id,
                callback.object_id,
                callback.nonce,
                callback.url,
                status,
                attempts,
            )
        )


def _sign(key: ec.EllipticCurvePrivateKey, *parts: str) -> str:
    """DER ECDSA over each part with its length in front: four bytes, little-endian, of the UTF-8 bytes."""
    encoded = [part.encode("utf-8") for part in parts]
    signed = b"".join(struct.pack("<I", len(one)) + one for one in encoded)
    return base64.b64encode(key.sign(signed, ec.ECDSA(hashes.SHA256()))).decode("ascii")


def _spki(key: ec.EllipticCurvePrivateKey) -> str:
    der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode("ascii")


def _milliseconds(instant: datetime) -> str:
    return str(int(instant.timestamp() * 1000))


def _compact(document: dict[str, object]) -> str:
    # Google writes `=` escaped inside the signed strings; a verifier must take them byte for byte.
    return json.dumps(document, separators=(",", ":")).replace("=", "\\u003d")
