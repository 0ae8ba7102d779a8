"""`NOTIFY` and `LISTEN`: a hint that there is work. It may be lost; the workers' poll is the truth."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event, Thread
from typing import Literal

import psycopg
import structlog
from sqlalchemy import text
from sqlalchemy.orm import Session

CHANNEL = "wallet_work"
_LISTEN_S = 1.0
_END_WITHIN_S = 5.0
Work = Literal["tell", "walk"]

log = structlog.get_logger()


def hint(work: Work, program_id: str) -> str:
    """What work this programme has: far ends to tell, or a walk over its cards; for `pg_notify` on `CHANNEL`."""
    return f"{work} {program_id}"


def wake_workers(db: Session, program_id: str, work: Work = "tell") -> None:
    """Hint at work to all workers, at commit. Repeats in one transaction collapse."""
    db.execute(text("SELECT pg_notify(:channel, :hint)"), {"channel": CHANNEL, "hint": hint(work, program_id)})


class Listener:
    """Calls `on_work(work, program_id)` for each hint, from a thread of its own; reconnects by itself."""

    def __init__(self, libpq_url: str, on_work: Callable[[str, str], None]) -> None:
        self._url = libpq_url
        self._on_work = on_work
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="listener", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and wait for the thread to end; one that waits for a silent database is left behind."""
        self._stopping.set()
        self._thread.join(_END_WITHIN_S)
        if self._thread.is_alive():
            log.error("listener_left_behind")

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    while not self._stopping.is_set():
                        for heard in connection.notifies(timeout=_LISTEN_S):
                            work, _, program_id = heard.payload.partition(" ")
                            self._on_work(work, program_id)
            except psycopg.OperationalError as error:
                log.warning("listener_lost_database", error=str(error))
                self._stopping.wait(_LISTEN_S)
