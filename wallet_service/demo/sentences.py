"""How each phone stands, in one sentence: what it has, since when, and how long that took. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from babel.numbers import format_decimal
from markupsafe import Markup

from wallet_service.demo.session import FarEnd, Snapshot

Tone = Literal["good", "warn", "bad"]
_IN_MILLISECONDS = timedelta(milliseconds=100)
"""A shorter time is told in milliseconds."""
_PURCHASES = ("event page-", "event order-")
"""How the service names the purchases of this demo: by the ids of their events."""


@dataclass(frozen=True)
class Sentence:
    """One phone's, or Google's; `tone` only repeats what the words say."""

    words: Markup
    tone: Tone


def sentences_of(snapshot: Snapshot, words: Mapping[str, str], *, language: str, zone: str) -> Iterator[Sentence]:
    """A sentence for each far end of the card.

    Args:
        words: of the page; a sentence has `<strong>` around the word for its state.
        zone: of the clock that the times are read from.
    """
    place = ZoneInfo(zone)
    for end in snapshot.far_ends:
        key, tone = _key_of(end, is_online=snapshot.iphone_online)
        since = end.fetched_at if key.startswith("says_apple_up_to_date") else end.gone_at or end.told_at
        yield Sentence(
            Markup(words[key]).format(  # noqa: S704  (the page's own words; what fills them is escaped)
                phone=words["iphone"] if end.kind == "apple" else words["google"],
                at=_clock(since, place),
                took=in_seconds(timedelta(milliseconds=end.took_ms or 0), language),
                cause=words[_cause_of(snapshot.cause)],
            ),
            tone,
        )


def _key_of(end: FarEnd, *, is_online: bool) -> tuple[str, Tone]:
    match end.state, end.kind:
        case "up_to_date", "google":
            return "says_google_up_to_date", "good"
        case "up_to_date", _:
            return ("says_apple_up_to_date" if end.took_ms is None else "says_apple_up_to_date_after"), "good"
        case "told" | "waiting", "apple" if not is_online:
            return "says_apple_offline" if end.state == "waiting" else "says_apple_told_offline", "warn"
        case "told", _:
            return "says_apple_told", "warn"
        case "waiting", _:
            return f"says_{end.kind}_waiting", "warn"
        case "gone", _:
            return "says_gone", "bad"
        case "stale", _:
            return "says_stale", "bad"
        case _:
            return "says_refused", "bad"


def _cause_of(cause: str) -> str:
    return "after_purchase" if cause.startswith(_PURCHASES) else "after_change"


def _clock(at: datetime | None, place: ZoneInfo) -> str:
    return f"{at.astimezone(place):%H:%M:%S}" if at is not None else "–"


def in_seconds(span: timedelta, language: str) -> str:
    """A span as a person reads it: `0,4 s`, or `45 ms` where it is very short."""
    if span < _IN_MILLISECONDS:
        return f"{span // timedelta(milliseconds=1)}\N{NO-BREAK SPACE}ms"
    return format_decimal(span / timedelta(seconds=1), format="#,##0.0", locale=language) + "\N{NO-BREAK SPACE}s"
