"""What was made lately and will be wanted again: artworks, moulds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Thing = TypeVar("Thing")


class Shelf(Generic[Key, Thing]):
    """Keeps the `most` things used last. Safe to share between threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._things: OrderedDict[Key, Thing] = OrderedDict()
        self._lock = Lock()

    def find(self, key: Key) -> Thing | None:
        """The thing of that key, if it is still there."""
        with self._lock:
            found = self._things.get(key)
            if found is not None:
                self._things.move_to_end(key)
            return found

    def put(self, key: Key, thing: Thing) -> None:
        """Keep a thing; the one that was longest unused may go for it."""
        with self._lock:
            self._things[key] = thing
            while len(self._things) > self._most:
                self._things.popitem(last=False)

    def of(self, key: Key, make: Callable[[], Thing]) -> Thing:
        """The thing of that key, made if it is not there.

        Made outside the lock: two threads may make the same once, and none waits for another thing.
        """
        found = self.find(key)
        if found is None:
            found = make()
            self.put(key, found)
        return found
