"""What the simulated phones share: a name, a language, and a record of what happened that others can wait for."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, Self, TypeVar

from wallet_service.clock import Clock

Event = TypeVar("Event")


class SimulatedPhone(ABC, Generic[Event]):
    """A phone whose events are read and awaited by other threads. Close it, or use `with`.

    Args:
        locale: the phone's language and region, `fr_FR`.
        clock: times in `events`.
    """

    def __init__(self, *, name: str, locale: str, clock: Clock) -> None:
        self.name = name
        self._locale, self._clock = locale, clock
        self._state = threading.Condition()
        self._events: list[Event] = []
        self._watchers: list[Callable[[Event], object]] = []

    @property
    def events(self) -> tuple[Event, ...]:
        """All that happened, oldest first."""
        with self._state:
            return tuple(self._events)

    def wait_until(self, predicate: Callable[[Self], object], timeout_s: float = 5.0) -> None:
        """Wait until `predicate`, given this phone, is true.

        Raises:
            TimeoutError: it was not within `timeout_s` seconds; the message holds the last events.
        """
        with self._state:
            if not self._state.wait_for(lambda: predicate(self), timeout_s):
                raise TimeoutError(f"{self.name} did not get there within {timeout_s} s; last: {self._events[-5:]}")

    def watch(self, on_event: Callable[[Event], object]) -> None:
        """Call `on_event` with each event from now on, on the thread where it happens."""
        with self._state:
            self._watchers.append(on_event)

    @abstractmethod
    def close(self) -> None:
        """Switch the phone off; its cards stay."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _language(self) -> str:
        """The header `Accept-Language` of the phone's browser."""
        language = self._locale.replace("_", "-")
        return f"{language},{language[:2]};q=0.9"

    def _record(self, event: Event) -> None:
        with self._state:
            self._events.append(event)
            self._state.notify_all()
            watchers = list(self._watchers)
        for on_event in watchers:
            on_event(event)
