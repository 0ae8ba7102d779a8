"""Offers: the list, and what the other pages of offers share: whose an offer is, where and when it holds in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from babel.dates import get_timezone_location
from flask import request, url_for
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import cast
from sqlalchemy.types import Text
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access.roles import STORE_ROLES, Permission
from wallet_service.errors import NotFound
from wallet_service.offers.listing import state_at
from wallet_service.offers.places import text_in
from wallet_service.offers.publishing import require_offer
from wallet_service.offers.report import FEWEST, figures_of
from wallet_service.offers.states import OfferState, offer_state
from wallet_service.storage.tables import Offer, OfferUse
from wallet_service.web.console.gate import Console
from wallet_service.web.console.navigation import frame
from wallet_service.web.console.visit import actor, may, program, session
from wallet_service.web.context import now
from wallet_service.web.headers import Audience
from wallet_service.web.locale import Lazy, Reader, lazy
from wallet_service.web.pages import current_reader, page

HERE = "console.offers_offers"
_ON_A_PAGE = 50
_STORES_NAMED = 3
_LARGEST_ID = 2**63 - 1
_LAST_PAGE = 10_000

BADGES: Mapping[OfferState, tuple[Lazy, str, str]] = {
    "draft": (lazy("Draft"), "empty", ""),
    "scheduled": (lazy("Scheduled"), "quarter", ""),
    "running": (lazy("Running"), "full", "good"),
    "ended": (lazy("Ended"), "square", ""),
    "cancelled": (lazy("Cancelled"), "cross", "bad"),
}
"""State → its word, its mark and its tone."""
_TABS: Mapping[OfferState, tuple[Lazy, Lazy]] = {
    "running": (
        lazy("In progress"),
        lazy("No offer in progress. An offer appears on your customers’ cards when they pass near the store."),
    ),
    "scheduled": (lazy("Coming up"), lazy("No offer is scheduled. A published offer waits here until it begins.")),
    "draft": (lazy("Drafts"), lazy("No draft. A draft is seen by nobody until it is published.")),
    "ended": (lazy("Over"), lazy("No offer is over yet.")),
    "cancelled": (lazy("Called off"), lazy("No offer was called off.")),
}
"""State → the tab of the list, and its words for having no rows."""
_ORDER: Mapping[OfferState, tuple[ColumnElement[Any], ...]] = {
    "running": (Offer.ends_at.asc(), Offer.id.asc()),
    "scheduled": (Offer.starts_at.asc(), Offer.id.asc()),
    "draft": (Offer.id.desc(),),
    "ended": (Offer.ends_at.desc(), Offer.id.desc()),
    "cancelled": (Offer.id.desc(),),
}


def add_pages(console: Console) -> None:
    """Register the pages."""
    console.page("/offers", offers, needs=Permission.OFFERS_READ)


def offers() -> AnyResponse:
    """A page of offers in one state."""
    asked = request.args.get("state", "running")
    state: OfferState = next((each for each in _TABS if each == asked), "running")
    wanted = request.args.get("store", "").strip()
    number = min(max(request.args.get("page", 1, type=int), 1), _LAST_PAGE)
    db, at, reader = session(), now(), current_reader()
    conditions = [*_visible(), *_at_stores_like(wanted)]
    of_state = state_at(at)
    rows = db.execute(select(of_state, func.count()).where(*conditions).group_by(of_state))
    counts: dict[str, int] = {row[0]: row[1] for row in rows}
    query = select(Offer).where(*conditions, of_state == state).order_by(*_ORDER[state])
    shown = db.scalars(query.offset((number - 1) * _ON_A_PAGE).limit(_ON_A_PAGE)).all()
    figures = figures_of(db, [offer.id for offer in shown]) if state != "draft" else {}
    return page(
        "console/offers/offers.html",
        Audience.CONSOLE,
        frame=frame(HERE),
        tabs=[
            (words.to(reader), url_for(HERE, **_asked(name, wanted, 1)), counts.get(name, 0), name == state)
            for name, (words, _empty) in _TABS.items()
            if name != "cancelled" or counts.get(name) or state == "cancelled"
        ],
        offers=[_row(offer, figures.get(offer.id, (0, 0, 0))) for offer in shown],
        caption=_TABS[state][0].to(reader),
        empty_words=_TABS[state][1].to(reader),
        number=number,
        earlier=url_for(HERE, **_asked(state, wanted, number - 1)) if number > 1 else None,
        later=url_for(HERE, **_asked(state, wanted, number + 1))
        if number * _ON_A_PAGE < counts.get(state, 0)
        else None,
        state=state,
        wanted=wanted,
        filters_stores=len(own_stores()) > 1,
        may_write=may(Permission.OFFERS_WRITE),
        done=request.args.get("done"),
    )


def own_offer(offer_id: int, *, lock: bool = False) -> Offer:
    """An offer of this programme that holds at a store of this person; others do not exist here."""
    if offer_id > _LARGEST_ID:
        raise NotFound("no offer has such a number")
    offer = require_offer(session(), program().program_id, offer_id, lock=lock)
    if session().scalar(select(Offer.id).where(Offer.id == offer_id, *_visible())) is None:
        raise NotFound("the offer is at none of this person's stores")
    return offer


def is_mine(offer: Offer) -> bool:
    """Whether the person may change the offer: it reaches no store but theirs."""
    own = actor().store_ids
    return own is None or bool(offer.store_ids and not offer.groups and own.issuperset(offer.store_ids))


def own_stores() -> list[str]:
    """The ids of the stores that the person may choose from, by name."""
    known, own = program().places.stores, actor().store_ids
    ids = [store_id for store_id in known if own is None or store_id in own]
    return sorted(ids, key=lambda store_id: (known[store_id].name.casefold(), store_id))


def trail() -> tuple[tuple[str, str], ...]:
    """The way back to the list."""
    return ((current_reader().gettext("Offers"), url_for(HERE)),)


def title_of(texts: Mapping[str, str], code: str) -> str:
    """The title of an offer in the language of the programme."""
    return text_in(texts, program().document.locales[0]) or code


def zone_of(store_ids: Iterable[str], groups: Iterable[str] = ()) -> str:
    """The time zone of an offer's stores: that of the first, else of the first of its groups, else the programme's."""
    known, wanted = program().places.stores, frozenset(groups)
    named = (known[each].time_zone for each in store_ids if each in known)
    grouped = (store.time_zone for store in known.values() if wanted & store.groups)
    return next(named, None) or next(grouped, None) or program().document.time_zone


def clock_city(store_ids: Sequence[str], zone: str) -> str:
    """Where the clock stands that an offer's times are read from: the one store's city, else that of the zone."""
    known = program().places.stores
    city = known[store_ids[0]].city if len(store_ids) == 1 and store_ids[0] in known else None
    return city or get_timezone_location(ZoneInfo(zone), locale=current_reader().region, return_city=True)


def stores_in_words(store_ids: Sequence[str], groups: Sequence[str]) -> str:
    """Where an offer holds: names while they are few."""
    reader, known = current_reader(), program().places.stores
    if not store_ids and not groups:
        return reader.gettext("All stores")
    names = [known[each].name if each in known else each for each in store_ids]
    told = [", ".join(names)] if names and len(names) <= _STORES_NAMED else []
    if len(names) > _STORES_NAMED:
        told = [reader.ngettext("%(num)s store", "%(num)s stores", len(names))]
    if groups:
        told.append(reader.gettext("group %(names)s", names=", ".join(groups)))
    return " · ".join(told)


def span_in_words(reader: Reader, starts_at: datetime, ends_at: datetime, zone: str) -> str:
    """From when to when, by the store's clock; the day once where it is the same."""
    place = ZoneInfo(zone)
    if starts_at.astimezone(place).date() == ends_at.astimezone(place).date() and str(reader.zone) == zone:
        return f"{reader.moment(starts_at, zone)} – {reader.clock(ends_at, zone)}"
    return f"{reader.moment(starts_at, zone)} – {reader.moment(ends_at, zone)}"


