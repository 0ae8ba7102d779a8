"""Overlays: the list, and one overlay in sentences, from where it is published and withdrawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask import Response, redirect, request, url_for
from sqlalchemy import func, select
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access.roles import Permission
from wallet_service.cards.template import Template
from wallet_service.errors import Conflict, Invalid, NotFound
from wallet_service.offers.states import OfferState, offer_state
from wallet_service.overlays.changing import delete_overlay, publish_overlay, require_overlay, withdraw_overlay
from wallet_service.programs.overlays import images_of, version_beneath
from wallet_service.storage.tables import Card, Overlay, Program
from wallet_service.web.console.gate import Console
from wallet_service.web.console.navigation import frame
from wallet_service.web.console.offers import BADGES, span_in_words
from wallet_service.web.console.offers_fields import LANGUAGE_NAMES
from wallet_service.web.console.overlays_previews import stored_pictures
from wallet_service.web.console.visit import has_changed, may, program, session, version_shown, visit
from wallet_service.web.context import now
from wallet_service.web.headers import Audience
from wallet_service.web.locale import Lazy, lazy
from wallet_service.web.pages import current_reader, page

HERE = "console.overlays_overlays"
_MOST = 500
_ORDER: Mapping[OfferState, int] = {"running": 0, "scheduled": 1, "draft": 2, "ended": 3, "cancelled": 4}
_COLOURS: Mapping[str, Lazy] = {
    "background": lazy("Background"),
    "text": lazy("Text"),
    "label": lazy("Labels"),
}
_PICTURES: Mapping[str, Lazy] = {
    "strip": lazy("Strip of the iPhone card"),
    "hero": lazy("Picture of the Android card"),
    "logo": lazy("Logo"),
}


def add_pages(console: Console) -> None:
    """Register the pages."""
    one, both = "/overlays/<code>", ("GET", "POST")
    console.page("/overlays", overlays, needs=Permission.TEXTS_READ)
    console.page(one, overlay, needs=Permission.TEXTS_READ)
    console.page(f"{one}/images/<name>", image, needs=Permission.TEXTS_READ)
    console.page(f"{one}/publish", publish, needs=Permission.TEXTS_WRITE, methods=("POST",))
    console.page(f"{one}/withdraw", withdraw, needs=Permission.TEXTS_WRITE, methods=both)
    console.page(f"{one}/delete", delete, needs=Permission.TEXTS_WRITE, methods=both)


def overlays() -> AnyResponse:
    """The overlays: those on the cards first, then what comes, then drafts, then what was."""
    at = now()
    query = select(Overlay).where(Overlay.program_id == program().program_id)
    found = session().scalars(query.order_by(Overlay.starts_at.desc(), Overlay.code).limit(_MOST)).all()
    return page(
        "console/overlays/overlays.html",
        Audience.CONSOLE,
        frame=frame(HERE),
        overlays=[_row(row) for row in sorted(found, key=lambda row: _ORDER[offer_state(row, at)])],
        has_designs=len(designs()) > 1,
        may_write=may(Permission.TEXTS_WRITE),
        done=request.args.get("done"),
        deleted=request.args.get("title", ""),
    )


def overlay(code: str) -> AnyResponse:
    """An overlay in sentences, with what may be done with it now."""
    return _overlay_page(own_overlay(code))


def image(code: str, name: str) -> AnyResponse:
    """A picture of an overlay."""
    found = {str(key): png for key, png in images_of(session(), own_overlay(code).id).items()}
    if name not in found:
        raise NotFound("the overlay has no such picture")
    return Response(found[name], mimetype="image/png", headers={"Cache-Control": "no-store"})


def publish(code: str) -> AnyResponse:
    """Publish what the page before has shown."""
    return _acted(code, publish_overlay, is_done=lambda row: row.state == "published", done="published")


def withdraw(code: str) -> AnyResponse:
    """Take a published overlay off the cards: first what will happen, then the button."""
    known = own_overlay(code)
    if request.method == "POST":
        return _acted(code, withdraw_overlay, is_done=lambda row: row.state == "draft", done="withdrawn")
    if known.state != "published":
        return _overlay_page(known, status=HTTPStatus.CONFLICT, done="state_meanwhile")
    reader, is_seen = current_reader(), offer_state(known, now()) == "running"
    first = (
        reader.gettext("It leaves %(cards)s within the hour, without a notification.", cards=_cards(known))
        if is_seen
        else reader.gettext("It does not come to the cards.")
    )
    return _confirm_page(
        known,
        heading=reader.gettext("Withdraw “%(title)s”?", title=known.title),
        consequences=[first, reader.gettext("It is a draft again, and can be published once more.")],
        button=reader.gettext("Withdraw the overlay"),
    )


def delete(code: str) -> AnyResponse:
    """Delete an overlay: first what will happen, then the button."""
    known, reader = own_overlay(code), current_reader()
    if request.method == "POST":
        try:
            delete_overlay(
                session(),
                known.program_id,
                code,
                visit().author,
                version=version_shown(),
                now=now(),
            )
        except Conflict:
            session().rollback()
            return _overlay_page(own_overlay(code), status=HTTPStatus.CONFLICT, done="changed_meanwhile")
        return redirect(url_for(HERE, done="deleted", title=known.title), code=HTTPStatus.SEE_OTHER)
    consequences = [reader.gettext("Its texts, colours and pictures are gone. It cannot be taken back.")]
    if offer_state(known, now()) in ("running", "scheduled"):
        consequences.insert(0, reader.gettext("Cards that show it are as before within the hour."))
    return _confirm_page(
        known,
        heading=reader.gettext("Delete “%(title)s”?", title=known.title),
        consequences=consequences,
        button=reader.gettext("Delete the overlay"),
    )


def own_overlay(code: str) -> Overlay:
    """The overlay of that code in this programme; others do not exist here."""
    return require_overlay(session(), program().program_id, code)


def designs() -> dict[str, Template]:
    """The programme's designs by name, its cards' own first, without overlays."""
    loaded = program()
    own = loaded.composer.template
    return {own.template_id: own} | {name: design.composer.template for name, design in loaded.linked.items()}


def design_of(known: Overlay) -> Template:
    """The design that an overlay lies over; the programme's own where that is no more."""
    found = designs()
    return found.get(_design_name(known), program().composer.template)


