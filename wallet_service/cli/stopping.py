"""Signal handling of commands that stay in the foreground: Ctrl-C, SIGTERM or a closed terminal ends them, once."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import structlog

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

log = structlog.get_logger()


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


@contextmanager
def stopping_by(stop: Callable[[], None]) -> Iterator[None]:
    """Inside the block a signal calls `stop`, once, from a thread of its own.

    A handler would run between any two steps of the main thread, which may hold the very lock that `stop` needs; and it
    would not run while the main thread is held up in a call.
    """
    heard, told = socket.socketpair()
    told.setblocking(False)

    def listen() -> None:
        while number := heard.recv(1):
            if number[0] in _SIGNALS:
                stop()
                return

    listening = threading.Thread(target=listen, name="signals", daemon=True)
    before = {one: signal.signal(one, lambda _number, _frame: None) for one in _SIGNALS}
    fd_before = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    listening.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(fd_before)
        for one, handler in before.items():
            signal.signal(one, handler)
        told.close()
        listening.join()
        heard.close()


def end_within(seconds: float) -> None:
    """From now on this process lives for so long at most, whatever its threads are waiting for."""
    timer = threading.Timer(seconds, _end)
    timer.daemon = True
    timer.start()


def _end() -> None:
    log.error("ended_by_force", threads=[thread.name for thread in threading.enumerate()])
    os._exit(1)


def stay() -> None:
    """Do nothing until stopped."""
    threading.Event().wait()
