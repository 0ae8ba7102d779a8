"""Geofenced offers: what a store or the brand proposes, for a time, to some members, at some places."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field
from sqlalchemy import select

from wallet_service.documents.offers import OfferDocument
from wallet_service.offers.publishing import draft_offer, move_offer, require_offer
from wallet_service.storage.tables import Offer
from wallet_service.web.api.callers import caller, needs
from wallet_service.web.api.members import program_of_caller
from wallet_service.web.api.pages import page_of
from wallet_service.web.api.unit_of_work import session
from wallet_service.web.context import now

_TAG = Tag(name="offers", description="Offers, shown near their stores while they hold.")


class OfferPath(BaseModel):
    """The offer's number."""

    offer_id: int = Field(ge=1, le=2**63 - 1)


class OffersQuery(BaseModel):
    """A page of offers, oldest first."""

    after: int = Field(default=0, ge=0, le=2**63 - 1, description="The last id of the page before.")
    limit: int = Field(default=100, ge=1, le=1000)


class OfferAnswer(BaseModel):
    """An offer as the service knows it."""

    id: int
    code: str
    state: str
    title: dict[str, str]
    text: dict[str, str]
    proximity_text: dict[str, str]
    store_ids: list[str]
    groups: list[str]
    starts_at: datetime
    ends_at: datetime
    target: dict[str, Any]
    radius_m: int | None
    uses_per_member: int | None
    uses_total: int | None
    priority: int
    notify: bool


class OffersAnswer(BaseModel):
    """A page; `next` is the `after` of the following one, null on the last."""

    items: list[OfferAnswer]
    next: int | None


def add_routes(api: APIBlueprint) -> None:
    """Register the routes."""
    api.get("/offers", tags=[_TAG], responses={200: OffersAnswer})(list_offers_route)
    api.post("/offers", tags=[_TAG], responses={201: OfferAnswer})(post_offer_route)
    offer = "/offers/<int:offer_id>"
    api.get(offer, tags=[_TAG], responses={200: OfferAnswer})(get_offer_route)
    api.post(f"{offer}/publish", tags=[_TAG], responses={200: OfferAnswer})(publish_offer_route)
    api.post(f"{offer}/cancel", tags=[_TAG], responses={200: OfferAnswer})(cancel_offer_route)


@needs("read")
def list_offers_route(query: OffersQuery) -> dict[str, Any]:
    """List the offers, a page at a time."""
    found = (
        session()
        .scalars(
            select(Offer)
            .where(Offer.program_id == caller().program_id, Offer.id > query.after)
            .order_by(Offer.id)
            .limit(query.limit + 1)
        )
        .all()
    )
    return page_of(found, query.limit, key=lambda offer: offer.id, answer=_answer)


@needs("offers")
def post_offer_route(body: OfferDocument) -> tuple[dict[str, Any], int]:
    """Draft an offer; nobody sees it until it is published."""
    caller().require_store(body.store_ids, body.groups)
    db = session()
    program = program_of_caller(db)
    reach_m = program.composer.template.document.reach_m
    return _answer(draft_offer(db, program.document, body, reach_m=reach_m)), 201


@needs("read")
def get_offer_route(path: OfferPath) -> dict[str, Any]:
    """Read an offer."""
    return _answer(require_offer(session(), caller().program_id, path.offer_id))


@needs("offers")
def publish_offer_route(path: OfferPath) -> dict[str, Any]:
    """Publish an offer: from its start to its end it is on the cards of those who may use it."""
    return _move(path.offer_id, "published")


@needs("offers")
def cancel_offer_route(path: OfferPath) -> dict[str, Any]:
    """Cancel an offer; it leaves the cards."""
    return _move(path.offer_id, "cancelled")


def _move(offer_id: int, state: str) -> dict[str, Any]:
    offer = require_offer(session(), caller().program_id, offer_id)
    caller().require_store(offer.store_ids, offer.groups)
    return _answer(move_offer(session(), caller().program_id, offer_id, state, now=now()))


def _answer(offer: Offer) -> dict[str, Any]:
    return OfferAnswer(**{name: getattr(offer, name) for name in OfferAnswer.model_fields}).model_dump(mode="json")
