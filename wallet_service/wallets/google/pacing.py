"""Google counts requests: at most 20 in any second, all callers together.

Source: google-wallet.md section 16, "Rate limit".
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

REQUESTS_PER_SECOND = 20


class Pacing:
    """Call it before each request; it waits until one more fits into the last second. For one thread."""

    def __init__(
        self,
        per_second: int = REQUESTS_PER_SECOND,
        *,
        time_s: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._per_second = per_second
        self._time_s = time_s
        self._wait = wait
        self._sent: deque[float] = deque(maxlen=per_second)

    def __call__(self) -> None:
        """Wait for a turn, and take it."""
        if len(self._sent) == self._per_second:
            pause = self._sent[0] + 1.0 - self._time_s()
            if pause > 0:
                self._wait(pause)
        self._sent.append(self._time_s())
