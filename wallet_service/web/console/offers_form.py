"""The form of one offer: where, what, when, for whom, and options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import redirect, request, url_for
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access import journal
from wallet_service.access.roles import Permission
from wallet_service.documents.offers import OfferDocument
from wallet_service.errors import Conflict, Fault, Invalid
from wallet_service.offers.changing import OfferChangedMeanwhile, change_offer, changed_fields, free_code, stored_fields
from wallet_service.offers.publishing import draft_offer, require_offer, values_of
from wallet_service.offers.states import CHANGEABLE, offer_state
from wallet_service.storage.tables import Balance, Member, Offer
from wallet_service.web.console.gate import Console
from wallet_service.web.console.navigation import frame
from wallet_service.web.console.offers import (
    HERE,
    clock_city,
    own_offer,
    own_stores,
    stores_in_words,
    title_of,
    trail,
    zone_of,
)
from wallet_service.web.console.offers_audience import audience_for
from wallet_service.web.console.offers_fields import (
    LANGUAGE_NAMES,
    OfferForm,
    at_fields,
    document_in,
    fields_of,
    fixed_fields,
    labels_of,
    locales_of,
    quick_spans,
    written,
)
from wallet_service.web.console.offers_hours import day_names, rows_of
from wallet_service.web.console.offers_previews import NOTHING_DRAWN, Pictures, pictures_for
from wallet_service.web.console.offers_words import notify_hint
from wallet_service.web.console.store_map import map_values_of
from wallet_service.web.console.visit import actor, program, session, typed, visit
from wallet_service.web.context import now
from wallet_service.web.form_values import Raw, number_in
from wallet_service.web.forms import Form
from wallet_service.web.headers import Audience
from wallet_service.web.pages import current_reader, fragment, page

_BALANCES_READ = 10_000
_TEMPLATE = "console/offers/editor.html"


def add_pages(console: Console) -> None:
    """Register the pages."""
    methods = ("GET", "POST")
    console.page("/offers/new", new, needs=Permission.OFFERS_WRITE, methods=methods)
    console.page("/offers/<int:offer_id>/edit", edit, needs=Permission.OFFERS_WRITE, methods=methods)
    console.page("/offers/previews", previews, needs=Permission.OFFERS_WRITE, methods=("POST",))
    console.page("/offers/audience", audience, needs=Permission.OFFERS_WRITE, methods=("POST",))


def new() -> AnyResponse:
    """Make a draft."""
    if request.method == "GET":
        return _form_page(None, typed() or {"store_ids": own_stores()[:1] if _has_one_store() else []}, ())
    return _answer(None)


def edit(offer_id: int) -> AnyResponse:
    """Change an offer, as far as its state allows."""
    known = own_offer(offer_id)
    actor().require_stores(known.store_ids, known.groups)
    if not CHANGEABLE[offer_state(known, now())]:  # over, or called off, perhaps while somebody typed
        return redirect(
            url_for("console.offers_check_offer", offer_id=offer_id, done="state_meanwhile"), code=HTTPStatus.SEE_OTHER
        )
    if request.method == "GET":
        return _form_page(known, typed() or written(known), ())
    return _answer(known)


def previews() -> AnyResponse:
    """The pictures of what is typed; asked for by the page's script."""
    raw = typed()
    known = _known_in(raw)
    drawn = pictures_for(_fields(raw, known), locales_of(known), _first(raw, "_language"), now=now())
    return fragment(_TEMPLATE, "previews", Audience.EDITOR_MAP, pictures=drawn)


def audience() -> AnyResponse:
    """Who would get what is typed; asked for by the page's script."""
    raw = typed()
    known = _known_in(raw)
    counted = audience_for(_fields(raw, known), known, now=now())
    return fragment(_TEMPLATE, "who", Audience.EDITOR_MAP, said=counted.said or None, counted=counted)


