"""Stores: where offers hold and near which a card may come forward."""

from __future__ import annotations

from typing import Any

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field
from sqlalchemy import select

from wallet_service.documents.stores import StoreDocument
from wallet_service.documents.types import Identifier
from wallet_service.offers.stores import delete_store, put_store, require_store
from wallet_service.storage.tables import Store
from wallet_service.web.api.callers import caller, needs
from wallet_service.web.api.members import program_of_caller
from wallet_service.web.api.pages import page_of
from wallet_service.web.api.unit_of_work import session
from wallet_service.web.context import now

_TAG = Tag(name="stores", description="The brand's shops.")


class StorePath(BaseModel):
    """The brand's own id of the store."""

    store_id: Identifier


class StoresQuery(BaseModel):
    """A page of stores, in the order of their ids."""

    after: str = Field(default="", description="The last store_id of the page before.")
    limit: int = Field(default=100, ge=1, le=1000)


class StoreAnswer(BaseModel):
    """A store as the service knows it."""

    store_id: str
    name: str
    short_name: str | None
    latitude: float
    longitude: float
    time_zone: str
    address: dict[str, Any]
    opening_hours: dict[str, Any]
    proximity_text: dict[str, str]
    beacons: list[dict[str, Any]]
    groups: list[str]


class StoresAnswer(BaseModel):
    """A page; `next` is the `after` of the following one, null on the last."""

    items: list[StoreAnswer]
    next: str | None


def add_routes(api: APIBlueprint) -> None:
    """Register the routes."""
    api.get("/stores", tags=[_TAG], responses={200: StoresAnswer})(list_stores_route)
    store = "/stores/<string:store_id>"
    api.put(store, tags=[_TAG], responses={200: StoreAnswer, 201: StoreAnswer})(put_store_route)
    api.get(store, tags=[_TAG], responses={200: StoreAnswer})(get_store_route)
    api.delete(store, tags=[_TAG], responses={204: None})(delete_store_route)


@needs("read")
def list_stores_route(query: StoresQuery) -> dict[str, Any]:
    """List the stores, a page at a time."""
    found = (
        session()
        .scalars(
            select(Store)
            .where(Store.program_id == caller().program_id, Store.store_id > query.after)
            .order_by(Store.store_id)
            .limit(query.limit + 1)
        )
        .all()
    )
    return page_of(found, query.limit, key=lambda store: store.store_id, answer=_answer)


@needs("stores")
def put_store_route(path: StorePath, body: StoreDocument) -> tuple[dict[str, Any], int]:
    """Create or replace a store; cards near it are composed again."""
    caller().require_store([path.store_id], [])
    db = session()
    store, is_new = put_store(db, program_of_caller(db).document, path.store_id, body, now=now())
    return _answer(store), 201 if is_new else 200


@needs("read")
def get_store_route(path: StorePath) -> dict[str, Any]:
    """Read a store."""
    return _answer(require_store(session(), caller().program_id, path.store_id))


@needs("stores")
def delete_store_route(path: StorePath) -> Response:
    """Delete a store; it leaves the cards that named it."""
    caller().require_store([path.store_id], [])
    delete_store(session(), caller().program_id, path.store_id, now=now())
    return Response(status=204)


def _answer(store: Store) -> dict[str, Any]:
    return StoreAnswer(**{name: getattr(store, name) for name in StoreAnswer.model_fields}).model_dump(mode="json")
