"""Stores: where offers hold and near which a card may come forward."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field
from sqlalchemy import select
from werkzeug.routing import BaseConverter

from wallet_service.documents.stores import StoreDocument
from wallet_service.documents.types import Identifier
from wallet_service.errors import Invalid
from wallet_service.offers.stores import require_store
from wallet_service.storage.tables import Store
from wallet_service.stores.changing import remove_store, save_store
from wallet_service.stores.csv_file import decoded, match, table_of
from wallet_service.stores.importing import apply_plan, plan_import
from wallet_service.web.api.callers import caller, needs
from wallet_service.web.api.members import program_of_caller
from wallet_service.web.api.pages import page_of
from wallet_service.web.api.unit_of_work import session
from wallet_service.web.context import now
from wallet_service.web.form_values import number_in
from wallet_service.web.refused_rows import reasons_of

_TAG = Tag(name="stores", description="The brand's shops.")


class StoreIdConverter(BaseConverter):
    """A store's id in an address: any but the word of the call beside it, `POST /stores/import`."""

    regex = "(?!import$)[^/]+"


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
    phone: str | None
    opening_hours: dict[str, Any] | str
    proximity_text: dict[str, str]
    beacons: list[dict[str, Any]]
    groups: list[str]
    version: int


class StoresAnswer(BaseModel):
    """A page; `next` is the `after` of the following one, null on the last."""

    items: list[StoreAnswer]
    next: str | None


class ImportQuery(BaseModel):
    """How a file is imported."""

    rehearse: bool = Field(default=False, description="Say what would happen, and change nothing.")


class RefusedRowAnswer(BaseModel):
    """A row that was not imported, and why: `reasons` by language, `fr` and `en`."""

    line: int
    store_id: str
    reasons: dict[str, list[str]]


class ImportAnswer(BaseModel):
    """What an import did, or would do."""

    rehearsed: bool
    new: int
    changed: int
    unchanged: int
    refused: list[RefusedRowAnswer]


def add_routes(api: APIBlueprint) -> None:
    """Register the routes."""
    api.get("/stores", tags=[_TAG], responses={200: StoresAnswer})(list_stores_route)
    api.post("/stores/import", tags=[_TAG], responses={200: ImportAnswer})(import_stores_route)
    store = "/stores/<store:store_id>"
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
    """Create or replace a store; cards near it are composed again. With `If-Match: <version>` only if nobody else has
    changed it since.
    """
    caller().require_store([path.store_id], [])
    db = session()
    document = program_of_caller(db).document
    author, version = caller().actor.author, version_wanted()
    change = save_store(db, document, path.store_id, body, author, version=version, now=now())
    return _answer(change.store), 201 if change.is_new else 200


@needs("stores")
def import_stores_route(query: ImportQuery) -> dict[str, Any]:
    """Create and change stores from a CSV file, the body of this request as it is; rows that are wrong are told and
    left out. The same file once more changes nothing.
    """
    caller().require_store([], [])
    db = session()
    program = program_of_caller(db).document
    table = table_of(decoded(request.get_data(cache=True)))
    plan = plan_import(db, program, table, match(table, program.locales))
    if not query.rehearse:
        apply_plan(db, program, plan, caller().actor.author, now=now())
    return ImportAnswer(
        rehearsed=query.rehearse,
        new=plan.count("new"),
        changed=plan.count("changed"),
        unchanged=plan.count("unchanged"),
        refused=[
            RefusedRowAnswer(line=row.line, store_id=row.store_id, reasons=reasons_of(row)) for row in plan.refused
        ],
    ).model_dump(mode="json")


@needs("read")
def get_store_route(path: StorePath) -> dict[str, Any]:
    """Read a store."""
    return _answer(require_store(session(), caller().program_id, path.store_id))


@needs("stores")
def delete_store_route(path: StorePath) -> Response:
    """Delete a store; it leaves the cards that named it."""
    caller().require_store([path.store_id], [])
    remove_store(session(), caller().program_id, path.store_id, caller().actor.author, now=now())
    return Response(status=204)


def version_wanted() -> int | None:
    """The version that `If-Match` names."""
    wanted = request.headers.get("If-Match", "").strip().strip('"')
    if not wanted or wanted == "*":
        return None
    if (version := number_in(wanted)) is None:
        raise Invalid.at("If-Match", "should be the version, a whole number")
    return version


def _answer(store: Store) -> dict[str, Any]:
    return StoreAnswer(**{name: getattr(store, name) for name in StoreAnswer.model_fields}).model_dump(mode="json")
