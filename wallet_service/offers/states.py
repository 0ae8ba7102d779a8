"""The states of an offer as people see them, and what may change in each. Pure.

Stored are draft, published and cancelled; the clock makes a published offer scheduled, running or ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol, get_args

OfferState = Literal["draft", "scheduled", "running", "ended", "cancelled"]
OFFER_STATES: tuple[OfferState, ...] = get_args(OfferState)

_WHERE_AND_SINCE_WHEN = frozenset({"code", "store_ids", "groups", "starts_at"})
_ALL = _WHERE_AND_SINCE_WHEN | {
    *("title", "text", "proximity_text", "ends_at", "target", "radius_m"),
    *("uses_per_member", "uses_total", "priority", "notify", "weekly_hours", "only_when_open"),
}
CHANGEABLE: Mapping[OfferState, frozenset[str]] = {
    "draft": _ALL,
    "scheduled": _ALL,
    "running": _ALL - _WHERE_AND_SINCE_WHEN,
    "ended": frozenset(),
    "cancelled": frozenset(),
}
"""State → the fields that may change: of a running offer texts, end, audience and options, for it has been seen at its
stores and its code is on receipts. A local time counts as the instant that it stands for.
"""


class HasSpan(Protocol):
    """What the state depends on."""

    @property
    def state(self) -> str:
        """As stored."""

    @property
    def starts_at(self) -> datetime:
        """The first instant of the half-open span."""

    @property
    def ends_at(self) -> datetime:
        """The first instant after it."""


def offer_state(offer: HasSpan, now: datetime) -> OfferState:
    """The state of an offer at `now`."""
    match offer.state:
        case "draft":
            return "draft"
        case "cancelled":
            return "cancelled"
        case _ if now < offer.starts_at:
            return "scheduled"
        case _:
            return "running" if now < offer.ends_at else "ended"
