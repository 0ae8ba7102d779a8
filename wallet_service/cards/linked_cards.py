"""Passes linked to a member's card: a rare offer, a ticket, a voucher, each in a design of its own.

On Google the worker hangs them on the card's object, for ever, so a card takes 50 in its life; on iPhones each is a
pass of its own. Whoever changes one publishes it afterwards. Source: google-wallet.md section 15; section 25, check 52.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from sqlalchemy.orm import Session

from wallet_service.cards.enrolment import SERIAL_BYTES, TOKEN_BYTES, locked_program
from wallet_service.cards.google_rows import add_sleeping_google_row
from wallet_service.cards.program_cache import ProgramCache
from wallet_service.documents.linked_passes import LinkedPassDocument
from wallet_service.errors import Conflict, Erased, Invalid
from wallet_service.storage.tables import Card, Member

MOST_LINKS = 50
"""What Google takes on one card, over its whole life; the next would be ignored there without a word."""


def put_linked_card(
    db: Session, program_cache: ProgramCache, member: Member, document: LinkedPassDocument, *, now: datetime
) -> tuple[Card, bool]:
    """The pass that a locked member has under the document's key, made if there is none yet, with what the document
    says of it; returns it and whether it is new. Publish it afterwards, with the programme as it is then.

    Raises:
        Erased: the member was.
        Invalid: the programme links no such design, or the card has had its 50 passes.
        Conflict: the member has no live card to link it to, or the key is that of a pass in another design.
    """
    if member.erased_at is not None:
        raise Erased("this card was erased with its member")
    facts = document.model_dump(mode="json", include={"expires_at", "amount", "lines"}, exclude_none=True)
    known = next((card for card in member.cards if card.linked_key == document.key), None)
    if known is not None:
        if known.linked_template != document.template:
            raise Conflict(f"key {document.key} is that of a pass in the design {known.linked_template}")
        known.linked_facts = facts
        return known, False
    card = member.card
    if card is None or card.state != "active":
        raise Conflict(f"the member {member.member_id!r} has no live card to link a pass to")
    program = program_cache.program(db, member.program_id)
    if document.template not in program.document.linked_templates:
        raise Invalid.at("template", "is none of the programme's linked_templates", "not_linked")
    if len(member.cards) > MOST_LINKS:
        raise Invalid.at(
            "key", f"a card takes {MOST_LINKS} linked passes in its life, and this one has had them", "too_many_links"
        )
    program = locked_program(db, program_cache, member.program_id)
    linked = Card(
        program_id=member.program_id,
        member=member,
        linked_to=card.id,
        linked_key=document.key,
        linked_template=document.template,
        linked_facts=facts,
        serial_number=secrets.token_hex(SERIAL_BYTES),
        auth_token=secrets.token_urlsafe(TOKEN_BYTES),
        link_token=secrets.token_urlsafe(TOKEN_BYTES),
        issued_at=now,
        template_version_id=program.linked[document.template].template_version_id,
    )
    db.add(linked)
    db.flush()
    add_sleeping_google_row(db, linked, program, now=now)
    return linked, True
