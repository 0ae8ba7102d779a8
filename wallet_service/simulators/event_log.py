"""A simulator's event log, in order, for tests that wait for an entry."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class EventLog(Generic[T]):
    """Entries that one thread writes and others read or wait for; the oldest leave when `keep` is reached."""

    def __init__(self, *, keep: int = 200_000) -> None:
        self._entries: deque[T] = deque(maxlen=keep)
        self._changed = threading.Condition()
        self._watchers: list[Callable[[T], object]] = []

    def write(self, entry: T) -> None:
        """Add one entry and wake those who wait."""
        with self._changed:
            self._entries.append(entry)
            self._changed.notify_all()
            watchers = list(self._watchers)
        for on_entry in watchers:
            on_entry(entry)

    def read(self) -> tuple[T, ...]:
        """All entries, oldest first."""
        with self._changed:
            return tuple(self._entries)

    def watch(self, on_entry: Callable[[T], object]) -> None:
        """Call `on_entry` with each entry from now on, on the thread that writes it: it must not block."""
        with self._changed:
            self._watchers.append(on_entry)

    def clear(self) -> None:
        """Forget all entries."""
        with self._changed:
            self._entries.clear()

    def wait_for(self, predicate: Callable[[Sequence[T]], object], timeout_s: float = 5.0) -> tuple[T, ...]:
        """Wait until `predicate`, given all entries (not to be kept or changed), is true; return the entries.

        Raises:
            TimeoutError: it was not true within `timeout_s` seconds; the message holds the last entries.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self._entries), timeout_s):
                last = list(self._entries)[-5:]
                raise TimeoutError(f"not seen within {timeout_s} s; {len(self._entries)} entries, the last: {last}")
            return tuple(self._entries)
