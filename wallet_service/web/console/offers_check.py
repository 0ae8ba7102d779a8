"""One offer: all of it in sentences before it is published, and what became of it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask import redirect, request, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access import journal
from wallet_service.access.roles import Permission
from wallet_service.errors import Conflict
from wallet_service.offers.changing import (
    OfferChange,
    cancel_offer,
    changed_fields,
    copy_offer,
    end_offer,
    free_code,
    publish_offer,
    stored_fields,
    unpublish_offer,
)
from wallet_service.offers.places import live_offer
from wallet_service.offers.report import figures_of
from wallet_service.offers.states import offer_state
from wallet_service.storage.tables import Offer
from wallet_service.web.console.gate import Console
from wallet_service.web.console.journal import ACTIONS
from wallet_service.web.console.navigation import frame
from wallet_service.web.console.offers import (
    BADGES,
    HERE,
    is_mine,
    own_offer,
    title_of,
    trail,
    uses_of,
    zone_of,
)
from wallet_service.web.console.offers_audience import Counted, counted, people
from wallet_service.web.console.offers_form import record_offer
from wallet_service.web.console.offers_words import facts_of, warnings_of
from wallet_service.web.console.visit import actor, has_changed, has_many_members, may, program, session
from wallet_service.web.context import now
from wallet_service.web.headers import Audience
from wallet_service.web.locale import Lazy, lazy, nlazy
from wallet_service.web.pages import current_reader, page

_ENTRIES = 20
_FIELDS: Mapping[str, Lazy] = {
    "title": lazy("title"),
    "text": lazy("text"),
    "proximity_text": lazy("lock-screen text"),
    "store_ids": lazy("stores"),
    "groups": lazy("groups"),
    "starts_at": lazy("start"),
    "ends_at": lazy("end"),
    "target": lazy("for whom"),
    "radius_m": lazy("distance"),
    "uses_per_member": lazy("uses for each cardholder"),
    "uses_total": lazy("uses in total"),
    "priority": lazy("priority"),
    "notify": lazy("notification"),
    "weekly_hours": lazy("hours of the week"),
    "only_when_open": lazy("only while open"),
    "code": lazy("code"),
}
"""What the history calls the fields that changed."""


def add_pages(console: Console) -> None:
    """Register the pages."""
    one, both, post = "/offers/<int:offer_id>", ("GET", "POST"), ("POST",)
    console.page(one, offer, needs=Permission.OFFERS_READ)
    console.page(f"{one}/publish", publish, needs=Permission.OFFERS_PUBLISH, methods=post)
    console.page(f"{one}/unpublish", unpublish, needs=Permission.OFFERS_PUBLISH, methods=post)
    console.page(f"{one}/end", end, needs=Permission.OFFERS_PUBLISH, methods=both)
    console.page(f"{one}/drop", drop, needs=Permission.OFFERS_WRITE, methods=both)
    console.page(f"{one}/copy", copy, needs=Permission.OFFERS_WRITE, methods=post)


def offer(offer_id: int) -> AnyResponse:
    """An offer in sentences, with what may be done with it now."""
    return _offer_page(own_offer(offer_id))


def publish(offer_id: int) -> AnyResponse:
    """Publish what the page before has shown."""
    return _acted(offer_id, publish_offer, "offer_published", "published")


def unpublish(offer_id: int) -> AnyResponse:
    """Take a publication back before the offer begins."""
    return _acted(offer_id, unpublish_offer, "offer_unpublished", "unpublished")


def end(offer_id: int) -> AnyResponse:
    """End a running offer: first what will happen, then the button."""
    known = _mine(offer_id)
    if request.method == "POST":
        return _acted(offer_id, end_offer, "offer_ended", "ended")
    if offer_state(known, now()) != "running":
        return _offer_page(known, status=HTTPStatus.CONFLICT, done="state_meanwhile")
    reader = current_reader()
    return _confirm_page(
        known,
        heading=reader.gettext("End “%(title)s” now?", title=title_of(known.title, known.code)),
        consequences=[
            _lose(known),
            reader.gettext("It cannot be started again; a copy can."),
        ],
        button=reader.gettext("End the offer"),
    )


def drop(offer_id: int) -> AnyResponse:
    """Drop a draft."""
    known = _mine(offer_id, lock=request.method == "POST")
    if request.method == "POST" and has_changed(known.version):
        return _offer_page(known, status=HTTPStatus.CONFLICT, done="changed_meanwhile")
    if offer_state(known, now()) != "draft":
        return _offer_page(known, status=HTTPStatus.CONFLICT, done="state_meanwhile")
    if request.method == "POST":
        change = cancel_offer(session(), known.program_id, known.id, now=now())
        _record(change, "offer_cancelled")
        return redirect(url_for(HERE, state="draft", done="dropped"), code=HTTPStatus.SEE_OTHER)
    reader = current_reader()
    return _confirm_page(
        known,
        heading=reader.gettext("Drop the draft “%(title)s”?", title=title_of(known.title, known.code)),
        consequences=[reader.gettext("No card shows it. It stays in the list of offers that were called off.")],
        button=reader.gettext("Drop the draft"),
    )


def copy(offer_id: int) -> AnyResponse:
    """Make a draft of an offer; the same button twice makes one."""
    known, db = _mine(offer_id, lock=True), session()
    made = db.scalar(
        select(Offer.id).where(Offer.program_id == known.program_id, Offer.code == request.form.get("_code"))
    )
    if made is None:
        drafted = copy_offer(db, known.program_id, known.id)
        record_offer(drafted, "offer_drafted", changed_fields({}, stored_fields(drafted)))
        made = drafted.id
    return redirect(url_for("console.offers_form_edit", offer_id=made, done="copied"), code=HTTPStatus.SEE_OTHER)


def _acted(offer_id: int, act: Callable[..., OfferChange], action: str, done: str) -> AnyResponse:
    """Do what was asked if the offer is still as the page has shown it."""
    known = _mine(offer_id, lock=True)
    if has_changed(known.version):
        return _offer_page(known, status=HTTPStatus.CONFLICT, done="changed_meanwhile")
    try:
        _record(act(session(), known.program_id, known.id, now=now()), action)
    except Conflict:
        session().rollback()
        return _offer_page(own_offer(offer_id), status=HTTPStatus.CONFLICT, done="state_meanwhile")
    return redirect(url_for("console.offers_check_offer", offer_id=offer_id, done=done), code=HTTPStatus.SEE_OTHER)


def _record(change: OfferChange, action: str) -> None:
    if changes := changed_fields(change.before, change.after):
        record_offer(change.offer, action, changes)


def _mine(offer_id: int, *, lock: bool = False) -> Offer:
    """An offer that the person may change.

    Raises:
        NotFound: it is at none of their stores.
        Forbidden: it reaches beyond them.
    """
    known = own_offer(offer_id, lock=lock)
    actor().require_stores(known.store_ids, known.groups)
    return known


def _offer_page(known: Offer, *, status: HTTPStatus = HTTPStatus.OK, done: str | None = None) -> AnyResponse:
    at, reader = now(), current_reader()
    state, mine = offer_state(known, at), is_mine(known)
    words, mark, tone = BADGES[state]
    is_open = state in ("draft", "scheduled", "running")
    counts_later = is_open and "count" not in request.args and has_many_members()
    audience = counted(known, known, now=at) if is_open and not counts_later else Counted()
    uses = uses_of([known]).get(known.id, 0)
    codes = session().scalars(select(Offer.code).where(Offer.program_id == known.program_id))
    return page(
        "console/offers/offer.html",
        Audience.CONSOLE,
        status=status,
        frame=frame(HERE, trail=trail()),
        offer=known,
        title=title_of(known.title, known.code),
        state=state,
        state_badge=(words.to(reader), mark, tone),
        zone=zone_of(known.store_ids, known.groups),
        facts=list(facts_of(known)),
        warnings=list(warnings_of(known, at)) if state in ("draft", "scheduled") else [],
        is_past=known.ends_at <= at,
        counted=audience,
        counts_later=counts_later,
        appears=_appears(known, None if counts_later else audience) if state in ("scheduled", "running") else "",
        used=people(_used, uses) if uses or state in ("running", "ended") else "",
        report=url_for("console.offer_report_report", offer_id=known.id)
        if mine and state in ("running", "ended") and may(Permission.FIGURES_READ)
        else None,
        may_write=mine and may(Permission.OFFERS_WRITE),
        may_publish=mine and may(Permission.OFFERS_PUBLISH),
        copy_code=free_code(known.code, codes),
        history=[_told(entry) for entry in _history(known)],
        done=done or request.args.get("done"),
    )


def _appears(known: Offer, audience: Counted | None) -> str:
    """When a published offer comes onto how many cards (None: not counted yet), and when it leaves them."""
    reader, zone = current_reader(), zone_of(known.store_ids, known.groups)
    begins, ends = reader.moment(known.starts_at, zone), reader.moment(known.ends_at, zone)
    is_running = known.starts_at <= now()
    live = live_offer(known)
    if is_running and not program().places.with_offer(live).holding(live, now=now()).is_on:
        return reader.gettext("It pauses now, outside its hours, and leaves the cards for good on %(ends)s.", ends=ends)
    if audience is None:
        if is_running:
            return reader.gettext("It is on the cards and leaves them on %(ends)s.", ends=ends)
        return reader.gettext(
            "It appears on the cards on %(begins)s and leaves them on %(ends)s.", begins=begins, ends=ends
        )
    on = people(_at_least_cards if audience.among is not None else _cards, audience.receives)
    if is_running:
        return reader.gettext("It is on %(cards)s and leaves them on %(ends)s.", cards=on, ends=ends)
    return reader.gettext(
        "It appears on %(begins)s on %(cards)s and leaves them on %(ends)s.", begins=begins, cards=on, ends=ends
    )


def _used(count: int) -> Lazy:
    return nlazy("Used %(num)s time so far.", "Used %(num)s times so far.", count)


def _cards(count: int) -> Lazy:
    return nlazy("%(num)s card", "%(num)s cards", count)


def _at_least_cards(count: int) -> Lazy:
    return nlazy("at least %(num)s card", "at least %(num)s cards", count)


def _confirm_page(known: Offer, **values: Any) -> AnyResponse:
    offers = (*trail(), (title_of(known.title, known.code), _address(known)))
    return page(
        "console/act.html",
        Audience.CONSOLE,
        frame=frame(HERE, trail=offers),
        back=_address(known),
        version=known.version,
        **values,
    )


def _address(known: Offer) -> str:
    return url_for("console.offers_check_offer", offer_id=known.id)


def _lose(known: Offer) -> str:
    """On how many cards a running offer is: counted where that is quick, else as it was written down of the cards."""
    if has_many_members():
        cards, _proven, _uses = figures_of(session(), [known.id]).get(known.id, (0, 0, 0))
    else:
        cards = counted(known, known, now=now()).receives
    return people(
        lambda count: nlazy(
            "%(num)s card loses this offer within the hour.", "%(num)s cards lose this offer within the hour.", count
        ),
        cards,
    )


def _history(known: Offer) -> tuple[journal.Entry, ...]:
    found = journal.entries(session(), known.program_id, object_kind="offer", object_id=known.id, limit=_ENTRIES)
    return found.entries


def _told(entry: journal.Entry) -> Mapping[str, Any]:
    reader, words = current_reader(), ACTIONS.get(entry.action)
    action = words.to(reader) if words else entry.action
    return {
        "at": entry.at,
        "title": f"{action} – {entry.actor_name}",
        "tone": "",
        "text": ", ".join(sorted(_FIELDS[name].to(reader) for name in entry.changes if name in _FIELDS))
        if entry.action == "offer_changed"
        else "",
        "steps": (),
    }
