"""Logging of errors that come again at each round of a loop: said once, and again when another one comes or an hour has
passed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import structlog

from wallet_service.errors import WalletServiceError

log = structlog.get_logger()
AGAIN_AFTER_S = 3600.0


@dataclass
class RepeatedErrors:
    """What was reported, by subject. One for each loop; used by one thread."""

    _said: dict[str, tuple[str, float]] = field(default_factory=dict)

    def report(self, event: str, error: Exception, *, subject: str, **facts: object) -> None:
        """Log an error under `event`, unless the same was said of `subject` lately. An error of ours is the operator's
        to mend and told in its words; anything else is a bug, and comes with its traceback.
        """
        words = f"{type(error).__name__}: {error}"
        known, at_s = self._said.get(subject, ("", 0.0))
        if known == words and time.monotonic() - at_s < AGAIN_AFTER_S:
            return
        self._said[subject] = words, time.monotonic()
        if isinstance(error, WalletServiceError):
            log.error(event, reason=str(error), **facts)
        else:
            log.error(event, exc_info=error, **facts)

    def settle(self, subject: str) -> None:
        """That went well: should it fail again, it is said again."""
        self._said.pop(subject, None)