def _row(offer: Offer, figures: tuple[int, int, int]) -> dict[str, Any]:
    targeted, proven, uses = figures
    state = offer_state(offer, now())
    words, mark, tone = BADGES[state]
    return {
        "id": offer.id,
        "title": title_of(offer.title, offer.code),
        "stores": stores_in_words(offer.store_ids, offer.groups),
        "span": span_in_words(current_reader(), offer.starts_at, offer.ends_at, zone_of(offer.store_ids, offer.groups)),
        "badge": (words.to(current_reader()), mark, tone),
        "targeted": _people(targeted) if state in ("running", "ended", "cancelled") else "",
        "proven": _people(proven) if state in ("running", "ended", "cancelled") else "",
        "uses": _people(uses),
        "most": offer.uses_total,
    }


def is_hidden(count: int) -> bool:
    """Whether a count is not for this person: store roles are not told of very few people, who could be known by it."""
    return 0 < count < FEWEST and actor().role in STORE_ROLES


def _people(count: int) -> str:
    if is_hidden(count):
        return f"< {FEWEST}"
    return current_reader().number(count)


def uses_of(shown: Sequence[Offer]) -> dict[int, int]:
    """How often each offer was used; one that never was is absent."""
    ids = [offer.id for offer in shown]
    counted = select(OfferUse.offer_id, func.count()).where(OfferUse.offer_id.in_(ids)).group_by(OfferUse.offer_id)
    return {row[0]: row[1] for row in session().execute(counted)}


def _asked(state: str, wanted: str, number: int) -> dict[str, Any]:
    asked: dict[str, Any] = {"state": state} if state != "running" else {}
    return asked | ({"store": wanted} if wanted else {}) | ({"page": number} if number > 1 else {})


def _visible() -> list[ColumnElement[bool]]:
    """Offers that hold at a store of the person's; drafts only where they could be theirs."""
    conditions: list[ColumnElement[bool]] = [Offer.program_id == program().program_id]
    own = actor().store_ids
    if own is None:
        return conditions
    theirs = and_(
        func.cardinality(Offer.store_ids) > 0,
        func.cardinality(Offer.groups) == 0,
        Offer.store_ids.op("<@")(_texts(own)),
    )
    return [*conditions, or_(theirs, and_(Offer.state != "draft", _holds_at(own)))]


def _at_stores_like(wanted: str) -> list[ColumnElement[bool]]:
    """Offers at stores whose name, city or id has these letters."""
    if not wanted:
        return []
    letters, known = wanted.casefold(), program().places.stores
    found = [
        each.store_id
        for each in known.values()
        if any(letters in (part or "").casefold() for part in (each.name, each.city, each.store_id))
    ]
    return [_holds_at(found)]


def _holds_at(store_ids: Iterable[str]) -> ColumnElement[bool]:
    """Offers that hold at one of these stores: by name, by a group, or everywhere."""
    ids, known = list(store_ids), program().places.stores
    groups = {group for each in ids if each in known for group in known[each].groups}
    if not ids:
        return Offer.id.is_(None)
    return or_(
        Offer.store_ids.op("&&")(_texts(ids)),
        Offer.groups.op("&&")(_texts(groups)),
        and_(func.cardinality(Offer.store_ids) == 0, func.cardinality(Offer.groups) == 0),
    )


def _texts(values: Iterable[str]) -> ColumnElement[Any]:
    return cast(sorted(values), ARRAY(Text))
