"""Overlays: another face of the cards for a span ("Black Friday")."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field
from sqlalchemy import select

from wallet_service.documents.overlays import OverlayDocument
from wallet_service.documents.types import Identifier
from wallet_service.errors import Invalid, NotFound
from wallet_service.offers.states import OfferState, offer_state
from wallet_service.overlays.changing import (
    LARGEST_IMAGE,
    delete_overlay,
    publish_overlay,
    put_image,
    require_overlay,
    save_overlay,
    withdraw_overlay,
)
from wallet_service.programs.overlays import images_of
from wallet_service.storage.tables import Overlay
from wallet_service.web.api.callers import caller, needs
from wallet_service.web.api.pages import page_of
from wallet_service.web.api.stores import version_wanted
from wallet_service.web.api.unit_of_work import session
from wallet_service.web.context import now

_TAG = Tag(name="overlays", description="Another face of the cards for a span; then they are as before.")


class OverlayPath(BaseModel):
    """The brand's own code of the overlay."""

    code: Identifier


class ImagePath(OverlayPath):
    """One picture of an overlay: `strip`, `hero`, `logo`, …"""

    name: Identifier


class OverlaysQuery(BaseModel):
    """A page of overlays, in the order of their codes."""

    after: str = Field(default="", description="The last code of the page before.")
    limit: int = Field(default=100, ge=1, le=1000)


class OverlayAnswer(BaseModel):
    """An overlay as the service knows it; its state is that of this moment."""

    code: str
    state: OfferState
    version: int
    title: str
    template: str | None
    starts_at: datetime
    ends_at: datetime
    priority: int
    colours: dict[str, str]
    words: dict[str, dict[str, str]]
    images: list[str]


class OverlaysAnswer(BaseModel):
    """A page; `next` is the `after` of the following one, null on the last."""

    items: list[OverlayAnswer]
    next: str | None


def add_routes(api: APIBlueprint) -> None:
    """Register the routes."""
    api.get("/overlays", tags=[_TAG], responses={200: OverlaysAnswer})(list_overlays_route)
    overlay = "/overlays/<code>"
    api.put(overlay, tags=[_TAG], responses={200: OverlayAnswer, 201: OverlayAnswer})(put_overlay_route)
    api.get(overlay, tags=[_TAG], responses={200: OverlayAnswer})(get_overlay_route)
    api.delete(overlay, tags=[_TAG], responses={204: None})(delete_overlay_route)
    api.post(f"{overlay}/publish", tags=[_TAG], responses={200: OverlayAnswer})(publish_overlay_route)
    api.post(f"{overlay}/withdraw", tags=[_TAG], responses={200: OverlayAnswer})(withdraw_overlay_route)
    image = f"{overlay}/images/<name>"
    api.get(image, tags=[_TAG])(get_image_route)
    api.put(image, tags=[_TAG], responses={200: OverlayAnswer})(put_image_route)
    api.delete(image, tags=[_TAG], responses={200: OverlayAnswer})(delete_image_route)


@needs("read")
def list_overlays_route(query: OverlaysQuery) -> dict[str, Any]:
    """List the overlays, a page at a time."""
    mine = select(Overlay).where(Overlay.program_id == caller().program_id, Overlay.code > query.after)
    found = session().scalars(mine.order_by(Overlay.code).limit(query.limit + 1)).all()
    return page_of(found, query.limit, key=lambda overlay: overlay.code, answer=_answer)


@needs("offers")
def put_overlay_route(path: OverlayPath, body: OverlayDocument) -> tuple[dict[str, Any], int]:
    """Create an overlay as a draft, or replace one; one that is published changes on the cards. With `If-Match:
    <version>` only if nobody else has changed it since.
    """
    change = save_overlay(*_mine(), path.code, body, caller().actor.author, version=version_wanted(), now=now())
    return _answer(change.overlay), 201 if change.is_new else 200


@needs("read")
def get_overlay_route(path: OverlayPath) -> dict[str, Any]:
    """Read an overlay."""
    return _answer(require_overlay(session(), caller().program_id, path.code))


@needs("offers")
def delete_overlay_route(path: OverlayPath) -> Response:
    """Delete an overlay; one that is on the cards is taken off them."""
    delete_overlay(*_mine(), path.code, caller().actor.author, version=version_wanted(), now=now())
    return Response(status=204)


@needs("offers")
def publish_overlay_route(path: OverlayPath) -> dict[str, Any]:
    """Let an overlay begin and end by itself on every card of its design."""
    return _answer(publish_overlay(*_mine(), path.code, caller().actor.author, version=version_wanted(), now=now()))


@needs("offers")
def withdraw_overlay_route(path: OverlayPath) -> dict[str, Any]:
    """Take an overlay off the cards at once, or before it begins; it is a draft again."""
    return _answer(withdraw_overlay(*_mine(), path.code, caller().actor.author, version=version_wanted(), now=now()))


@needs("read")
def get_image_route(path: ImagePath) -> Response:
    """Read a picture of an overlay, a PNG."""
    overlay = require_overlay(session(), caller().program_id, path.code)
    found = next((png for name, png in images_of(session(), overlay.id).items() if name == path.name), None)
    if found is None:
        raise NotFound(f"the overlay has no picture {path.name!r}")
    return Response(found, mimetype="image/png")


@needs("offers")
def put_image_route(path: ImagePath) -> dict[str, Any]:
    """Give an overlay a picture: a PNG, the body of this request as it is."""
    png = request.get_data(cache=True)
    if len(png) > LARGEST_IMAGE:
        raise Invalid.at("", f"the picture has more than {LARGEST_IMAGE:,} bytes", "too_large", most=LARGEST_IMAGE)
    return _answer(_put_image(path, png))


@needs("offers")
def delete_image_route(path: ImagePath) -> dict[str, Any]:
    """Take a picture from an overlay: the design's own is seen again."""
    return _answer(_put_image(path, None))


def _put_image(path: ImagePath, png: bytes | None) -> Overlay:
    author, version = caller().actor.author, version_wanted()
    return put_image(*_mine(), path.code, path.name, png, author, version=version, now=now())


def _mine() -> tuple[Any, str]:
    """The session and the programme; an overlay is the brand's, so a key of one store may not write one."""
    caller().require_store([], [])
    return session(), caller().program_id


def _answer(row: Overlay) -> dict[str, Any]:
    return OverlayAnswer(
        code=row.code,
        state=offer_state(row, now()),
        version=row.version,
        title=row.title,
        template=row.template_id,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        priority=row.priority,
        colours=row.changes.get("colours", {}),
        words=row.changes.get("words", {}),
        images=sorted(images_of(session(), row.id)),
    ).model_dump(mode="json")
