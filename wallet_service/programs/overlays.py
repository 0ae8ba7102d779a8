"""The designs under overlays: each a template version of its own, made anew when its overlay or its design changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from wallet_service.cards import overlays
from wallet_service.cards.overlays import overlaid_archive
from wallet_service.cards.template import ImageName
from wallet_service.cards.template_folder import template_from_archive
from wallet_service.documents.overlays import OverlayDocument
from wallet_service.errors import Fault, Invalid
from wallet_service.storage.tables import Overlay, OverlayImage, Program, TemplateVersion
from wallet_service.wallets.apple.passes.design import template_faults


def version_beneath(program: Program, template_id: str | None) -> int:
    """The version of the design that an overlay lies over; None: the programme's own.

    Raises:
        Invalid: the programme has no such design.
    """
    own = program.document["template"]
    if template_id in (None, own):
        return program.template_version_id
    if template_id not in program.linked_versions:
        names = ", ".join([own, *sorted(program.linked_versions)])
        raise Invalid.at("template", f"is not a design of this programme; it has {names}", "no_such_template")
    return int(program.linked_versions[template_id])


def overlaid_version(
    db: Session, beneath: int, document: OverlayDocument, images: Mapping[ImageName, bytes], *, now: datetime
) -> int:
    """The template version that is seen while an overlay holds; equal designs are one version.

    Raises:
        Invalid: the design would be wrong with it, each fault at its field of the overlay.
    """
    base = db.get_one(TemplateVersion, beneath)
    archive = overlaid_archive(base.archive, document, images)
    try:
        template = template_from_archive(base.template_id, archive)
        if faults := template_faults(template):
            raise Invalid(*faults)
    except Invalid as error:
        raise Invalid(*(_at_field(fault) for fault in error.faults)) from error
    known = db.scalar(select(TemplateVersion.id).where(TemplateVersion.digest == template.digest))
    if known is not None:
        return known
    version = TemplateVersion(template_id=base.template_id, digest=template.digest, archive=archive, created_at=now)
    db.add(version)
    db.flush()
    return version.id


def images_of(db: Session, overlay_id: int) -> dict[ImageName, bytes]:
    """The pictures of an overlay."""
    rows = db.execute(select(OverlayImage.name, OverlayImage.png).where(OverlayImage.overlay_id == overlay_id))
    return {cast("ImageName", name): png for name, png in rows}


def document_of(overlay: Overlay) -> OverlayDocument:
    """An overlay as the document that would write it."""
    return OverlayDocument.model_validate(
        {
            "title": overlay.title,
            "template": overlay.template_id,
            "starts_at": overlay.starts_at,
            "ends_at": overlay.ends_at,
            "priority": overlay.priority,
            **overlay.changes,
        }
    )


def show_overlays(db: Session, program: Program, *, now: datetime) -> None:
    """Put the published overlays that are not over into the programme's row, where composing looks."""
    mine = (Overlay.program_id == program.program_id, Overlay.state == "published", Overlay.ends_at > now)
    program.overlays = [
        overlays.Overlay(
            over=row.template_id or program.document["template"],
            template_version_id=row.template_version_id,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            priority=row.priority,
            number=row.id,
        ).as_json()
        for row in db.scalars(select(Overlay).where(*mine).order_by(Overlay.id))
    ]


def renew_overlays(db: Session, program: Program, *, now: datetime) -> None:
    """Lay the overlays that are not over on the programme's present designs. A draft that does not fit any more stays
    as it is, and is refused when somebody publishes it.

    Raises:
        Invalid: a published one does not fit any more; the path names it.
    """
    mine = (Overlay.program_id == program.program_id, Overlay.ends_at > now)
    for row in db.scalars(select(Overlay).where(*mine).order_by(Overlay.id)):
        try:
            beneath = version_beneath(program, row.template_id)
            row.template_version_id = overlaid_version(db, beneath, document_of(row), images_of(db, row.id), now=now)
        except Invalid as error:
            if row.state == "published":
                raise error.under(f"overlays.{row.code}") from error
    db.flush()
    show_overlays(db, program, now=now)


def _at_field(fault: Fault) -> Fault:
    """A design's fault at the overlay's field: `images/strip.png` is its `images.strip`."""
    path = fault.path.replace("/", ".").removesuffix(".png").removesuffix(".toml")
    return Fault(path, fault.message, fault.code, fault.values)
