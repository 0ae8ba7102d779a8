"""The scripted failures of the Google simulator, and its rate limit. Thread-safe."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from wallet_service.clock import Clock
from wallet_service.simulators.google.api_error import ApiError


@dataclass(frozen=True)
class PlannedFailure:
    """An answer to come: `applied` means that the call has its effect and only the answer is lost."""

    status: int
    reason: str
    count: int
    method: str | None
    applied: bool

    def error(self) -> ApiError:
        """What is answered."""
        return ApiError(self.status, self.reason, f"Scripted failure: {self.reason}.")


class Failures:
    """The failures to come."""

    def __init__(self) -> None:
        self._script_lock = threading.Lock()
        self._planned: list[PlannedFailure] = []
        self.delay_s = 0.0
        self._error_share, self._chance = 0.0, Random()

    def fail_share(self, share: float, *, seed: int = 0) -> None:
        """Answer 503 to this share of the API calls (0 to 1), by chance; half of them after all took effect."""
        with self._script_lock:
            self._error_share, self._chance = share, Random(seed)

    def fail_next(
        self, status: int, reason: str, count: int = 1, *, method: str | None = None, applied: bool = False
    ) -> None:
        """Answer the next `count` API calls (of this HTTP method only, if given) with an error."""
        with self._script_lock:
            self._planned.append(PlannedFailure(status, reason, count, method, applied))

    def delay(self, seconds: float) -> None:
        """Wait this long before each API call; 0 ends it."""
        self.delay_s = seconds

    def take_failure(self, method: str) -> PlannedFailure | None:
        """The planned failure of this call."""
        with self._script_lock:
            for index, planned in enumerate(self._planned):
                if planned.method in (None, method):
                    if planned.count > 1:
                        self._planned[index] = replace(planned, count=planned.count - 1)
                    else:
                        del self._planned[index]
                    return planned
            if self._error_share and self._chance.random() < self._error_share:
                return PlannedFailure(503, "backendError", 1, method, self._chance.random() < 0.5)
        return None


class RateLimit:
    """A bucket of tokens: `per_second` calls a second, as many at once."""

    def __init__(self, per_second: int, clock: Clock) -> None:
        self._per_second, self._clock = per_second, clock
        self._lock = threading.Lock()
        self._tokens = float(per_second)
        self._filled_at: datetime = clock()

    def spend(self) -> None:
        """Take one token; 429 if there is none."""
        with self._lock:
            now = self._clock()
            gained = max(0.0, (now - self._filled_at).total_seconds()) * self._per_second
            self._tokens, self._filled_at = min(float(self._per_second), self._tokens + gained), now
            if self._tokens < 1:
                raise ApiError(429, "rateLimitExceeded", "Quota exceeded: too many requests per second.")
            self._tokens -= 1
