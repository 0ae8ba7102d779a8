"""One call to Google and its answer, as values; and what follows from each error. Pure.

Source: google-wallet.md section 16, "Errors".
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import orjson

from wallet_service.wallets.google.content.schema import Body
from wallet_service.wallets.protocol import Accepted, ChannelDown, Later, Outcome, Refused

_RATE = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
_QUOTA = frozenset({"quotaExceeded"}) | _RATE
LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `path` stands after `/walletobjects/v1/` and is encoded already."""

    method: str
    path: str
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Google's answer to one call. `reason` is Google's own word for an error, `message` its sentence."""

    status: int
    reason: str = ""
    message: str = ""
    retry_after: timedelta | None = None
    content: bytes = b""

    @property
    def is_good(self) -> bool:
        """Whether the call did what it should."""
        return 200 <= self.status < 300

    @property
    def is_quota(self) -> bool:
        """Whether a quota stands in the way: of notifications, or of calls."""
        return self.status == 403 and self.reason in _QUOTA

    @property
    def is_rate(self) -> bool:
        """Whether we called too fast."""
        return self.status == 429 or (self.status == 403 and self.reason in _RATE)

    def json(self) -> Body:
        """The answer's document; empty where it has none."""
        try:
            document = orjson.loads(self.content)
        except orjson.JSONDecodeError:
            return {}
        return document if isinstance(document, dict) else {}

    def outcome(self) -> Outcome:
        """The outcome for the delivery queue."""
        words = f"{self.reason}: {self.message}" if self.message and self.message != self.reason else self.reason
        return outcome_from_google(self.status, words, self.retry_after)


Result = TypeVar("Result")
Exchange = Generator[Call, Answer, Result]
"""A conversation: it yields calls, is sent their answers, and returns what came of it."""


def outcome_from_google(status: int, reason: str, retry_after: timedelta | None) -> Outcome:
    """The table "Errors" of section 16. `reason` may go on with `: ` and Google's sentence.

    404 and 409 come here only after insert and patch were tried in turn: then somebody else is at work on the same
    object, and the next try finds it settled.
    """
    words = f"{status} {reason}".strip()[:LONGEST_REASON]
    word = reason.partition(":")[0]
    match status:
        case 200 | 201 | 204:
            return Accepted(reason)
        case 401:
            return ChannelDown(words)
        case 403 if word not in _QUOTA:
            return ChannelDown(words)
        case 403 | 404 | 408 | 409 | 412 | 429 | 500 | 502 | 503 | 504:
            return Later(words, retry_after)
        case _:
            return Refused(words)


def answer_of(status: int, headers: Mapping[str, str], content: bytes, *, now: datetime) -> Answer:
    """Read an answer; decide on `errors[0].reason` first (section 16). Anything may be missing from an error's body."""
    if 200 <= status < 300:
        return Answer(status, content=content)
    error = _error_in(content)
    details = error.get("errors")
    first = details[0] if isinstance(details, list) and details and isinstance(details[0], dict) else {}
    reason = first.get("reason") or error.get("status") or ""
    return Answer(status, str(reason), str(error.get("message", "")), _span(headers.get("Retry-After"), now))


def _error_in(content: bytes) -> Mapping[str, Any]:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, dict) else {}


def _span(retry_after: str | None, now: datetime) -> timedelta | None:
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return timedelta(seconds=min(int(retry_after), 86_400))
    try:
        return max(parsedate_to_datetime(retry_after) - now, timedelta(0))
    except (ValueError, TypeError):
        return None
