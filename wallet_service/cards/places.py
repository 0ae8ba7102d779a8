"""Why a card has the places that it has: the choice as publishing makes it now, with the reasons."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from wallet_service.cards.program_cache import LoadedProgram
from wallet_service.offers.histories import histories_of
from wallet_service.offers.places import MemberPlace
from wallet_service.offers.reasons import Reasons, reasons_for
from wallet_service.storage.tables import Card


def reasons_of_card(db: Session, program: LoadedProgram, card: Card, *, now: datetime) -> Reasons:
    """The places of a card and the stores with an offer that are not among them; none for an erased member's."""
    if card.member.erased_at is not None:
        return Reasons(chosen=(), left_out=())
    history = histories_of(db, program.places, {card.member_pk: card.id})[card.member_pk]
    member = MemberPlace.of(card.member, card.content, history)
    plan = program.places.plan_for(member, locale=program.document.locales[0], now=now)
    return reasons_for(program.places, member, plan, now=now)
