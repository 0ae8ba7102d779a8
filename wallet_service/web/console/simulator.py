"""What phones show near a store: a member or somebody like one, a place or a path, and each platform's rule."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from flask import request, url_for
from PIL import Image
from pydantic import Field
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access.roles import Permission
from wallet_service.cards.places import walk_with_card, walk_with_profile
from wallet_service.documents.types import LocalTime
from wallet_service.errors import Fault, Invalid
from wallet_service.offers.paths import path_of
from wallet_service.offers.places import LiveStore, MemberPlace
from wallet_service.offers.relevance import MOST_POINTS, Step, Stop
from wallet_service.offers.windows import instant_of
from wallet_service.parsing import parse
from wallet_service.previews.lock_screen import lock_screen_of
from wallet_service.storage.tables import Card
from wallet_service.values import Value
from wallet_service.web.console.card_places import CONDITIONS, holder_of, look_up, offer_titles
from wallet_service.web.console.gate import Console
from wallet_service.web.console.navigation import frame
from wallet_service.web.console.store_map import map_values_of
from wallet_service.web.console.visit import actor, may, program, session, typed
from wallet_service.web.context import now
from wallet_service.web.form_values import Raw, nest
from wallet_service.web.forms import Form
from wallet_service.web.headers import Audience
from wallet_service.web.pages import current_reader, page

_HERE = "console.simulator_simulator"
_MOST_STORES = 500
"""In the list to choose from; any other store can be typed."""
_MOST_PICTURES = 3
_WIDTH, _HEIGHT = 412, 866


class SimulationDocument(Value):
    """Who goes where, and when."""

    member: str | None = Field(None, max_length=200)
    favourite_store_id: str | None = Field(None, max_length=200)
    tier: str | None = Field(None, max_length=200)
    store_id: str | None = Field(None, max_length=200)
    points: str | None = Field(None, max_length=MOST_POINTS * 200)
    at: LocalTime | None = None
    location_off: bool = False


def add_pages(console: Console) -> None:
    """Register the pages."""
    console.page("/simulator", simulator, needs=Permission.OFFERS_READ, methods=("GET", "POST"))


def simulator() -> AnyResponse:
    """Ask; then, for each point, what both phones show there and why not."""
    raw = typed()
    if request.method == "GET":
        return _page(raw or _first(), ())
    try:
        asked = parse(SimulationDocument, nest(SimulationDocument, raw, current_reader()))
        path = _path(asked)
        card = look_up(asked.member) if asked.member else None
        steps = _steps(asked, card, path)
    except Invalid as error:
        return _page(raw, error.faults)
    return _page(raw, (), steps, card)


def _first() -> dict[str, list[str]]:
    """What the form holds when it opens: the first of the stores."""
    return {"store_id": [next(iter(_own_stores()), "")]}


def _path(asked: SimulationDocument) -> tuple[Stop, ...]:
    zone = program().document.time_zone
    own = _own_stores()
    named = {store.name.casefold(): store for store in own.values()}
    lines = [asked.store_id or "", *(asked.points or "").splitlines()]
    known = [named[line.strip().casefold()].store_id if line.strip().casefold() in named else line for line in lines]
    return path_of(known, own, zone=zone, at=_instant(asked.at, zone), path="points")


def _instant(local: datetime | None, zone: str) -> datetime:
    if local is None:
        return now()
    try:
        return instant_of(local, zone)
    except Invalid as error:
        raise error.under("at") from error


def _steps(asked: SimulationDocument, card: Card | None, path: Sequence[Stop]) -> tuple[Step, ...]:
    here = program()
    if card is not None:
        return walk_with_card(session(), here, card, path, has_location=not asked.location_off)
    if asked.favourite_store_id and asked.favourite_store_id not in _own_stores():
        store_id = asked.favourite_store_id
        raise Invalid.at("favourite_store_id", f"there is no store {store_id!r}", "no_such_store", store_id=store_id)
    somebody = MemberPlace(home=None, favourite_store_id=asked.favourite_store_id, tier=asked.tier, has_consented=True)
    locale = current_reader().language
    offered = here.document.locales
    return walk_with_profile(
        here,
        somebody,
        path,
        locale=locale if locale in offered else offered[0],
        has_location=not asked.location_off,
    )


def _own_stores() -> Mapping[str, LiveStore]:
    """The stores that this person may name, by id."""
    return {store_id: store for store_id, store in program().places.stores.items() if actor().has_store(store_id)}


def _tiers() -> list[str]:
    """The tiers that a design or an offer knows of."""
    looks = program().composer.template.document.looks
    known = set(looks.cases) if looks is not None else set()
    for offer in program().places.offers:
        known |= offer.targeting.tiers
    return sorted(known)


def _page(raw: Raw, faults: Sequence[Fault], steps: Sequence[Step] = (), card: Card | None = None) -> AnyResponse:
    reader, own = current_reader(), _own_stores()
    stores = sorted(own.values(), key=lambda store: (store.name, store.store_id))
    choices = [(store.store_id, store.name) for store in stores[:_MOST_STORES]]
    return page(
        "console/simulator/simulator.html",
        Audience.EDITOR_MAP,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        frame=frame(_HERE),
        form=Form(SimulationDocument, raw, faults, reader, _labels()),
        refused=bool(faults),
        choices=choices,
        tiers=[(tier, tier) for tier in _tiers()],
        may_look_up=may(Permission.MEMBERS_LOOK_UP),
        zone=program().document.time_zone,
        steps=[_shown(step, number) for number, step in enumerate(steps, start=1)],
        pictures=_pictures(steps),
        holder=holder_of(card) if card is not None else None,
        number=(raw.get("member") or [""])[-1],
        places_address=url_for("console.card_places_card_places"),
        stores=program().places.stores,
        titles=offer_titles(),
        conditions=CONDITIONS,
        map=map_values_of((store.store_id, store.name, store.point) for store in stores),
    )


def _labels() -> dict[str, str]:
    _ = current_reader().gettext
    return {
        "member": _("Card number, or member’s identifier") if may(Permission.CARDS_PROOF) else _("Card number"),
        "favourite_store_id": _("Favourite store"),
        "tier": _("Tier"),
        "store_id": _("At a store"),
        "points": _("Other points, in their order"),
        "at": _("When"),
        "location_off": _("The phones do not let their wallet use the location"),
    }


def _shown(step: Step, number: int) -> dict[str, Any]:
    point = step.stop.point
    return {
        "number": number,
        "step": step,
        "latitude": round(point.latitude, 5),
        "longitude": round(point.longitude, 5),
    }


def _pictures(steps: Sequence[Step]) -> dict[int, dict[str, Any]]:
    """The lock screens of the first points at which the iPhone shows the card, by their number, drawn into the page."""
    reader = current_reader()
    document = program().document
    title = document.apple.organization_name if document.apple is not None else document.brand
    icon = program().composer.template.images.get("icon")
    drawn: dict[int, dict[str, Any]] = {}
    for number, step in enumerate(steps, start=1):
        if not step.iphone.shows or document.apple is None or len(drawn) == _MOST_PICTURES:
            continue
        text = (step.iphone.place.text if step.iphone.place else None) or ""
        png = lock_screen_of(
            icon,
            title,
            text,
            locale="fr_FR" if reader.language == "fr" else "en_GB",
            scale=1,
            time_zone=document.time_zone,
            now=step.stop.at,
        )
        said = reader.gettext(
            "An iPhone’s lock screen at %(time)s: “%(title)s”, “%(text)s”",
            time=reader.clock(step.stop.at),
            title=title,
            text=text,
        )
        caption = reader.gettext("iPhone at point %(num)s", num=number)
        drawn[number] = {
            "address": _as_data(png),
            "text": said,
            "caption": caption,
            "width": _WIDTH,
            "height": _HEIGHT,
        }
    return drawn


def _as_data(png: bytes) -> str:
    """A picture that travels inside the page, small: WebP knows soft colours better than PNG."""
    small = io.BytesIO()
    Image.open(io.BytesIO(png)).save(small, "WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(small.getvalue()).decode()
