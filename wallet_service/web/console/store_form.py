"""The form of one store: whole for those who may write stores, hours, telephone and texts for whoever runs it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import redirect, request, url_for
from pydantic import Field
from sqlalchemy import select
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access import journal
from wallet_service.access.roles import Permission
from wallet_service.documents.coordinates import coordinates_in
from wallet_service.documents.opening_hours import DAYS, WeeklyHours
from wallet_service.documents.stores import StoreDetails, StoreDocument
from wallet_service.documents.types import Identifier, texts_of
from wallet_service.errors import Fault, Forbidden, Invalid, NotFound
from wallet_service.offers.choosing_places import Point, haversine_m
from wallet_service.offers.stores import ChangedMeanwhile, document_of, require_store, stored_values, values_of
from wallet_service.parsing import parse
from wallet_service.storage.tables import Store
from wallet_service.stores.cells import beacons_in, beacons_text, exceptions_in, exceptions_text
from wallet_service.stores.changing import save_details, save_store
from wallet_service.web.console.gate import Console
from wallet_service.web.console.navigation import frame
from wallet_service.web.console.store_map import map_values
from wallet_service.web.console.stores import HERE, opening_of, own_store, trail
from wallet_service.web.console.visit import may, program, session, typed, visit
from wallet_service.web.context import now
from wallet_service.web.form_values import Raw, flatten, last_in, nest, number_in
from wallet_service.web.forms import Form
from wallet_service.web.headers import Audience
from wallet_service.web.pages import current_reader, page

_FAR_M = 500_000
_COMMA = re.compile(r"[-+]?[0-9]{1,3},[0-9]+")


class StoreForm(StoreDocument):
    """The document with what the page has beside it: other ways of writing the same."""

    store_id: Identifier | None = None
    position: str | None = Field(default=None, max_length=2000)
    exceptions: str | None = Field(default=None, max_length=5000)
    beacons_text: str | None = Field(default=None, max_length=2000)
    groups_text: str | None = Field(default=None, max_length=2000)
    far_ok: bool = False


_WRITTEN_OTHERWISE = ("position", "exceptions", "beacons_text", "groups_text")
_PAGES = frozenset({"import", "new"})
"""What stands below /stores beside the stores."""
_BESIDE = frozenset(StoreForm.model_fields) - frozenset(StoreDocument.model_fields)
_SHOWN_AT = {"beacons": "beacons_text", "groups": "groups_text"}


def add_pages(console: Console) -> None:
    """Register the pages."""
    methods = ("GET", "POST")
    console.page("/stores/new", new, needs=Permission.STORES_WRITE, methods=methods)
    console.page("/stores/<store_id>", store, needs=Permission.STORES_READ, methods=methods)


def new() -> AnyResponse:
    """Add a store."""
    if request.method == "GET":
        return _form_page(None, typed() or {"time_zone": [program().document.time_zone]}, ())
    return _save(None)


def store(store_id: str) -> AnyResponse:
    """Look at a store, and change what one may change of it."""
    known = own_store(store_id)
    if request.method == "GET":
        return _form_page(known, typed() or _written(known), ())
    if not may(Permission.STORES_WRITE_DETAILS):
        raise Forbidden("this role does not change stores")
    return _save(known)


def _save(known: Store | None) -> AnyResponse:
    raw = dict(typed())
    if "_swap" in raw:
        raw["latitude"], raw["longitude"] = raw.get("longitude", [""]), raw.get("latitude", [""])
        return _form_page(known, raw, ())
    try:
        saved = _written_by(known, raw)
    except ChangedMeanwhile:
        session().rollback()
        return _conflict_page(known, raw)
    except Invalid as error:
        return _form_page(known, raw, _at_fields(error.faults))
    return redirect(url_for("console.store_form_store", store_id=saved, done="saved"), code=HTTPStatus.SEE_OTHER)


def _written_by(known: Store | None, raw: Raw) -> str:
    """Save what was typed; returns the store's id.

    Raises:
        Invalid: something is wrong.
        ChangedMeanwhile: somebody else was faster.
    """
    db, document, author = session(), program().document, visit().author
    version = number_in(last_in(raw, "_version"))
    if not may(Permission.STORES_WRITE):
        if known is None:
            raise Forbidden("this role adds no stores")
        tree = _tree(raw)
        allowed = {name: tree[name] for name in StoreDetails.model_fields if name in tree}
        details = parse(StoreDetails, allowed)
        save_details(db, document, known.store_id, details, author, version=version, now=now())
        return known.store_id
    tree = _tree(raw)
    beside = {name: tree.pop(name) for name in list(tree) if name in _BESIDE}
    if known is not None and isinstance(texts := tree.get("proximity_text"), dict):
        # what the page does not show stays: texts in languages that the programme no longer has
        others = {locale: text for locale, text in known.proximity_text.items() if locale not in document.locales}
        tree["proximity_text"] = others | texts
    described = parse(StoreDocument, tree)
    store_id = known.store_id if known is not None else str(beside.get("store_id") or _slug(described.name))
    moved = known is None or (known.latitude, known.longitude) != (described.latitude, described.longitude)
    if moved and not beside.get("far_ok") and _is_far(store_id, described):
        raise Invalid.at("far_ok", "is far from every other store", "far_away")
    if known is None:
        parse(_NewStore, {"store_id": store_id})
        if (there := _there(store_id)) is not None:
            if stored_values(there) == values_of(document, described):
                return store_id  # the same form, sent twice
            raise Invalid.at("store_id", "exists already", "store_exists")
    save_store(db, document, store_id, described, author, version=version, now=now())
    return store_id


class _NewStore(StoreDetails):
    store_id: Identifier


def _tree(raw: Raw) -> dict[str, Any]:
    """What was typed as the document, with the other ways of writing put into their places."""
    tree = nest(StoreForm, _degrees(raw), current_reader())
    faults = [
        Fault(name, "should be a text", "string_type")
        for name in _WRITTEN_OTHERWISE
        if not isinstance(tree.get(name), str | None)
    ]
    if faults:
        raise Invalid(*faults)
    if position := tree.pop("position", None):
        found = coordinates_in(position)
        if found is None:
            faults.append(Fault("position", "should be coordinates or a map link", "coordinates"))
        else:
            tree["latitude"], tree["longitude"] = found
    hours = tree.get("opening_hours")
    try:
        if (written := tree.pop("exceptions", None)) and not isinstance(hours, str):
            tree["opening_hours"] = {**(hours or {}), "exceptions": exceptions_in(written.replace("\n", ";"))}
        if written := tree.pop("beacons_text", None):
            tree["beacons"] = beacons_in(written)
    except Invalid as error:
        faults += error.faults
    if written := tree.pop("groups_text", None):
        tree["groups"] = [part.strip() for part in re.split(r"[,;\n]", written) if part.strip()]
    if faults:
        raise Invalid(*faults)
    return tree


def _degrees(raw: Raw) -> Raw:
    """The same with a decimal comma in degrees read as one in every language: 45,757 is no number of thousands."""
    return {
        name: [text.replace(",", ".") if _COMMA.fullmatch(text.strip()) else text for text in values]
        if name in ("latitude", "longitude")
        else values
        for name, values in raw.items()
    }


def _written(known: Store) -> dict[str, list[str]]:
    """A store as its form writes it."""
    document = document_of(known)
    raw = flatten(document, current_reader())
    raw = {name: values for name, values in raw.items() if not name.startswith(("beacons", "groups", "proximity_text"))}
    raw |= {
        f"proximity_text.{locale}": [words]
        for locale, words in texts_of(document.proximity_text, program().document.locales[0]).items()
    }
    if isinstance(document.opening_hours, WeeklyHours):
        raw = {name: values for name, values in raw.items() if not name.startswith("opening_hours.exceptions")}
        raw["exceptions"] = [exceptions_text(document.opening_hours).replace("; ", "\n")]
    raw["beacons_text"] = [beacons_text(document.beacons)]
    raw["groups_text"] = [", ".join(document.groups)]
    raw["_version"] = [str(known.version)]
    return raw


def _form_page(
    known: Store | None,
    raw: Raw,
    faults: Sequence[Fault],
    *,
    status: HTTPStatus = HTTPStatus.OK,
    conflict: Mapping[str, Any] | None = None,
) -> AnyResponse:
    full = may(Permission.STORES_WRITE)
    is_text = known is not None and isinstance(known.opening_hours, str) and request.args.get("hours") != "rows"
    form = Form(StoreForm, raw, faults, current_reader(), _labels(full, is_new=known is None, is_text=is_text))
    codes = {fault.code for fault in faults}
    return page(
        "console/stores/store.html",
        Audience.MAP,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if faults else status,
        frame=frame(HERE, trail=trail()),
        form=form,
        refused=bool(faults),
        store=known,
        opening=opening_of(known) if known is not None else None,
        version=(raw.get("_version") or [""])[-1],
        full=full,
        may_change=may(Permission.STORES_WRITE_DETAILS),
        is_text=is_text,
        locales=program().document.locales,
        days=[(day, _days()[day]) for day in DAYS],
        swapped="swapped" in codes,
        far="far_away" in codes or bool(raw.get("far_ok")),
        city=(raw.get("address.city") or [""])[-1],
        conflict=conflict,
        map=map_values(_others(known)),
        done=request.args.get("done"),
    )


def _conflict_page(known: Store | None, raw: Raw) -> AnyResponse:
    """Somebody else was faster: both versions, and what was typed is still in the form."""
    if known is None:
        raise NotFound("the store was deleted meanwhile")
    current = require_store(session(), program().program_id, known.store_id)
    theirs = _written(current)
    labels = _labels(may(Permission.STORES_WRITE), is_new=False, is_text=isinstance(current.opening_hours, str))
    found = journal.entries(
        session(), program().program_id, object_kind="store", object_id=known.store_id, limit=1
    ).entries
    differing = [
        (labels[name], last_in(raw, name), last_in(theirs, name))
        for name in labels
        if name in raw and last_in(raw, name) != last_in(theirs, name)
    ]
    conflict = {
        "who": found[0].actor_name if found else "",
        "at": found[0].at if found else now(),
        "fields": differing,
    }
    raw = {**raw, "_version": [str(current.version)]}
    return _form_page(current, raw, (), status=HTTPStatus.CONFLICT, conflict=conflict)


def _labels(full: bool, *, is_new: bool, is_text: bool) -> dict[str, str]:
    """The fields of the page, in its order."""
    _ = current_reader().gettext
    labels: dict[str, str] = {}
    if full:
        labels |= {"name": _("Name"), "short_name": _("Short name")}
        labels |= {"store_id": _("Identifier")} if is_new else {}
        labels |= {
            "address.street": _("Street"),
            "address.postal_code": _("Postal code"),
            "address.city": _("City"),
            "address.country": _("Country"),
            "position": _("Paste coordinates or a map link"),
            "latitude": _("Latitude"),
            "longitude": _("Longitude"),
            "far_ok": _("The position is right"),
        }
    labels |= {"phone": _("Telephone")}
    if is_text:
        labels |= {"opening_hours": _("Opening hours")}
    else:
        words = {("0", "from"): _("%(day)s, opens"), ("0", "to"): _("%(day)s, closes"),
                 ("1", "from"): _("%(day)s, opens again"), ("1", "to"): _("%(day)s, closes again")}  # fmt: skip
        for day, name in _days().items():
            for (row, end), told in words.items():
                labels[f"opening_hours.{day}.{row}.{end}"] = told % {"day": name}
        labels |= {
            "opening_hours.closed_on_public_holidays": _("Closed on public holidays"),
            "exceptions": _("Days with other hours"),
        }
    for locale in program().document.locales:
        labels[f"proximity_text.{locale}"] = _("Lock-screen text (%(language)s)", language=locale)
    if full:
        labels |= {"groups_text": _("Groups"), "time_zone": _("Time zone"), "beacons_text": _("Beacons")}
    return labels


def _days() -> dict[str, str]:
    _ = current_reader().gettext
    names = (_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday"))
    return dict(zip(DAYS, names, strict=True))


def _at_fields(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """Faults at the fields of the page that write these values."""
    moved = []
    for fault in faults:
        top = re.split(r"[.\[]", fault.path, maxsplit=1)[0]
        path = "exceptions" if fault.path.startswith("opening_hours.exceptions") else _SHOWN_AT.get(top, fault.path)
        code = "beacons" if top == "beacons" else fault.code
        moved.append(Fault(path, fault.message, code, fault.values))
    return tuple(moved)


def _there(store_id: str) -> Store | None:
    return session().scalar(select(Store).where(Store.program_id == program().program_id, Store.store_id == store_id))


def _others(known: Store | None) -> list[Store]:
    """The other stores, for the map: whoever sees one store alone is shown that one."""
    if not may(Permission.STORES_WRITE):
        return []
    query = select(Store).where(Store.program_id == program().program_id).limit(2000)
    return list(session().scalars(query if known is None else query.where(Store.id != known.id)))


def _is_far(store_id: str, document: StoreDocument) -> bool:
    """Whether a store lies far from every other one; the first is far from none."""
    here = Point(document.latitude, document.longitude)
    others = session().execute(
        select(Store.latitude, Store.longitude).where(
            Store.program_id == program().program_id, Store.store_id != store_id
        )
    )
    nearest = min((haversine_m(here, Point(*other)) for other in others), default=0.0)
    return nearest > _FAR_M


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "store"
    return f"store-{slug}" if slug in _PAGES else slug