def _answer(known: Offer | None) -> AnyResponse:
    raw = dict(typed())
    act = _first(raw, "_act")
    if act == "previews":
        drawn = pictures_for(_fields(raw, known), locales_of(known), _first(raw, "_language"), now=now())
        return _form_page(known, raw, (), pictures=drawn, counts=True)
    for name, _words, begins, ends in quick_spans(_zone(raw, known), now()):
        if act == name:
            return _form_page(known, {**raw, "starts_at_local": [begins], "ends_at_local": [ends]}, ())
    try:
        offer_id = _save(known, raw)
    except OfferChangedMeanwhile as error:
        session().rollback()
        return _conflict_page(raw, known, error)
    except Conflict as error:
        session().rollback()
        return _form_page(known, raw, (Fault("", str(error), "offer_fixed"),))
    except Invalid as error:
        return _form_page(known, raw, at_fields(error.faults))
    if act == "draft":
        return redirect(url_for("console.offers_form_edit", offer_id=offer_id, done="saved"), code=HTTPStatus.SEE_OTHER)
    return redirect(url_for("console.offers_check_offer", offer_id=offer_id), code=HTTPStatus.SEE_OTHER)


def _save(known: Offer | None, raw: Raw) -> int:
    """Save what was typed; returns the offer's number.

    Raises:
        Invalid: something is wrong.
        Forbidden: a store is not the person's.
        Conflict: its state forbids the change; `OfferChangedMeanwhile`: somebody else was faster.
    """
    state = offer_state(known, now()) if known is not None else "draft"
    document = document_in(raw, known, state)
    actor().require_stores(document.store_ids, document.groups)
    if known is None:
        return _draft(document, raw)
    reach_m, version = program().reach_m, number_in(_first(raw, "_version"))
    if document.code != known.code and _with_code(document.code) is not None:
        raise Invalid.at("code", "is another offer's", "code_taken")
    if known.state == "published" and document.ends_at is not None and document.ends_at <= now():
        raise Invalid.at("ends_at_local", "is past", "end_is_past")
    change = change_offer(
        session(), program().document, known.id, document, reach_m=reach_m, version=version, now=now()
    )
    if changes := changed_fields(change.before, change.after):
        record_offer(change.offer, "offer_changed", changes)
    return change.offer.id


def _draft(document: OfferDocument, raw: Raw) -> int:
    """A new draft; the same form once more gives the same draft."""
    db, programme = session(), program()
    reach_m = programme.reach_m
    values = values_of(db, programme.document, document, reach_m=reach_m)
    for _again in range(2):
        if (there := _with_code(document.code)) is not None:
            if there.state == "draft" and all(getattr(there, name) == value for name, value in values.items()):
                return there.id
            if _first(raw, "code"):
                raise Invalid.at("code", "is another offer's", "code_taken")
            codes = db.scalars(select(Offer.code).where(Offer.program_id == programme.program_id))
            document = document.model_copy(update={"code": free_code(document.code, codes)})
        try:
            with db.begin_nested():
                offer = draft_offer(db, programme.document, document, reach_m=reach_m)
        except IntegrityError:
            continue  # the same form, sent twice at once
        record_offer(offer, "offer_drafted", changed_fields({}, stored_fields(offer)))
        return offer.id
    raise Invalid.at("code", "is another offer's", "code_taken")


def record_offer(offer: Offer, action: str, changes: Mapping[str, tuple[Any, Any]]) -> None:
    """Write what this person did with an offer into the journal, in the transaction of the change."""
    author = visit().author
    journal.record(
        session(), author, action, "offer", offer.id, program_id=offer.program_id, changes=changes, now=now()
    )


def _with_code(code: str) -> Offer | None:
    return session().scalar(select(Offer).where(Offer.program_id == program().program_id, Offer.code == code))


def _known_in(raw: Raw) -> Offer | None:
    number = _first(raw, "_offer")
    return own_offer(int(number)) if number.isascii() and number.isdecimal() and len(number) < 19 else None


def _fields(raw: Raw, known: Offer | None) -> dict[str, Any]:
    """What is typed, right or wrong, for looking at it; of one's own stores alone."""
    state = offer_state(known, now()) if known is not None else "draft"
    fields = fields_of(raw, known, state)
    if actor().store_ids is not None:
        fields["store_ids"] = fields.get("store_ids") or own_stores()[:1]
        actor().require_stores(fields["store_ids"], fields.get("groups") or ())
    return fields