def language_names(design: Template) -> list[tuple[str, str]]:
    """The languages of a design, the programme's first."""
    own = [each for each in program().document.locales if each in design.words]
    return [(each, _language_name(each)) for each in dict.fromkeys((*own, *sorted(design.words)))]


def trail() -> tuple[tuple[str, str], ...]:
    """The way back to the list."""
    return ((current_reader().gettext("Overlays"), url_for(HERE)),)


def colour_names() -> dict[str, str]:
    """The colours that an overlay may change, in words."""
    return {name: words.to(current_reader()) for name, words in _COLOURS.items()}


def picture_names() -> dict[str, str]:
    """The pictures that the form takes, in words."""
    return {name: words.to(current_reader()) for name, words in _PICTURES.items()}


def _acted(code: str, act: Callable[..., Overlay], *, is_done: Callable[[Overlay], bool], done: str) -> AnyResponse:
    """Do what was asked if the overlay is still as the page has shown it; asked twice, it is done once."""
    known = own_overlay(code)
    if not is_done(known):
        if has_changed(known.version):
            return _overlay_page(known, status=HTTPStatus.CONFLICT, done="changed_meanwhile")
        try:
            act(
                session(),
                known.program_id,
                code,
                visit().author,
                version=version_shown(),
                now=now(),
            )
        except Invalid:
            session().rollback()
            return _overlay_page(own_overlay(code), status=HTTPStatus.CONFLICT, done="does_not_fit")
        except Conflict:
            session().rollback()
            return _overlay_page(own_overlay(code), status=HTTPStatus.CONFLICT, done="state_meanwhile")
    return redirect(url_for("console.overlays_overlay", code=code, done=done), code=HTTPStatus.SEE_OTHER)


def _overlay_page(known: Overlay, *, status: HTTPStatus = HTTPStatus.OK, done: str | None = None) -> AnyResponse:
    at, reader = now(), current_reader()
    state = offer_state(known, at)
    words, mark, tone = BADGES[state]
    locales = [locale for locale, _name in language_names(design_of(known))]
    language = request.args.get("language", "")
    language = language if language in locales else locales[0]
    changes_nothing = known.template_version_id == _beneath(known)
    return page(
        "console/overlays/overlay.html",
        Audience.EDITOR,
        status=status,
        frame=frame(HERE, trail=trail()),
        overlay=known,
        state=state,
        state_badge=(words.to(reader), mark, tone),
        happens=_happens(known, state),
        rivals=[_rival(row) for row in _rivals(known)],
        facts=list(_facts(known)),
        changes_nothing=changes_nothing,
        is_past=known.ends_at <= at,
        pictures=stored_pictures(known, design_of(known), language, now=at),
        languages=[(each, name, each == language) for each, name in language_names(design_of(known))],
        may_write=may(Permission.TEXTS_WRITE),
        may_publish=may(Permission.TEXTS_WRITE) and not changes_nothing,
        done=done or request.args.get("done"),
    )


