"""A worker that kills itself, SIGKILL, the first time it reaches a named point. Run as a program by the tests.

The code that runs is the production worker's own; only the functions that it calls are watched.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from wallet_service.cli.services import opened_services
from wallet_service.delivery import ledger
from wallet_service.wallets.apple.push.apns import ApnsChannel
from wallet_service.wallets.protocol import Notice, Outcome

POINTS = ("before claim", "after claim", "after send", "before settle", "after settle")


def die(*_: object) -> None:
    """At this very line."""
    os.kill(os.getpid(), signal.SIGKILL)


def watch(point: str) -> None:
    """Watch the function of `point`."""
    claim: Callable[..., Any] = ledger.claim
    settle: Callable[..., Any] = ledger.settle
    announce: Callable[..., Iterator[tuple[Notice, Outcome]]] = ApnsChannel.announce

    def watched_claim(*args: Any, **names: Any) -> Any:
        rows = claim(*args, **names)
        if rows and names["kind"] == "apple" and point == "before claim":
            die()  # claimed, not committed: as if it had never been
        return rows

    def watched_announce(channel: ApnsChannel, notices: Sequence[Notice]) -> Iterator[tuple[Notice, Outcome]]:
        if notices and point == "after claim":
            die()
        answers = list(announce(channel, notices))
        if notices and point == "after send":
            die()
        yield from answers

    def watched_settle(db: Any, results: Any, **names: Any) -> Any:
        if point == "before settle":
            die()
        late = settle(db, results, **names)
        if point == "after settle":
            db.commit()
            die()
        return late

    ledger.claim, ledger.settle = watched_claim, watched_settle
    ApnsChannel.announce = watched_announce  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    watch(sys.argv[1])
    with opened_services() as services:
        services.worker().run()
