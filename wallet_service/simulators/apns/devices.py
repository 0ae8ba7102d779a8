"""The phones that APNs knows: who is connected, what waits for the others, and delivery off the server's thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from wallet_service.clock import Clock
from wallet_service.simulators.apns.rules import Verdict


@dataclass(frozen=True, slots=True)
class Push:
    """What reaches a phone: which topic, and the body (`{}` for passes)."""

    push_token: str
    topic: str
    body: bytes
    apns_id: str
    expires_at_s: int = 0


OnPush = Callable[[Push], None]


class PushService(Protocol):
    """The protocol by which a simulated phone connects to APNs: `ApnsSimulator` in this process,
    `RemotePushService` from another.
    """

    def connect_device(self, push_token: str, topic: str, on_push: OnPush) -> None: ...

    def disconnect(self, push_token: str) -> None: ...

    def unregister(self, push_token: str, at: datetime) -> None: ...


@dataclass
class _Device:
    topic: str
    on_push: OnPush | None = None
    waiting: deque[Push] = field(default_factory=deque)
    delivering: bool = False
    gone_at: datetime | None = None


class Devices:
    """Every push token ever connected. Thread-safe; calls back on its own threads, one push of a phone at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._devices: dict[str, _Device] = {}
        self._deliverers = ThreadPoolExecutor(max_workers=8, thread_name_prefix="apns-delivery")
        self.failures: list[BaseException] = []

    def connect(self, push_token: str, topic: str, on_push: OnPush) -> None:
        """A phone comes online: what was stored for it is delivered, unless it expired."""
        push_token = push_token.lower()
        with self._lock:
            device = self._devices.get(push_token)
            if device is None or device.topic != topic:
                device = self._devices[push_token] = _Device(topic)
            device.on_push, device.gone_at = on_push, None
            now_s = self._clock().timestamp()
            device.waiting = deque(push for push in device.waiting if push.expires_at_s > now_s)
            self._wake(device)

    def disconnect(self, push_token: str, only: OnPush | None = None) -> None:
        """A phone goes offline; its token stays known. With `only`, just if that is still how it is connected."""
        with self._lock:
            device = self._devices.get(push_token.lower())
            if device is not None and (only is None or device.on_push is only):
                device.on_push = None

    def unregister(self, push_token: str, at: datetime) -> None:
        """A token dies at `at`: pushes to it are answered 410 from now on."""
        with self._lock:
            device = self._devices.setdefault(push_token.lower(), _Device(""))
            device.on_push, device.gone_at = None, at
            device.waiting.clear()

    def verdict(self, push_token: str, topic: str) -> Verdict:
        """What APNs answers about this token and topic."""
        with self._lock:
            device = self._devices.get(push_token)
        if device is None:
            return Verdict(400, "BadDeviceToken")
        if device.gone_at is not None:
            return Verdict(410, "Unregistered", gone_at_ms=int(device.gone_at.timestamp() * 1000))
        return Verdict(200) if device.topic == topic else Verdict(400, "DeviceTokenNotForTopic")

    def deliver(self, push: Push) -> None:
        """Deliver a push, or store it as the only one for its topic until the phone returns; never blocks."""
        with self._lock:
            device = self._devices[push.push_token]
            if device.on_push is None:
                device.waiting.clear()
                if push.expires_at_s <= self._clock().timestamp():
                    return
            device.waiting.append(push)
            self._wake(device)

    def stop(self) -> None:
        """End delivery and join the threads."""
        with self._lock:
            for device in self._devices.values():
                device.on_push = None
        self._deliverers.shutdown(wait=True)

    def _wake(self, device: _Device) -> None:
        if device.on_push is not None and device.waiting and not device.delivering:
            device.delivering = True
            self._deliverers.submit(self._drain, device)

    def _drain(self, device: _Device) -> None:
        while True:
            with self._lock:
                if device.on_push is None or not device.waiting:
                    device.delivering = False
                    return
                on_push, push = device.on_push, device.waiting.popleft()
            try:
                on_push(push)
            except Exception as error:
                self.failures.append(error)
