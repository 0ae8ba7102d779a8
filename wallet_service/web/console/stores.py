"""Stores: the list beside a map, and deleting one. The form of a store is `store_form`, files are `store_imports`."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from flask import Response, redirect, request, url_for
from sqlalchemy import ColumnElement, Select, func, or_, select, text
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access.roles import Permission
from wallet_service.documents.opening_hours import hours_text, stored_hours
from wallet_service.errors import NotFound
from wallet_service.offers.opening_hours import Opening, opening_at
from wallet_service.offers.stores import require_store
from wallet_service.storage.tables import Store
from wallet_service.stores.changing import remove_store
from wallet_service.stores.importing import export_stores
from wallet_service.web.console.gate import Console
from wallet_service.web.console.navigation import frame
from wallet_service.web.console.store_map import map_values
from wallet_service.web.console.visit import actor, has_many_members, may, number_asked, program, session, visit
from wallet_service.web.context import now
from wallet_service.web.headers import Audience
from wallet_service.web.pages import current_reader, page

HERE = "console.stores_stores"
_ON_A_PAGE = 50
_MOST_SPOTS = 2000
_MOST_PAGES = 100_000


def add_pages(console: Console) -> None:
    """Register the pages."""
    console.page("/stores", stores, needs=Permission.STORES_READ)
    console.page("/stores.csv", export, needs=Permission.STORES_READ)
    console.page("/stores/<store_id>/delete", delete, needs=Permission.STORES_WRITE, methods=("GET", "POST"))


def stores() -> AnyResponse:
    """A page of stores, by name."""
    filters = {name: request.args.get(name, "").strip() for name in ("q", "group", "city", "hours")}
    number = min(max(number_asked("page") or 1, 1), _MOST_PAGES)
    matching = _matching(filters)
    db = session()
    total = db.scalar(select(func.count()).select_from(matching.subquery())) or 0
    ordered = matching.order_by(Store.name, Store.store_id)
    shown = db.scalars(ordered.offset((number - 1) * _ON_A_PAGE).limit(_ON_A_PAGE)).all()
    return page(
        "console/stores/stores.html",
        Audience.MAP,
        frame=frame(HERE),
        stores=[_shown(store) for store in shown],
        total=total,
        number=number,
        earlier=url_for(HERE, **_asked(filters, number - 1)) if number > 1 else None,
        later=url_for(HERE, **_asked(filters, number + 1)) if number * _ON_A_PAGE < total else None,
        filters=filters,
        is_filtered=any(filters.values()),
        groups=_choices(func.unnest(Store.groups)),
        cities=_choices(Store.address["city"].astext),
        map=map_values(db.scalars(ordered.limit(_MOST_SPOTS)).all()),
        may_add=may(Permission.STORES_WRITE),
        may_change=may(Permission.STORES_WRITE_DETAILS),
        may_import=may(Permission.STORES_IMPORT),
        done=request.args.get("done"),
        deleted=request.args.get("name", ""),
    )


def export() -> AnyResponse:
    """All of one's stores as a file that can be imported."""
    written = export_stores(session(), program().document, actor().store_ids)
    headers = {"Content-Disposition": "attachment; filename=stores.csv", "Cache-Control": "no-store"}
    return Response(written, mimetype="text/csv", headers=headers)


def delete(store_id: str) -> AnyResponse:
    """Delete a store: first what will happen, then the button."""
    store = own_store(store_id)
    if request.method == "POST":
        remove_store(session(), program().program_id, store_id, visit().author, now=now())
        return redirect(url_for(HERE, done="deleted", name=store.name), code=HTTPStatus.SEE_OTHER)
    counted = {name: _count(query, store_id) for name, query in _CONCERNED.items() if name != "cards"}
    # of very many cards the number would take longer than the page
    counted_cards = None if has_many_members() else _count(_CONCERNED["cards"], store_id)
    return page(
        "console/stores/delete.html",
        Audience.CONSOLE,
        frame=frame(HERE, trail=trail()),
        store=store,
        counted=counted,
        counted_cards=counted_cards,
    )


def own_store(store_id: str) -> Store:
    """A store of this programme and of this person; others do not exist here."""
    if not actor().has_store(store_id):
        raise NotFound("not one of this person's stores")
    return require_store(session(), program().program_id, store_id)


def trail() -> tuple[tuple[str, str], ...]:
    """The way back to the list."""
    return ((current_reader().gettext("Stores"), url_for(HERE)),)


def opening_of(store: Store) -> Opening | None:
    """How a store stands now; None where nobody has said its hours."""
    hours = hours_text(stored_hours(store.opening_hours))
    return opening_at(hours, store.time_zone, store.address.get("country"), now()) if hours is not None else None


_CONCERNED = {
    "cards": """SELECT count(*) FROM cards WHERE program_id = :program AND state = 'active'
        AND content -> 'places' @> jsonb_build_array(jsonb_build_object('store_id', CAST(:id AS text)))""",
    "offers": "SELECT count(*) FROM offers WHERE program_id = :program AND ends_at > :now AND state <> 'cancelled'"
    " AND :id = ANY(store_ids)",
    "people": "SELECT count(*) FROM grants WHERE program_id = :program AND :id = ANY(store_ids)",
}


def _count(query: str, store_id: str) -> int:
    values = {"program": program().program_id, "id": store_id, "now": now()}
    names = {name: value for name, value in values.items() if f":{name}" in query}
    return session().scalar(text(query), names) or 0


def _mine() -> list[ColumnElement[bool]]:
    conditions = [Store.program_id == program().program_id]
    own = actor().store_ids
    return conditions if own is None else [*conditions, Store.store_id.in_(own)]


def _matching(filters: dict[str, str]) -> Select[Store]:
    query = select(Store).where(*_mine())
    city = Store.address["city"].astext
    if wanted := filters["q"]:
        like = "%" + wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        query = query.where(or_(Store.name.ilike(like), Store.store_id.ilike(like), city.ilike(like)))
    if filters["group"]:
        query = query.where(Store.groups.any(filters["group"]))  # type: ignore[arg-type]  # an array column
    if filters["city"]:
        query = query.where(city == filters["city"])
    if filters["hours"] == "none":
        query = query.where(Store.opening_hours == text("'{}'::jsonb"))
    return query


def _choices(value: Any) -> Sequence[str]:
    found = session().scalars(select(value).where(*_mine()).distinct().limit(500)).all()
    return sorted(each for each in found if each)


def _asked(filters: dict[str, str], number: int) -> dict[str, Any]:
    asked: dict[str, Any] = {name: value for name, value in filters.items() if value}
    return asked | ({"page": number} if number > 1 else {})


def _shown(store: Store) -> dict[str, Any]:
    places = program().places
    live = places.stores.get(store.store_id)
    at = now()
    running = [offer for offer in places.offers if offer.starts_at <= at < offer.ends_at]
    return {
        "store_id": store.store_id,
        "name": store.name,
        "city": store.address.get("city") or "",
        "zone": store.time_zone,
        "opening": opening_of(store),
        "offers": sum(offer.holds_at(live) for offer in running) if live is not None else 0,
        "latitude": store.latitude,
        "longitude": store.longitude,
    }