def _form_page(
    known: Offer | None,
    raw: Raw,
    faults: Sequence[Fault],
    *,
    status: HTTPStatus = HTTPStatus.OK,
    conflict: Mapping[str, Any] | None = None,
    pictures: Pictures = NOTHING_DRAWN,
    counts: bool = False,
) -> AnyResponse:
    at, reader = now(), current_reader()
    state = offer_state(known, at) if known is not None else "draft"
    locales = locales_of(known)
    places, fixed = program().places, fixed_fields(state)
    own = own_stores()
    chosen = [each for each in raw.get("store_ids", ()) if each in places.stores]
    zone = _zone(raw, known)
    reach = (known.radius_m if known is not None else None) or program().reach_m
    return page(
        _TEMPLATE,
        Audience.EDITOR_MAP,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if faults else status,
        frame=frame(HERE, trail=trail()),
        form=Form(OfferForm, raw, faults, reader, labels_of(state, locales, raw)),
        refused=bool(faults),
        offer=known,
        title=title_of(known.title, known.code) if known is not None else "",
        state=state,
        fixed=fixed,
        version=_first(raw, "_version"),
        locales=[(each, LANGUAGE_NAMES.get(each.split("-")[0], each)) for each in locales],
        stores=[(each, places.stores[each].name, places.stores[each].city or "") for each in own],
        groups=[(each, each) for each in sorted({group for each in own for group in places.stores[each].groups})],
        is_programme_wide=actor().store_ids is None,
        chosen=chosen,
        where=stores_in_words(known.store_ids, known.groups) if known is not None else "",
        reach_m=reach,
        zone=zone,
        clock_of=reader.gettext("Local time: %(city)s", city=clock_city(chosen, zone)),
        days=[(day, name, rows_of(raw, day)) for day, name in day_names().items()],
        has_hours=any(any(values) for name, values in raw.items() if name.startswith("weekly.")),
        spans=[(name, words, begins, ends) for name, words, begins, ends in quick_spans(zone, at)],
        notify_hint=notify_hint(),
        tiers=[(each, each) for each in _tiers(raw)],
        favourites=len(known.target.get("favourite_store_ids", ())) if known is not None else 0,
        language=_first(raw, "_language"),
        map=map_values_of((each, places.stores[each].name, places.stores[each].point) for each in own),
        conflict=conflict,
        pictures=pictures,
        counted=audience_for(_fields(raw, known), known, now=at) if counts else None,
        done=request.args.get("done"),
    )


def _conflict_page(raw: Raw, known: Offer | None, error: OfferChangedMeanwhile) -> AnyResponse:
    """Somebody else was faster: both versions, and what was typed is still in the form."""
    if known is None:
        raise error
    current = require_offer(session(), program().program_id, known.id)
    theirs = written(current)
    labels = labels_of(offer_state(current, now()), locales_of(current), {**theirs, **raw})
    latest = journal.entries(
        session(), program().program_id, object_kind="offer", object_id=current.id, limit=1
    ).entries
    differing = [
        (label, _all(raw, name), _all(theirs, name))
        for name, label in labels.items()
        if _all(raw, name) != _all(theirs, name)
    ]
    conflict = {
        "who": latest[0].actor_name if latest else "",
        "at": latest[0].at if latest else now(),
        "fields": differing,
    }
    raw = {**raw, "_version": [str(current.version)]}
    return _form_page(current, raw, (), status=HTTPStatus.CONFLICT, conflict=conflict)


def _zone(raw: Raw, known: Offer | None) -> str:
    groups = raw.get("groups") or (known.groups if known is not None else ())
    return zone_of(raw.get("store_ids") or (known.store_ids if known is not None else own_stores()[:1]), groups)


def _tiers(raw: Raw) -> list[str]:
    """The statuses that members have, as far as a look at some of them tells, and those that are chosen already."""
    some = (
        select(Balance.tier)
        .join(Member, Member.id == Balance.member_pk)
        .where(Member.program_id == program().program_id, Balance.tier.is_not(None))
        .limit(_BALANCES_READ)
        .subquery()
    )
    found = {each for each in session().scalars(select(some.c.tier).distinct()) if each}
    return sorted(found | {each for each in raw.get("target.tiers", ()) if each})


def _has_one_store() -> bool:
    return actor().store_ids is not None and len(own_stores()) == 1


def _first(raw: Raw, name: str) -> str:
    return ([*(value.strip() for value in raw.get(name, ())), ""])[0]


def _all(raw: Raw, name: str) -> str:
    return ", ".join(value.strip().replace("\r\n", "\n") for value in raw.get(name, ()) if value.strip())
