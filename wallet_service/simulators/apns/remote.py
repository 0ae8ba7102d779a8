"""APNs for a phone in another process: the same way of connecting, over the simulator's control port."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Any

import requests

from wallet_service.errors import Unreachable
from wallet_service.simulators.apns.devices import OnPush, Push
from wallet_service.simulators.line_client import LineReader

_TIMEOUT_S = 10.0


class RemotePushService:
    """Brings pushes over HTTP; one connection and one thread for each push token."""

    def __init__(self, control_url: str) -> None:
        self._control_url = control_url.rstrip("/")
        self._lock = threading.Lock()
        self._lines: dict[str, LineReader] = {}

    def connect_device(self, push_token: str, topic: str, on_push: OnPush) -> None:
        """A phone comes online; returns when the simulator knows it.

        Raises:
            Unreachable: nobody answers at the control port.
        """

        def deliver(value: Any) -> None:
            push = value["push"]
            on_push(Push(push_token, topic, push["body"].encode(), push["apns_id"], push["expires_at_s"]))

        self.disconnect(push_token)
        query = {"push_token": push_token, "topic": topic}
        line = LineReader(f"{self._control_url}/pushes", query, deliver, name=f"pushes-{push_token[:8]}")
        with self._lock:
            self._lines[push_token] = line

    def disconnect(self, push_token: str) -> None:
        """A phone goes offline. Does nothing if it is not online."""
        with self._lock:
            line = self._lines.pop(push_token, None)
        if line is not None:
            try:
                self._order("disconnect", push_token=push_token)
            finally:
                line.close()

    def unregister(self, push_token: str, at: datetime) -> None:
        """A token dies: 410 with this instant from now on."""
        self.disconnect(push_token)
        self._order("unregister", push_token=push_token, at=at.isoformat())

    def close(self) -> None:
        """Disconnect every phone and join the threads, even when the simulator has gone."""
        with self._lock:
            lines, self._lines = list(self._lines.values()), {}
        for line in lines:
            line.close()

    def __enter__(self) -> RemotePushService:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _order(self, name: str, **order: str) -> None:
        try:
            requests.post(f"{self._control_url}/{name}", json=order, timeout=_TIMEOUT_S).raise_for_status()
        except requests.RequestException as error:
            raise Unreachable(f"the APNs simulator's control port: {error}") from error
