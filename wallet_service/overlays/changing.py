"""Writing overlays: each change is in the journal, and what is published comes to the cards with it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from PIL import Image
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from wallet_service.access.journal import record
from wallet_service.access.roles import Author
from wallet_service.cards.template import ImageName
from wallet_service.documents.overlays import OverlayDocument
from wallet_service.errors import Conflict, Invalid, NotFound
from wallet_service.offers.campaigns import start_campaign
from wallet_service.offers.changing import changed_fields
from wallet_service.offers.windows import span_said
from wallet_service.programs.overlays import (
    document_of,
    images_of,
    overlaid_version,
    show_overlays,
    version_beneath,
)
from wallet_service.storage.tables import Overlay, OverlayImage, Program

IMAGE_NAMES: Sequence[ImageName] = tuple(
    name for name in get_args(ImageName) if name not in ("icon", "stamp", "stamp_empty", "personalization_logo")
)
"""What an overlay may replace; an icon is what a phone knows a brand by."""
LARGEST_IMAGE = 2_000_000
"""Bytes."""


@dataclass(frozen=True)
class OverlayChange:
    """An overlay after a change."""

    overlay: Overlay
    is_new: bool = False


def require_overlay(
    db: Session, program_id: str, code: str, *, lock: bool = False, version: int | None = None
) -> Overlay:
    """The overlay of that code in that programme.

    Raises:
        NotFound: there is none.
        Conflict: it has another version than the one that is wanted.
    """
    query = select(Overlay).where(Overlay.program_id == program_id, Overlay.code == code)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    overlay = db.scalar(query)
    if overlay is None:
        raise NotFound(f"there is no overlay {code!r}")
    if version is not None and version != overlay.version:
        raise Conflict(f"the overlay has version {overlay.version} now, your change was made from {version}")
    return overlay


def save_overlay(
    db: Session,
    program_id: str,
    code: str,
    document: OverlayDocument,
    author: Author,
    *,
    version: int | None = None,
    now: datetime,
) -> OverlayChange:
    """Create an overlay as a draft, or replace one. The same once more changes nothing, and has no entry.

    Raises:
        Invalid: an empty span, no such design, or the design would be wrong with it.
        Conflict: it no longer has that version, or it is over.
    """
    program = _locked_program(db, program_id)
    row = db.scalar(select(Overlay).where(Overlay.program_id == program_id, Overlay.code == code).with_for_update())
    if version is not None and version != (row.version if row is not None else 0):
        raise Conflict(f"the overlay has version {row.version if row else 0} now, your change was made from {version}")
    starts_at, ends_at = span_said(document, str(program.document["time_zone"]))
    beneath = version_beneath(program, document.template)
    images = images_of(db, row.id) if row is not None else {}
    values: dict[str, Any] = {
        "title": document.title,
        "template_id": document.template,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "priority": document.priority,
        "changes": document.model_dump(mode="json", include={"colours", "words"}, exclude_none=True),
        "template_version_id": overlaid_version(db, beneath, document, images, now=now),
    }
    if row is None:
        row = Overlay(program_id=program_id, code=code, state="draft", version=1, **values)
        db.add(row)
        db.flush()
        _enter(db, row, "overlay_created", {}, author, now=now)
        return OverlayChange(row, is_new=True)
    before = _said(row)
    if row.state == "published" and (row.ends_at <= now or ends_at <= now):
        raise Conflict("the overlay is over, or would be: withdraw it, or make another")
    for name, value in values.items():
        setattr(row, name, value)
    if before != _said(row):
        row.version += 1
        _enter(db, row, "overlay_changed", before, author, now=now)
        _bring_to_cards(db, program, row, now=now)
    return OverlayChange(row)


def put_image(
    db: Session,
    program_id: str,
    code: str,
    name: str,
    png: bytes | None,
    author: Author,
    *,
    version: int | None = None,
    now: datetime,
) -> Overlay:
    """Give an overlay a picture, or take it away (None).

    Raises:
        NotFound: there is no such overlay.
        Invalid: an overlay does not replace such a picture, or the picture is not fit.
    """
    if name not in IMAGE_NAMES:
        raise Invalid.at("name", f"should be one of {', '.join(IMAGE_NAMES)}", "literal_error", expected=IMAGE_NAMES)
    program = _locked_program(db, program_id)
    row = require_overlay(db, program_id, code, lock=True, version=version)
    if png is None:
        db.execute(delete(OverlayImage).where(OverlayImage.overlay_id == row.id, OverlayImage.name == name))
    else:
        _require_whole(name, png)
        statement = insert(OverlayImage).values(overlay_id=row.id, name=name, png=png)
        db.execute(statement.on_conflict_do_update(index_elements=["overlay_id", "name"], set_={"png": png}))
    beneath, before = version_beneath(program, row.template_id), row.template_version_id
    row.template_version_id = overlaid_version(db, beneath, document_of(row), images_of(db, row.id), now=now)
    if row.template_version_id != before:
        row.version += 1
        changes = {f"images.{name}": (None, None if png is None else f"{len(png)} bytes")}
        _record(db, row, "overlay_changed", changes, author, now=now)
        _bring_to_cards(db, program, row, now=now)
    return row


def publish_overlay(
    db: Session, program_id: str, code: str, author: Author, *, version: int | None = None, now: datetime
) -> Overlay:
    """Let an overlay begin and end by itself on every card of its design.

    Raises:
        NotFound: there is no such overlay.
        Invalid: it does not fit the design any more.
        Conflict: it is over, it changes nothing, or it has another version.
    """
    program = _locked_program(db, program_id)
    row = require_overlay(db, program_id, code, lock=True, version=version)
    if row.state == "published":
        return row
    if row.ends_at <= now:
        raise Conflict("the overlay would be over already")
    beneath = version_beneath(program, row.template_id)  # the design may be another than when it was drafted
    row.template_version_id = overlaid_version(db, beneath, document_of(row), images_of(db, row.id), now=now)
    if row.template_version_id == beneath:
        raise Conflict("the overlay changes nothing: give it colours, words or a picture")
    _set_state(db, program, row, "published", author, now=now)
    return row


def withdraw_overlay(
    db: Session, program_id: str, code: str, author: Author, *, version: int | None = None, now: datetime
) -> Overlay:
    """Take an overlay off the cards at once, or before it begins; it is a draft again.

    Raises:
        NotFound: there is no such overlay.
    """
    program = _locked_program(db, program_id)
    row = require_overlay(db, program_id, code, lock=True, version=version)
    if row.state == "published":
        _set_state(db, program, row, "draft", author, now=now)
    return row


def delete_overlay(
    db: Session, program_id: str, code: str, author: Author, *, version: int | None = None, now: datetime
) -> None:
    """Delete an overlay; one that is on the cards is taken off them.

    Raises:
        NotFound: there is no such overlay.
    """
    row = withdraw_overlay(db, program_id, code, author, version=version, now=now)
    _enter(db, row, "overlay_deleted", _said(row), author, now=now, after={})
    db.delete(row)
    db.flush()


def _require_whole(name: str, png: bytes) -> None:
    """A picture of which a part is missing shows as grey on phones."""
    try:
        with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
            image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Invalid.at(f"images.{name}", "is not a whole PNG picture", "not_a_picture") from error


def _locked_program(db: Session, program_id: str) -> Program:
    """Overlays of one programme are written one after the other: its row shows them all."""
    return db.get_one(Program, program_id, with_for_update={"key_share": True}, populate_existing=True)


def _set_state(db: Session, program: Program, row: Overlay, state: str, author: Author, *, now: datetime) -> None:
    before, was_published = row.state, row.state == "published"
    row.state = state
    row.version += 1
    action = "overlay_published" if state == "published" else "overlay_withdrawn"
    _record(db, row, action, {"state": (before, state)}, author, now=now)
    _bring_to_cards(db, program, row, now=now, was_published=was_published)


def _bring_to_cards(db: Session, program: Program, row: Overlay, *, now: datetime, was_published: bool = False) -> None:
    db.flush()
    if (row.state != "published" and not was_published) or row.ends_at <= now:
        return
    show_overlays(db, program, now=now)
    start_campaign(db, program.program_id, reason=f"overlay {row.code}", now=now)


def _said(row: Overlay) -> dict[str, Any]:
    """What the journal says of an overlay."""
    return {
        "title": row.title,
        "template": row.template_id,
        "starts_at": row.starts_at.isoformat(),
        "ends_at": row.ends_at.isoformat(),
        "priority": row.priority,
        **row.changes,
    }


def _enter(
    db: Session,
    row: Overlay,
    action: str,
    before: dict[str, Any],
    author: Author,
    *,
    now: datetime,
    after: dict[str, Any] | None = None,
) -> None:
    changes = changed_fields(before, _said(row) if after is None else after)
    _record(db, row, action, changes, author, now=now)


def _record(
    db: Session, row: Overlay, action: str, changes: dict[str, tuple[Any, Any]], author: Author, *, now: datetime
) -> None:
    record(db, author, action, "overlay", row.code, program_id=row.program_id, changes=changes, now=now)
