"""Enrolment: issuing a member's card, once, and voiding it."""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from wallet_service.cards.google_rows import add_sleeping_google_row
from wallet_service.cards.members import lock_member
from wallet_service.cards.program_cache import LoadedProgram, ProgramCache
from wallet_service.cards.publishing import Cause, Publisher
from wallet_service.storage.tables import Card, Member, Program

SERIAL_BYTES, TOKEN_BYTES = 16, 24


def issue_card(
    db: Session, publisher: Publisher, program: LoadedProgram, member: Member, *, now: datetime
) -> tuple[Card, bool]:
    """The card of a locked member, issued if there is none yet; returns it and whether it is new.

    The serial number, the auth token and the link token are random and never change (spec apple-wallet, fact 8).
    """
    if member.card is not None:
        return member.card, False
    card = Card(
        program_id=program.program_id,
        member=member,
        serial_number=secrets.token_hex(SERIAL_BYTES),
        auth_token=secrets.token_urlsafe(TOKEN_BYTES),
        link_token=secrets.token_urlsafe(TOKEN_BYTES),
        issued_at=now,
        template_version_id=program.template_version_id,
    )
    db.add(card)
    db.flush()
    add_sleeping_google_row(db, card, program, now=now)
    program = locked_program(db, publisher.program_cache, card.program_id)
    publisher.publish(db, program, [card], Cause("issued", now), now=now)
    return card, True


def locked_program(db: Session, program_cache: ProgramCache, program_id: str) -> LoadedProgram:
    """The programme, with its designs, stores and offers kept as they are until a new card can be seen: a walk that
    began meanwhile would not find it.
    """
    db.execute(select(Program.program_id).where(Program.program_id == program_id).with_for_update(read=True))
    return program_cache.program(db, program_id)


def void_card(db: Session, publisher: Publisher, card: Card, *, now: datetime) -> bool:
    """Void a card in every wallet; returns whether it was still active."""
    lock_member(db, card.program_id, card.member.member_id)
    was_active = card.state == "active"
    card.state = "void"
    program = publisher.program_cache.program(db, card.program_id)
    publisher.publish(db, program, [card], Cause("voided", now), now=now)
    return was_active