def _happens(known: Overlay, state: OfferState) -> str:
    """What becomes of the cards, and when."""
    reader, zone = current_reader(), program().document.time_zone
    at = {
        "begins": reader.moment(known.starts_at, zone),
        "ends": reader.moment(known.ends_at, zone),
        "cards": _cards(known),
    }
    match state:
        case "scheduled":
            return reader.gettext(
                "Published. On %(begins)s it comes to %(cards)s by itself, without a notification; on %(ends)s they are"
                " as before.",
                **at,
            )
        case "running":
            return reader.gettext("It is on %(cards)s and leaves them by itself on %(ends)s.", **at)
        case "ended" | "cancelled":
            return reader.gettext("It was over on %(ends)s: the cards are as before.", **at)
        case _ if known.ends_at <= now():
            return reader.gettext("This draft would be over already. Change its dates before you publish it.")
        case _ if known.starts_at <= now():
            return reader.gettext(
                "Nobody sees it. Published now, it comes to %(cards)s within the hour, without a notification; on"
                " %(ends)s they are as before.",
                **at,
            )
        case _:
            return reader.gettext(
                "Nobody sees it. Once published, it comes on %(begins)s to %(cards)s, without a notification; on"
                " %(ends)s they are as before.",
                **at,
            )


def _design_name(known: Overlay) -> str:
    return known.template_id or program().composer.template.template_id


def _cards(known: Overlay) -> str:
    """How many cards have the design."""
    name, own = _design_name(known), program().composer.template.template_id
    design = Card.linked_template.is_(None) if name == own else Card.linked_template == name
    query = select(func.count()).where(Card.program_id == known.program_id, Card.state == "active", design)
    return current_reader().ngettext("%(num)s card", "%(num)s cards", session().scalar(query) or 0)


def _rivals(known: Overlay) -> list[Overlay]:
    """Published overlays that are seen instead, while both hold."""
    query = select(Overlay).where(
        Overlay.program_id == known.program_id,
        func.coalesce(Overlay.template_id, program().composer.template.template_id) == _design_name(known),
        Overlay.state == "published",
        Overlay.id != known.id,
        Overlay.starts_at < known.ends_at,
        Overlay.ends_at > max(known.starts_at, now()),
    )
    mine = (known.priority, known.starts_at, known.id)
    return [row for row in session().scalars(query) if (row.priority, row.starts_at, row.id) > mine]


def _rival(row: Overlay) -> str:
    zone = program().document.time_zone
    return current_reader().gettext(
        "While “%(title)s” holds (%(span)s, priority %(priority)s), it is seen instead.",
        title=row.title,
        span=span_in_words(current_reader(), row.starts_at, row.ends_at, zone),
        priority=row.priority,
    )


def _facts(known: Overlay) -> list[tuple[str, list[str]]]:
    """What the overlay changes, beside what it is otherwise."""
    reader, design = current_reader(), design_of(known)
    facts = [
        (reader.gettext("When"), [span_in_words(reader, known.starts_at, known.ends_at, program().document.time_zone)]),
        (reader.gettext("Priority"), [str(known.priority)]),
    ]
    if len(designs()) > 1:
        facts.append((reader.gettext("Design"), [_design_name(known)]))
    before = design.document.colours.model_dump()
    colours = known.changes.get("colours", {})
    if told := [
        reader.gettext("%(name)s: %(after)s, not %(before)s", name=words, after=colours[name], before=before[name])
        for name, words in colour_names().items()
        if name in colours
    ]:
        facts.append((reader.gettext("Colours"), told))
    for locale, texts in known.changes.get("words", {}).items():
        originals = design.words.get(locale, {})
        told = [
            reader.gettext("“%(after)s” instead of “%(before)s”", after=text, before=originals.get(key, key))
            for key, text in texts.items()
        ]
        if told:
            facts.append((reader.gettext("Texts (%(language)s)", language=_language_name(locale)), told))
    names = picture_names()
    if kept := [names.get(name, name) for name in sorted(images_of(session(), known.id))]:
        facts.append((reader.gettext("Pictures"), kept))
    return facts


def _language_name(locale: str) -> str:
    return LANGUAGE_NAMES.get(locale.split("-")[0], locale)


def _row(row: Overlay) -> dict[str, Any]:
    words, mark, tone = BADGES[offer_state(row, now())]
    return {
        "code": row.code,
        "title": row.title,
        "span": span_in_words(current_reader(), row.starts_at, row.ends_at, program().document.time_zone),
        "priority": row.priority,
        "design": _design_name(row),
        "badge": (words.to(current_reader()), mark, tone),
    }


def _beneath(known: Overlay) -> int | None:
    return version_beneath(session().get_one(Program, known.program_id), known.template_id)


def _confirm_page(known: Overlay, **values: Any) -> AnyResponse:
    address = url_for("console.overlays_overlay", code=known.code)
    return page(
        "console/act.html",
        Audience.CONSOLE,
        frame=frame(HERE, trail=(*trail(), (known.title, address))),
        back=address,
        version=known.version,
        **values,
    )
