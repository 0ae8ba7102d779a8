"""The form of one overlay: name, span, colours, texts beside the design's own, pictures; and how it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from flask import redirect, request, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access import journal
from wallet_service.access.roles import Permission
from wallet_service.cards.template import ImageName, Template
from wallet_service.cards.template_rules import least_size
from wallet_service.documents.overlays import OverlayDocument
from wallet_service.errors import Conflict, Fault, Invalid
from wallet_service.offers.changing import free_code
from wallet_service.overlays.changing import LARGEST_IMAGE, put_image, save_overlay
from wallet_service.programs.overlays import document_of, images_of
from wallet_service.storage.tables import Overlay
from wallet_service.web.console.gate import Console
from wallet_service.web.console.navigation import frame
from wallet_service.web.console.offers import clock_city
from wallet_service.web.console.offers_previews import NOTHING_DRAWN, Pictures
from wallet_service.web.console.overlays import (
    HERE,
    colour_names,
    design_of,
    designs,
    language_names,
    own_overlay,
    picture_names,
    trail,
)
from wallet_service.web.console.overlays_fields import (
    OverlayForm,
    at_fields,
    code_for,
    document_in,
    fields_of,
    labels_of,
    written,
)
from wallet_service.web.console.overlays_previews import empty_document, pictures_with
from wallet_service.web.console.visit import program, session, typed, visit
from wallet_service.web.context import now
from wallet_service.web.form_values import Raw, last_in, number_in
from wallet_service.web.forms import Form
from wallet_service.web.headers import Audience
from wallet_service.web.pages import current_reader, fragment, page

_TEMPLATE = "console/overlays/editor.html"


def add_pages(console: Console) -> None:
    """Register the pages."""
    methods = ("GET", "POST")
    console.page("/overlays/new", new, needs=Permission.TEXTS_WRITE, methods=methods)
    console.page("/overlays/<code>/edit", edit, needs=Permission.TEXTS_WRITE, methods=methods)
    console.page("/overlays/previews", previews, needs=Permission.TEXTS_WRITE, methods=("POST",))


def new() -> AnyResponse:
    """Make a draft."""
    if request.method == "GET":
        return _form_page(None, {"template": [request.args.get("design", "")]} | dict(typed()), ())
    return _answer(None)


def edit(code: str) -> AnyResponse:
    """Change an overlay."""
    known = own_overlay(code)
    if request.method == "GET":
        return _form_page(known, typed() or written(known), ())
    return _answer(known)


def previews() -> AnyResponse:
    """The pictures of what is typed; asked for by the page's script."""
    raw = typed()
    known = own_overlay(code) if (code := last_in(raw, "_overlay")) else None
    return fragment(_TEMPLATE, "previews", Audience.EDITOR, pictures=_drawn(raw, known))


def _answer(known: Overlay | None) -> AnyResponse:
    raw = dict(typed())
    if last_in(raw, "_act") == "previews":
        return _form_page(known, raw, (), pictures=_drawn(raw, known))
    design = _design(raw, known)
    labels = labels_of(design, is_new=known is None)
    version = number_in(last_in(raw, "_version"))
    try:
        code = _save(known, raw, design, version)
    except Conflict:
        session().rollback()
        if known is None:
            return _form_page(None, raw, (Fault("code", "is taken", "overlay_code_taken"),))
        current = own_overlay(known.code)
        if version is not None and current.version != version:
            return _conflict_page(raw, current)
        return _form_page(current, raw, (Fault("ends_at_local", "is past", "overlay_is_over"),))
    except Invalid as error:
        session().rollback()
        return _form_page(known, raw, at_fields(error.faults, tuple(labels)))
    return redirect(url_for("console.overlays_overlay", code=code, done="saved"), code=HTTPStatus.SEE_OTHER)


def _save(known: Overlay | None, raw: Raw, design: Template, version: int | None) -> str:
    """Save what was typed and the pictures that were brought; returns the overlay's code.

    Raises:
        Invalid: something is wrong.
        Conflict: somebody else was faster, or the overlay is over.
    """
    document = document_in(raw, known, design)
    code = known.code if known is not None else _new_code(raw, document)
    db, program_id, author, at = session(), program().program_id, visit().author, now()
    if known is None and (there := _with_code(code)) is not None:
        version = there.version  # the same form once more; what it says is already there
    elif known is None:
        version = 0
    pictures = _brought(raw)
    save_overlay(db, program_id, code, document, author, version=version, now=at)
    for name, png in pictures.items():
        put_image(db, program_id, code, name, png, author, now=at)
    return code


