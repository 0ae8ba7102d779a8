"""Cards: their face, their far ends, and the end of their life."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from wallet_service.cards.content import CardContent
from wallet_service.cards.enrolment import void_card
from wallet_service.cards.places import reasons_of_card
from wallet_service.delivery.proof import FarEnd, far_ends_of
from wallet_service.delivery.timeline import Change, timeline_of
from wallet_service.errors import NotFound
from wallet_service.offers.facts import Place
from wallet_service.offers.reasons import ChosenPlace, LeftOut
from wallet_service.storage.tables import Card
from wallet_service.wallets.apple.device_logs import reports_of
from wallet_service.web.api.callers import caller, needs
from wallet_service.web.api.members import program_of_caller
from wallet_service.web.api.unit_of_work import session
from wallet_service.web.context import now, services

_TAG = Tag(name="cards", description="What the holder sees, and the proof of who has it.")


class CardPath(BaseModel):
    """The card's serial number."""

    serial_number: str = Field(min_length=1, max_length=64)


class FaceField(BaseModel):
    """A field as the holder reads it."""

    label: str
    value: str


class PhoneReportAnswer(BaseModel):
    """What iPhones complained about, repeats counted. `task`: register, unregister, list, fetch or other."""

    task: str
    error: str
    times: int
    first_at: datetime
    last_at: datetime


class CardStateAnswer(BaseModel):
    """A card: its face, its places and its far ends. Without a member: that one was erased."""

    serial_number: str
    member_id: str | None
    state: str
    version: int
    face: dict[str, FaceField]
    places: list[Place]
    far_ends: list[FarEnd]
    phone_reports: list[PhoneReportAnswer]


class PlacesAnswer(BaseModel):
    """The card's places as they would be chosen now, each with its reason, and the stores with a running offer that are
    not among them, each with what stands against it.
    """

    serial_number: str
    chosen: list[ChosenPlace]
    left_out: list[LeftOut]


class TimelineAnswer(BaseModel):
    """The last changes, newest first."""

    serial_number: str
    changes: list[Change]


def add_routes(api: APIBlueprint) -> None:
    """Register the routes."""
    card = "/cards/<string:serial_number>"
    api.get(card, tags=[_TAG], responses={200: CardStateAnswer})(get_card_route)
    api.get(f"{card}/timeline", tags=[_TAG], responses={200: TimelineAnswer})(get_timeline_route)
    api.get(f"{card}/places", tags=[_TAG], responses={200: PlacesAnswer})(get_places_route)
    api.post(f"{card}/void", tags=[_TAG], responses={200: CardStateAnswer})(void_card_route)


@needs("read")
def get_card_route(path: CardPath) -> dict[str, Any]:
    """Read a card with the proof of each far end."""
    db = session()
    return _answer(db, require_card(db, path.serial_number))


@needs("read")
def get_timeline_route(path: CardPath) -> dict[str, Any]:
    """Read how the last changes of a card travelled: received, composed, told, listed, fetched."""
    db = session()
    card = require_card(db, path.serial_number)
    answer = TimelineAnswer(serial_number=card.serial_number, changes=timeline_of(db, card))
    return answer.model_dump(mode="json")


@needs("read")
def get_places_route(path: CardPath) -> dict[str, Any]:
    """Read why the card has the places that it has."""
    db = session()
    card = require_card(db, path.serial_number)
    found = reasons_of_card(db, program_of_caller(db), card, now=now())
    answer = PlacesAnswer(serial_number=card.serial_number, chosen=list(found.chosen), left_out=list(found.left_out))
    return answer.model_dump(mode="json")


@needs("cards")
def void_card_route(path: CardPath) -> dict[str, Any]:
    """Void a card in every wallet; again: it stays void."""
    db = session()
    card = require_card(db, path.serial_number)
    void_card(db, services().publisher, card, now=now())
    return _answer(db, card)


def require_card(db: Session, serial_number: str) -> Card:
    """The card, or linked pass, of the caller's programme.

    Raises:
        NotFound: the programme has no such card.
    """
    card = db.scalar(
        select(Card)
        .where(Card.program_id == caller().program_id, Card.serial_number == serial_number)
        .options(joinedload(Card.member))
    )
    if card is None:
        raise NotFound(f"there is no card {serial_number!r}")
    return card


def _answer(db: Session, card: Card) -> dict[str, Any]:
    content = CardContent.model_validate(card.content)
    return CardStateAnswer(
        serial_number=card.serial_number,
        member_id=card.member.member_id if card.member.erased_at is None else None,
        state=card.state,
        version=card.version,
        face={field.id: FaceField(label=field.label, value=field.text) for field in content.fields},
        places=list(content.places),
        far_ends=far_ends_of(db, card),
        phone_reports=[
            PhoneReportAnswer.model_validate(report, from_attributes=True) for report in reports_of(db, card.id)
        ],
    ).model_dump(mode="json")
