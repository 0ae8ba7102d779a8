"""The daily quota of notifications: three for changed fields, three for messages, spent by topic. Pure.

Each topic may only spend while enough is left for the topics above it, so that a morning's news does not silence an
evening's voucher. What may not notify is sent all the same, silently.

Source: google-wallet.md sections 11 and 12; section 25, checks 23 to 25.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal, get_args

from wallet_service.cards.content import CardContent
from wallet_service.cards.template import FieldSpec, GoogleSlot, Template, Topic

A_DAY = 3
DAY = timedelta(hours=24)
NotifyKind = Literal["field", "message"]
NotifyStatus = Literal["asked", "notified", "silent", "refused"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
"""From the one that matters most to the one that matters least."""

_LEAST_LEFT: Mapping[Topic, int] = {"voucher": 1, "tier": 1, "order": 2, "points": 2, "news": 3}
NOTIFYING_SLOTS: frozenset[GoogleSlot] = frozenset({"points", "secondary_points"})
"""The slots whose change Google itself notifies about."""


def may_notify(topic: Topic, spent: int) -> bool:
    """Whether a topic may use one of the day's three, when `spent` of them have gone in the last 24 hours."""
    return A_DAY - spent >= _LEAST_LEFT[topic]


def told_fields(template: Template, content: CardContent) -> dict[str, str]:
    """The texts of the fields that can have news, to compare with the next time."""
    shown = ((spec.id, content.field(spec.id)) for spec in template.document.fields if spec.notify is not None)
    return {field_id: field.text for field_id, field in shown if field is not None}


def news_of(template: Template, content: CardContent, told: Mapping[str, str] | None) -> Sequence[FieldSpec]:
    """The fields with news since Google was last told, the topic that matters most first. The first telling has none,
    and fields that show an offer never have: offers have messages of their own.

    Args:
        told: `told_fields` of what Google holds; None: it holds nothing yet.
    """
    if told is None:
        return ()
    now = told_fields(template, content)
    changed = [
        spec
        for spec in template.document.fields
        if spec.id in now and now[spec.id] != told.get(spec.id) and not (spec.is_silent or spec.shows_news)
    ]
    return sorted(changed, key=lambda spec: TOPICS.index(spec.topic))
