"""The scripted failures of the APNs simulator. Thread-safe: tests write it, the server's thread reads it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from wallet_service.simulators.apns.rules import Verdict


@dataclass(frozen=True)
class _Planned:
    verdict: Verdict
    count: int
    push_token: str | None


class Script:
    """The failures to come."""

    def __init__(self) -> None:
        self._script_lock = threading.Lock()
        self._answers: list[_Planned] = []
        self._interludes: list[Callable[[], object]] = []
        self._refusals = 0
        self._loss = 0.0
        self._chance = random.Random(0)
        self._goaway_every = 0
        self._goaway_reason = "Shutdown"
        self._delay_s = 0.0

    def answer_next(
        self,
        status: int,
        reason: str | None,
        count: int = 1,
        token: str | None = None,
        retry_after: int | None = None,
        gone_at_ms: int | None = None,
    ) -> None:
        """Answer the next `count` well-formed requests (to `token` only, if given) in this way, delivering nothing."""
        verdict = Verdict(status, reason, gone_at_ms=gone_at_ms, retry_after_s=retry_after)
        with self._script_lock:
            self._answers.append(_Planned(verdict, count, token.lower() if token else None))

    def during_next_push(self, callback: Callable[[], object]) -> None:
        """Call `callback` while the next request is on its way: it has arrived and is not yet answered.

        It runs on a thread of its own, so it may block; what it raises rises again when the simulator stops.
        """
        with self._script_lock:
            self._interludes.append(callback)

    def lose(self, fraction: float, seed: int = 0) -> None:
        """Answer 200 and yet deliver nothing for this fraction (0 to 1) of the pushes; 0 ends it."""
        with self._script_lock:
            self._loss, self._chance = fraction, random.Random(seed)

    def goaway_after(self, requests: int, reason: str = "Shutdown") -> None:
        """Send GOAWAY on each connection after this many requests; 0 ends it."""
        with self._script_lock:
            self._goaway_every, self._goaway_reason = requests, reason

    def refuse_streams(self, count: int) -> None:
        """Reset the next `count` streams unprocessed (REFUSED_STREAM)."""
        with self._script_lock:
            self._refusals = count

    def delay(self, seconds: float) -> None:
        """Wait this long before each answer."""
        with self._script_lock:
            self._delay_s = seconds

    def take_refusal(self) -> bool:
        """Whether this stream is one of those to refuse."""
        with self._script_lock:
            self._refusals, refused = max(0, self._refusals - 1), self._refusals > 0
            return refused

    def take_interlude(self) -> Callable[[], object] | None:
        """What to call while this request is on its way."""
        with self._script_lock:
            return self._interludes.pop(0) if self._interludes else None

    def take_answer(self, push_token: str) -> Verdict | None:
        """The planned answer to this request."""
        with self._script_lock:
            for index, planned in enumerate(self._answers):
                if planned.push_token in (None, push_token):
                    if planned.count > 1:
                        self._answers[index] = replace(planned, count=planned.count - 1)
                    else:
                        del self._answers[index]
                    return planned.verdict
            return None

    def loses(self) -> bool:
        """Whether this push is lost on its way to the phone."""
        with self._script_lock:
            return self._loss > 0 and self._chance.random() < self._loss

    def goaway_due(self, requests: int) -> str | None:
        """The reason for GOAWAY after this many requests of a connection, if it is due."""
        with self._script_lock:
            return self._goaway_reason if self._goaway_every and requests >= self._goaway_every else None

    @property
    def delay_s(self) -> float:
        """Seconds to wait before each answer."""
        with self._script_lock:
            return self._delay_s