def _new_code(raw: Raw, document: OverlayDocument) -> str:
    """The code of a new overlay: a free one, or that of the draft that this very form has made."""
    code = code_for(raw, document)
    there = _with_code(code)
    if there is None or (there.state == "draft" and _is_same(there, document)):
        return code
    if last_in(raw, "code"):
        raise Invalid.at("code", "is another overlay's", "overlay_code_taken")
    codes = session().scalars(select(Overlay.code).where(Overlay.program_id == program().program_id))
    return free_code(code, codes)


def _is_same(there: Overlay, document: OverlayDocument) -> bool:
    """Whether a draft says what the form says; times are compared as the form writes them."""
    names = {"title", "priority", "colours", "words"}
    own, times = program().composer.template.template_id, written(there)
    if (there.template_id or own) != (document.template or own):
        return False
    return document_of(there).model_dump(include=names) == document.model_dump(include=names) and all(
        at is None or times[name] == [at.isoformat(timespec="seconds" if at.second else "minutes")]
        for name, at in (("starts_at_local", document.starts_at_local), ("ends_at_local", document.ends_at_local))
    )


def _brought(raw: Raw) -> dict[str, bytes | None]:
    """The pictures to put (PNG) or to take away (None).

    Raises:
        Invalid: one is larger than it may be.
    """
    pictures: dict[str, bytes | None] = {}
    for name in picture_names():
        if any(value.strip() for value in raw.get(f"remove.{name}", ())):
            pictures[name] = None
        brought = request.files.get(f"images.{name}")
        if brought is None or not brought.filename:
            continue
        with brought.stream:
            png = brought.read(LARGEST_IMAGE + 1)
        if len(png) > LARGEST_IMAGE:
            raise Invalid.at(f"images.{name}", "is too large", "too_large")
        pictures[name] = png
    return pictures


def _drawn(raw: Raw, known: Overlay | None) -> Pictures:
    """Draw what is typed: its colours and texts, with the pictures that are kept already."""
    at, design = now(), _design(raw, known)
    fields = fields_of(raw, known, design)
    images = images_of(session(), known.id) if known is not None else {}
    language = last_in(raw, "_language") or language_names(design)[0][0]
    document = empty_document(at)
    looks = {name: fields[name] for name in ("colours", "words") if name in fields}
    try:
        document = OverlayDocument.model_validate(document.model_dump() | looks)
    except ValueError:
        return pictures_with(document, images, design, language, now=at)
    return pictures_with(document, images, design, language, now=at)


def _form_page(
    known: Overlay | None,
    raw: Raw,
    faults: Sequence[Fault],
    *,
    status: HTTPStatus = HTTPStatus.OK,
    conflict: Mapping[str, Any] | None = None,
    pictures: Pictures = NOTHING_DRAWN,
) -> AnyResponse:
    reader, design = current_reader(), _design(raw, known)
    kept = images_of(session(), known.id) if known is not None else {}
    before = design.document.colours.model_dump()
    return page(
        _TEMPLATE,
        Audience.EDITOR,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if faults else status,
        frame=frame(HERE, trail=trail()),
        form=Form(OverlayForm, raw, faults, reader, labels_of(design, is_new=known is None)),
        refused=bool(faults),
        overlay=known,
        design=design.template_id,
        designs=list(designs()) if known is None else [],
        version=last_in(raw, "_version"),
        zone=program().document.time_zone,
        city=clock_city((), program().document.time_zone),
        colours=[(name, before[name]) for name in colour_names()],
        images=[(name, *least_size(cast("ImageName", name)), name in kept) for name in picture_names()],
        locales=language_names(design),
        words=design.words,
        language=last_in(raw, "_language"),
        conflict=conflict,
        pictures=pictures,
    )


def _conflict_page(raw: Raw, current: Overlay) -> AnyResponse:
    """Somebody else was faster: both versions, and what was typed is still in the form."""
    theirs = written(current)
    latest = journal.entries(
        session(), current.program_id, object_kind="overlay", object_id=current.code, limit=1
    ).entries
    conflict = {
        "who": latest[0].actor_name if latest else "",
        "at": latest[0].at if latest else now(),
        "fields": [
            (label, last_in(raw, name), last_in(theirs, name))
            for name, label in labels_of(design_of(current), is_new=False).items()
            if last_in(raw, name) != last_in(theirs, name)
        ],
    }
    raw = {**raw, "_version": [str(current.version)]}
    return _form_page(current, raw, (), status=HTTPStatus.CONFLICT, conflict=conflict)


def _design(raw: Raw, known: Overlay | None) -> Template:
    if known is not None:
        return design_of(known)
    return designs().get(last_in(raw, "template"), program().composer.template)


def _with_code(code: str) -> Overlay | None:
    return session().scalar(select(Overlay).where(Overlay.program_id == program().program_id, Overlay.code == code))
