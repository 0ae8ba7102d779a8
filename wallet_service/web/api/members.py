"""Members, their balances and their card."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel
from sqlalchemy.orm import Session

from wallet_service.cards.enrolment import issue_card
from wallet_service.cards.erasure import erase_member
from wallet_service.cards.facts import BalanceFacts
from wallet_service.cards.members import lock_member, put_member, read_member, set_balances
from wallet_service.cards.program_cache import LoadedProgram
from wallet_service.cards.publishing import Cause
from wallet_service.cards.reading_facts import balance_facts
from wallet_service.documents.balances import BalancesDocument
from wallet_service.documents.members import MemberDocument
from wallet_service.documents.types import Identifier
from wallet_service.storage.tables import Card, Member
from wallet_service.web.api.callers import caller, needs
from wallet_service.web.api.unit_of_work import received_at, session
from wallet_service.web.context import now, services

_TAG = Tag(name="members", description="Customers in a programme, by the CRM's own id.")


class MemberPath(BaseModel):
    """The CRM's id of the member."""

    member_id: Identifier


class MemberAnswer(BaseModel):
    """A member as the service knows them."""

    member_id: str
    first_name: str | None
    last_name: str | None
    email: str | None
    phone: str | None
    locale: str | None
    birthday: date | None
    card_number: str
    favourite_store_id: str | None
    home: dict[str, float] | None
    consents: dict[str, Any]
    attributes: dict[str, Any]
    balances: BalanceFacts
    serial_number: str | None
    created_at: datetime
    updated_at: datetime


class Links(BaseModel):
    """Where the holder gets the card."""

    card: str
    apple: str | None
    google: str | None


class CardAnswer(BaseModel):
    """An issued card."""

    serial_number: str
    state: str
    links: Links


class BalancesAnswer(BaseModel):
    """`ignored`: older than what is known."""

    status: str


def add_routes(api: APIBlueprint) -> None:
    """Register the routes."""
    member = "/members/<string:member_id>"
    api.put(member, tags=[_TAG], responses={200: MemberAnswer, 201: MemberAnswer})(put_member_route)
    api.get(member, tags=[_TAG], responses={200: MemberAnswer})(get_member_route)
    api.delete(member, tags=[_TAG], responses={204: None})(delete_member_route)
    api.post(f"{member}/card", tags=[_TAG], responses={200: CardAnswer, 201: CardAnswer})(post_card_route)
    api.put(f"{member}/balances", tags=[_TAG], responses={200: BalancesAnswer})(put_balances_route)


def program_of_caller(db: Session) -> LoadedProgram:
    """The programme that the key belongs to."""
    return services().program_cache.program(db, caller().program_id)


@needs("members")
def put_member_route(path: MemberPath, body: MemberDocument) -> tuple[dict[str, Any], int]:
    """Create or update a member."""
    db = session()
    member, put = put_member(db, program_of_caller(db).document, path.member_id, body, now=now())
    _publish_cards_of(db, member, "member updated")
    return _answer(member), 201 if put == "created" else 200


@needs("read")
def get_member_route(path: MemberPath) -> dict[str, Any]:
    """Read a member."""
    db = session()
    return _answer(read_member(db, caller().program_id, path.member_id))


@needs("members")
def delete_member_route(path: MemberPath) -> Response:
    """Erase a member. Everything personal is deleted at once; the card becomes void and nameless on the phones."""
    db = session()
    erase_member(db, services().publisher, lock_member(db, caller().program_id, path.member_id), now=now())
    return Response(status=204)


@needs("cards")
def post_card_route(path: MemberPath) -> tuple[dict[str, Any], int]:
    """Issue the member's card; again: the same card."""
    db = session()
    program = program_of_caller(db)
    member = lock_member(db, program.program_id, path.member_id)
    card, created = issue_card(db, services().publisher, program, member, now=now())
    return _card_answer(card, program).model_dump(), 201 if created else 200


@needs("members")
def put_balances_route(path: MemberPath, body: BalancesDocument) -> dict[str, Any]:
    """Set the member's balances, absolutely; older news is ignored."""
    db = session()
    member = lock_member(db, caller().program_id, path.member_id)
    if not set_balances(db, program_of_caller(db).document, member, body, now=now()):
        return {"status": "ignored"}
    _publish_cards_of(db, member, "balances set")
    return {"status": "applied"}


def _publish_cards_of(db: Session, member: Member, what: str) -> None:
    if member.cards:
        program = program_of_caller(db)
        services().publisher.publish(db, program, member.cards, Cause(what, received_at()), now=now())


def _card_answer(card: Card, program: LoadedProgram) -> CardAnswer:
    return CardAnswer(serial_number=card.serial_number, state=card.state, links=links_of(card, program))


def links_of(card: Card, program: LoadedProgram) -> Links:
    """Where the holder gets a card, or a pass linked to one."""
    link = services().publisher.card_link(card.link_token)
    return Links(
        card=link,
        apple=f"{link}/pass.pkpass" if program.document.apple else None,
        google=f"{link}/google" if program.document.google else None,
    )


def _answer(member: Member) -> dict[str, Any]:
    home = None
    if member.home_latitude is not None and member.home_longitude is not None:
        home = {"latitude": member.home_latitude, "longitude": member.home_longitude}
    return MemberAnswer(
        **{name: getattr(member, name) for name in MemberAnswer.model_fields if hasattr(member, name)},
        home=home,
        balances=balance_facts(member.balance),
        serial_number=member.card.serial_number if member.card else None,
    ).model_dump(mode="json")
