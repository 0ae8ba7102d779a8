"""Why a card has the places that it has: the choice as publishing makes it now, with the reasons, and what phones do
with them along a path.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from wallet_service.cards.program_cache import LoadedProgram
from wallet_service.errors import Invalid
from wallet_service.offers.histories import histories_of
from wallet_service.offers.places import MemberPlace
from wallet_service.offers.reasons import Reasons, reasons_for
from wallet_service.offers.relevance import Face, Step, Stop, walk
from wallet_service.storage.tables import Card, Member


def reasons_of_card(db: Session, program: LoadedProgram, card: Card, *, now: datetime) -> Reasons:
    """The places of a card and the stores with an offer that are not among them; none for an erased member's."""
    if card.member.erased_at is not None:
        return Reasons(chosen=(), left_out=())
    member = _member_of(db, program, card)
    plan = program.places.plan_for(member, locale=program.document.locales[0], now=now)
    return reasons_for(program.places, member, plan, now=now)


def card_of_number(db: Session, program_id: str, number: str, *, by_id: bool) -> Card:
    """The own card of the member with that card number; `by_id`: or with that id.

    Raises:
        Invalid: there is none, or the member was erased or has no card.
    """
    named = Member.card_number == number
    query = (
        select(Member)
        .where(Member.program_id == program_id, or_(named, Member.member_id == number) if by_id else named)
        .where(Member.erased_at.is_(None))
        .options(selectinload(Member.cards), joinedload(Member.balance))
        .order_by(named.desc())  # a number that is also somebody else's id: the card's number goes before
    )
    member = db.scalars(query).first()
    if member is None or member.card is None:
        raise Invalid.at("member", "no member with a card has this number", "no_such_member")
    return member.card


def walk_with_card(
    db: Session, program: LoadedProgram, card: Card, path: Sequence[Stop], *, has_location: bool = True
) -> tuple[Step, ...]:
    """What phones with this card show along a path of one stop or more; see `offers.relevance.walk`."""
    expires_at = card.content.get("expires_at")
    face = Face(
        reach_m=program.design_of(card, path[0].at).composer.template.document.reach_m,
        voided=card.state == "void",
        expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
    )
    locale = card.content.get("locale") or program.document.locales[0]
    member = _member_of(db, program, card)
    return walk(program.places, member, face, path, locale=locale, has_location=has_location)


def walk_with_profile(
    program: LoadedProgram, member: MemberPlace, path: Sequence[Stop], *, locale: str, has_location: bool = True
) -> tuple[Step, ...]:
    """What phones of somebody like that show along a path, with a card of the programme's present design."""
    face = Face(reach_m=program.reach_m)
    return walk(program.places, member, face, path, locale=locale, has_location=has_location)


def _member_of(db: Session, program: LoadedProgram, card: Card) -> MemberPlace:
    history = histories_of(db, program.places, {card.member_pk: card.id})[card.member_pk]
    return MemberPlace.of(card.member, card.content, history)
