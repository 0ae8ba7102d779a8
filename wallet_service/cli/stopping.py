"""How a command that stays in the foreground ends: Ctrl-C, SIGTERM or a closed terminal, once, and then in peace."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(BaseException):
    """A signal asked for the end. Not an `Exception`: nobody on the way up should take it for a failure."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside the block a signal raises `Stopped` in the main thread; further ones are ignored while it unwinds."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        for one in _SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        raise Stopped

    before = {one: signal.signal(one, stop) for one in _SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def stay() -> None:
    """Do nothing until stopped."""
    threading.Event().wait()
