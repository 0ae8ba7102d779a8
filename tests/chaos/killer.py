"""Who kills the workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

LONGEST_PAUSE_S = 0.5


class Killer:
    """Kills at random moments of the rounds, as many times as planned; `kills` counts.

    Args:
        kill: kills one.
    """

    def __init__(self, kill: Callable[[], None], planned: int, chance: Random) -> None:
        self.kills = 0
        self._kill, self._planned, self._chance = kill, planned, chance
        self._ordered = 0
        self._due = threading.Semaphore(0)
        self._leaving = threading.Event()

    @contextmanager
    def at_work(self, *, patience_s: float) -> Iterator[None]:
        """For as long as the block lasts, and then until all that is due is done, `patience_s` seconds at most. A block
        that fails ends the killing at once.
        """
        thread = threading.Thread(target=self._work, name="killer", daemon=True)
        thread.start()
        try:
            yield
        except BaseException:
            self._leaving.set()
            raise
        finally:
            self._planned = self._ordered  # nobody orders any more
            self._due.release()
            thread.join(patience_s)
            self._leaving.set()

    def round_begins(self, number: int, rounds: int) -> None:
        """This round's share of the kills is due."""
        upto = round(self._planned * number / rounds)
        for _ in range(upto - self._ordered):
            self._due.release()
        self._ordered = upto

    def _work(self) -> None:
        while True:
            self._due.acquire()
            if self.kills >= self._planned or self._leaving.wait(self._chance.random() * LONGEST_PAUSE_S):
                return
            self._kill()
            self.kills += 1
