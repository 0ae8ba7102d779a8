"""Passes linked to a member's card: beside it on Google, passes of their own on iPhones."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel
from sqlalchemy.orm import Session

from wallet_service.cards.linked_cards import MOST_LINKS, put_linked_card
from wallet_service.cards.members import lock_member
from wallet_service.cards.program_cache import LoadedProgram
from wallet_service.cards.publishing import Cause
from wallet_service.cards.reading_facts import linked_facts
from wallet_service.documents.linked_passes import LinkedPassDocument
from wallet_service.errors import Conflict, Erased
from wallet_service.storage.tables import Card
from wallet_service.values import Money
from wallet_service.wallets.google.linked_objects import linked_at_google
from wallet_service.web.api.callers import needs
from wallet_service.web.api.cards import CardPath, require_card
from wallet_service.web.api.members import Links, links_of, program_of_caller
from wallet_service.web.api.unit_of_work import received_at, session
from wallet_service.web.context import now, services

_TAG = Tag(name="linked passes", description="A voucher, a ticket or a rare offer beside a member's card.")


class LinkedPassAnswer(BaseModel):
    """A pass linked to a card. `beside_card_on_google`: Google has been told to show it beside the card."""

    key: str
    template: str
    serial_number: str
    state: str
    issued_at: datetime
    expires_at: datetime | None
    amount: Money | None
    lines: dict[str, str]
    links: Links
    beside_card_on_google: bool


class LinkedPassesAnswer(BaseModel):
    """All of a card's linked passes, oldest first, and how many more it takes in its life."""

    items: list[LinkedPassAnswer]
    left: int


def add_routes(api: APIBlueprint) -> None:
    """Register the routes."""
    linked = "/cards/<string:serial_number>/linked"
    api.get(linked, tags=[_TAG], responses={200: LinkedPassesAnswer})(list_linked_route)
    api.post(linked, tags=[_TAG], responses={200: LinkedPassAnswer, 201: LinkedPassAnswer})(post_linked_route)


@needs("read")
def list_linked_route(path: CardPath) -> dict[str, Any]:
    """List the passes linked to a card."""
    db = session()
    card = _own_card(db, path.serial_number)
    linked = [one for one in card.member.cards if one.linked_to == card.id]
    program, beside = program_of_caller(db), linked_at_google(db, card.id)
    answers = [_answer(one, program, beside) for one in linked]
    return LinkedPassesAnswer(items=answers, left=MOST_LINKS - len(linked)).model_dump(mode="json")


@needs("cards")
def post_linked_route(path: CardPath, body: LinkedPassDocument) -> tuple[dict[str, Any], int]:
    """Link a pass to a card; again under the same key: the same pass, with what is said now."""
    db = session()
    card = _own_card(db, path.serial_number)
    member = lock_member(db, card.program_id, card.member.member_id)
    linked, is_new = put_linked_card(db, services().program_cache, member, body, now=now())
    program = program_of_caller(db)
    services().publisher.publish(db, program, [linked], Cause("linked", received_at()), now=now())
    answer = _answer(linked, program, linked_at_google(db, card.id))
    return answer.model_dump(mode="json"), 201 if is_new else 200


def _own_card(db: Session, serial_number: str) -> Card:
    card = require_card(db, serial_number)
    if card.member.erased_at is not None:
        raise Erased("this card was erased with its member")
    if card.linked_to is not None:
        raise Conflict("this is a linked pass itself; links are not nested")
    return card


def _answer(card: Card, program: LoadedProgram, beside: frozenset[int]) -> LinkedPassAnswer:
    facts = linked_facts(card)
    return LinkedPassAnswer(
        key=card.linked_key,
        template=card.linked_template or "",
        serial_number=card.serial_number,
        state=card.state,
        issued_at=card.issued_at,
        expires_at=facts.expires_at,
        amount=facts.amount,
        lines=facts.lines,
        links=links_of(card, program),
        beside_card_on_google=card.id in beside,
    )
