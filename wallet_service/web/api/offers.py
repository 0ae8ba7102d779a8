"""Geofenced offers: what a store or the brand proposes, for a time, to some members, at some places."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from wallet_service.access.journal import record
from wallet_service.documents.offers import OfferDocument, OfferPatch
from wallet_service.offers.audience import CONDITIONS, REACHES, audience_of
from wallet_service.offers.changing import (
    OfferChange,
    cancel_offer,
    change_offer,
    changed_fields,
    copy_offer,
    end_offer,
    locked_offer,
    publish_offer,
    stored_fields,
    unpublish_offer,
)
from wallet_service.offers.listing import offers_page
from wallet_service.offers.pressure import DECISIONS
from wallet_service.offers.publishing import draft_offer, require_offer
from wallet_service.offers.states import OfferState, offer_state
from wallet_service.storage.tables import Offer
from wallet_service.web.api.callers import caller, needs
from wallet_service.web.api.members import program_of_caller
from wallet_service.web.api.pages import page_of
from wallet_service.web.api.stores import version_wanted
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
    state: OfferState | None = Field(default=None, description="Only those in this state now.")


class OfferAnswer(BaseModel):
    """An offer as the service knows it; its state is that of this moment."""

    id: int
    code: str
    state: OfferState
    version: int
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
    weekly_hours: list[dict[str, str]]
    only_when_open: bool


class AudienceQuery(BaseModel):
    """Which members are counted: in the order of their numbers, a portion at a time."""

    after: int = Field(default=0, ge=0, le=2**63 - 1, description="The `next` of the portion before.")
    limit: int = Field(default=50_000, ge=1, le=50_000)


class AudienceAnswer(BaseModel):
    """Who sees the offer, and why the others do not; each member counts once. `may_notify`: with the consent that a
    notification needs; `other_offer`: another one goes first at its stores; `other_places`: ten others go first;
    `not_for`: by the first condition of the target that is not met. `notifications`: what pressure would make of
    those of `receives` then, as things stand now. `next`: where to go on, null at the end.
    """

    members: int
    receives: int
    may_notify: int
    silently: int
    not_installed: int
    other_offer: int
    other_places: int
    not_for: dict[str, int]
    notifications: dict[str, int]
    next: int | None


class OffersAnswer(BaseModel):
    """A page; `next` is the `after` of the following one, null on the last."""

    items: list[OfferAnswer]
    next: int | None


def add_routes(api: APIBlueprint) -> None:
    """Register the routes."""
    api.get("/offers", tags=[_TAG], responses={200: OffersAnswer})(list_offers_route)
    api.post("/offers", tags=[_TAG], responses={201: OfferAnswer})(post_offer_route)
    api.post("/offers/audience", tags=[_TAG], responses={200: AudienceAnswer})(draft_audience_route)
    offer = "/offers/<int:offer_id>"
    api.get(offer, tags=[_TAG], responses={200: OfferAnswer})(get_offer_route)
    api.patch(offer, tags=[_TAG], responses={200: OfferAnswer})(patch_offer_route)
    api.post(f"{offer}/publish", tags=[_TAG], responses={200: OfferAnswer})(publish_offer_route)
    api.post(f"{offer}/unpublish", tags=[_TAG], responses={200: OfferAnswer})(unpublish_offer_route)
    api.post(f"{offer}/cancel", tags=[_TAG], responses={200: OfferAnswer})(cancel_offer_route)
    api.post(f"{offer}/end", tags=[_TAG], responses={200: OfferAnswer})(end_offer_route)
    api.post(f"{offer}/copy", tags=[_TAG], responses={201: OfferAnswer})(copy_offer_route)
    api.get(f"{offer}/audience", tags=[_TAG], responses={200: AudienceAnswer})(offer_audience_route)


@needs("read")
def list_offers_route(query: OffersQuery) -> dict[str, Any]:
    """List the offers, a page at a time."""
    found = offers_page(
        session(), caller().program_id, state=query.state, after=query.after, limit=query.limit + 1, now=now()
    )
    return page_of(found, query.limit, key=lambda offer: offer.id, answer=_answer)


@needs("offers")
def post_offer_route(body: OfferDocument) -> tuple[dict[str, Any], int]:
    """Draft an offer; nobody sees it until it is published."""
    caller().require_store(body.store_ids, body.groups)
    db = session()
    program = program_of_caller(db)
    reach_m = program.reach_m
    return _answer(_drafted(draft_offer(db, program.document, body, reach_m=reach_m))), 201


@needs("read")
def get_offer_route(path: OfferPath) -> dict[str, Any]:
    """Read an offer."""
    return _answer(require_offer(session(), caller().program_id, path.offer_id))


@needs("read")
def offer_audience_route(path: OfferPath, query: AudienceQuery) -> dict[str, Any]:
    """Count who will see an offer from its start on, and why the others do not."""
    return _audience(require_offer(session(), caller().program_id, path.offer_id), query)


@needs("offers")
def draft_audience_route(body: OfferDocument, query: AudienceQuery) -> dict[str, Any]:
    """Count who would see an offer that is not stored yet."""
    caller().require_store(body.store_ids, body.groups)
    return _audience(body, query)


def _audience(offer: Offer | OfferDocument, query: AudienceQuery) -> dict[str, Any]:
    db = session()
    program = program_of_caller(db)
    found = audience_of(
        db,
        program.document,
        program.places,
        offer,
        reach_m=program.reach_m,
        after=query.after,
        most=query.limit,
        iphones_notify=program.composer.shows_news,
        now=now(),
    )
    reaches = {name: found.counts[name] for name in REACHES}
    return AudienceAnswer(
        members=found.members,
        receives=found.receives,
        **reaches,
        notifications={name: found.notifications[name] for name in DECISIONS if found.notifications[name]},
        not_for={name: found.counts[name] for name in CONDITIONS if found.counts[name]},
        next=found.next_after,
    ).model_dump(mode="json")


@needs("offers")
def patch_offer_route(path: OfferPath, body: OfferPatch) -> dict[str, Any]:
    """Change an offer: a draft and a scheduled one in everything, a running one in its texts, end, audience and
    options. With `If-Match: <version>` only if nobody else has changed it since.
    """
    db, _ = session(), _own_offer(path, looks_at_version=False)
    program = program_of_caller(db)
    reach_m = program.reach_m
    change = change_offer(
        db, program.document, path.offer_id, body, reach_m=reach_m, version=version_wanted(), now=now()
    )
    caller().require_store(change.offer.store_ids, change.offer.groups)
    return _answer(_journalled(change, "offer_changed"))


@needs("offers")
def publish_offer_route(path: OfferPath) -> dict[str, Any]:
    """Publish an offer: from its start to its end it is on the cards of those who may use it."""
    offer = _own_offer(path)
    return _answer(_journalled(publish_offer(session(), offer.program_id, offer.id, now=now()), "offer_published"))


@needs("offers")
def unpublish_offer_route(path: OfferPath) -> dict[str, Any]:
    """Make an offer that has not begun a draft again."""
    offer = _own_offer(path)
    return _answer(_journalled(unpublish_offer(session(), offer.program_id, offer.id, now=now()), "offer_unpublished"))


@needs("offers")
def cancel_offer_route(path: OfferPath) -> dict[str, Any]:
    """Cancel an offer that is not over; it leaves the cards."""
    offer = _own_offer(path)
    return _answer(_journalled(cancel_offer(session(), offer.program_id, offer.id, now=now()), "offer_cancelled"))


@needs("offers")
def end_offer_route(path: OfferPath) -> dict[str, Any]:
    """End a running offer now; it leaves the cards."""
    offer = _own_offer(path)
    return _answer(_journalled(end_offer(session(), offer.program_id, offer.id, now=now()), "offer_ended"))


@needs("offers")
def copy_offer_route(path: OfferPath) -> tuple[dict[str, Any], int]:
    """Make a draft of any offer, with a code of its own."""
    offer = _own_offer(path)
    return _answer(_drafted(copy_offer(session(), offer.program_id, offer.id))), 201


def _own_offer(path: OfferPath, *, looks_at_version: bool = True) -> Offer:
    """The offer, locked, which is the caller's to change and has the version that `If-Match` names."""
    version = version_wanted() if looks_at_version else None
    offer = locked_offer(session(), caller().program_id, path.offer_id, version=version)
    caller().require_store(offer.store_ids, offer.groups)
    return offer


def _journalled(change: OfferChange, action: str) -> Offer:
    changes = changed_fields(change.before, change.after)
    if changes:
        _record(change.offer, action, changes)
    return change.offer


def _drafted(offer: Offer) -> Offer:
    _record(offer, "offer_drafted", changed_fields({}, stored_fields(offer)))
    return offer


def _record(offer: Offer, action: str, changes: dict[str, tuple[Any, Any]]) -> None:
    author = caller().actor.author
    record(session(), author, action, "offer", offer.id, program_id=offer.program_id, changes=changes, now=now())


def _answer(offer: Offer) -> dict[str, Any]:
    values = {name: getattr(offer, name) for name in OfferAnswer.model_fields}
    return OfferAnswer(**values | {"state": offer_state(offer, now())}).model_dump(mode="json")
