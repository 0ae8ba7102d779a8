"""How many calls a change costs and how long it takes, before it starts.

What is the same for everybody is one call for each class; what is each card's own is one for each card that looks
different. Source: google-wallet.md section 24.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from wallet_service.cards.template import Template
from wallet_service.errors import Invalid
from wallet_service.storage.tables import Delivery, GoogleClass
from wallet_service.wallets.google.channel import GoogleChannel, digest_of
from wallet_service.wallets.google.client.rate import PART_USED
from wallet_service.wallets.protocol import CardView


@dataclass(frozen=True)
class Change:
    """One change in words, and its price in calls."""

    what: str
    calls: int

    def takes(self, per_s: float) -> timedelta:
        """How long, at so many calls a second."""
        return timedelta(seconds=self.calls / (per_s * PART_USED))


def plan_of(
    db: Session, channel: GoogleChannel, cards: Sequence[CardView], *, program_id: str, design: Template | None
) -> list[Change]:
    """The cost of what is pending now, of each kind of change, and of a new version of the design.

    Args:
        cards: some cards of the programme, at random; the share of them that would look different is taken for all.

    Raises:
        Invalid: the new design is another design.
    """
    mine = (Delivery.program_id == program_id, Delivery.kind == "google", Delivery.wanted_version > 0)
    objects = db.scalar(select(func.count()).where(*mine)) or 0
    pending = db.scalar(select(func.count()).where(*mine, Delivery.wanted_version > Delivery.told_version)) or 0
    classes = db.scalar(select(func.count()).where(GoogleClass.program_id == program_id)) or 0
    changes = [
        Change("what is owed now", pending),
        Change("news to everybody, or a change of what all cards share", classes),
        Change("a change on every card", objects),
    ]
    if design is not None and cards:
        changed = [_looks_different(channel, card, design) for card in cards]
        touched = {channel.class_id(card) for card in cards if _class_differs(channel, card, design)}
        share = sum(changed) / len(changed)
        changes.append(Change(f"this version of {design.template_id}", len(touched) + round(share * objects)))
    return changes


def in_words(span: timedelta) -> str:
    """`13 h 53 min`, `4 min`, `under a minute`."""
    minutes = round(span.total_seconds() / 60)
    if minutes < 1:
        return "under a minute"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def _looks_different(channel: GoogleChannel, card: CardView, design: Template) -> bool:
    def digest(one: CardView) -> str:
        return digest_of(channel.object_body(one))

    return digest(card) != digest(_in(card, design))


def _class_differs(channel: GoogleChannel, card: CardView, design: Template) -> bool:
    return channel.class_body(card) != channel.class_body(_in(card, design))


def _in(card: CardView, design: Template) -> CardView:
    if design.template_id != card.template.template_id:
        raise Invalid.at("template", f"the programme wears {card.template.template_id}, not {design.template_id}")
    return replace(card, template=design)
