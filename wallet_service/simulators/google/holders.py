"""The holders of cards, and the phones that receive their changes.

Source: google-wallet.md, sections 6, 17 and 19.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import requests

from wallet_service.errors import Unreachable
from wallet_service.simulators.line_client import LineReader

ChangeKind = Literal["saved", "updated", "message", "field_update", "removed"]


@dataclass(frozen=True)
class ObjectChange:
    """What a phone hears: the whole object and its class as they are now, and why."""

    kind: ChangeKind
    object_id: str
    object: Mapping[str, Any]
    cls: Mapping[str, Any]
    header: str = ""
    body: str = ""


OnChange = Callable[[ObjectChange], None]


class WalletLink(Protocol):
    """The protocol by which a simulated Android phone connects to Google: `GoogleSimulator` in this
    process, `RemoteGoogle` from another.
    """

    @property
    def url(self) -> str: ...

    def connect_phone(self, user: str, on_change: OnChange) -> None: ...

    def disconnect_phone(self, user: str, only: OnChange | None = None) -> None: ...

    def remove(self, user: str, object_id: str) -> None: ...


class Holders:
    """Users, the objects they hold and the phones they have connected. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: dict[str, set[str]] = defaultdict(set)
        self._phones: dict[str, list[OnChange]] = defaultdict(list)

    def add(self, user: str, object_id: str) -> bool:
        """Note that a user holds an object; whether that is new."""
        with self._lock:
            is_new = user not in self._users[object_id]
            self._users[object_id].add(user)
            return is_new

    def discard(self, user: str, object_id: str) -> bool:
        """Note that a user holds an object no more; whether they did."""
        with self._lock:
            held = user in self._users[object_id]
            self._users[object_id].discard(user)
            return held

    def of(self, object_id: str) -> tuple[str, ...]:
        """Who holds an object."""
        with self._lock:
            return tuple(sorted(self._users[object_id]))

    def connect(self, user: str, on_change: OnChange) -> tuple[str, ...]:
        """A phone of this user listens from now on; returns the objects that the user holds."""
        with self._lock:
            self._phones[user].append(on_change)
            return tuple(sorted(one for one, users in self._users.items() if user in users))

    def disconnect(self, user: str, only: OnChange | None = None) -> None:
        """The user's phones (or only that one) listen no more."""
        with self._lock:
            self._phones[user] = [one for one in self._phones[user] if only is not None and one is not only]

    def tell(self, users: tuple[str, ...], change: ObjectChange) -> None:
        """Give a change to every connected phone of these users."""
        with self._lock:
            phones = [phone for user in users for phone in self._phones[user]]
        for phone in phones:
            phone(change)


class RemoteGoogle:
    """Google for an Android phone in another process, over the simulator's own port."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._lines: dict[str, LineReader] = {}

    @property
    def url(self) -> str:
        """Where the simulator listens."""
        return self._url

    def connect_phone(self, user: str, on_change: OnChange) -> None:
        """A phone of this user listens from now on."""
        self.disconnect_phone(user)
        self._lines[user] = LineReader(
            f"{self._url}/_simulator/phone",
            {"user": user},
            lambda value: on_change(ObjectChange(**value)),
            name=f"google-{user}",
        )

    def disconnect_phone(self, user: str, only: OnChange | None = None) -> None:
        """The user's phone listens no more."""
        if line := self._lines.pop(user, None):
            line.close()

    def remove(self, user: str, object_id: str) -> None:
        """The user deletes a card."""
        order = {"user": user, "object_id": object_id}
        try:
            requests.post(f"{self._url}/_simulator/remove", json=order, timeout=10).raise_for_status()
        except requests.RequestException as error:
            raise Unreachable(f"the Google simulator: {error}") from error

    def close(self) -> None:
        """Disconnect every phone."""
        for user in list(self._lines):
            self.disconnect_phone(user)

    def __enter__(self) -> RemoteGoogle:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
