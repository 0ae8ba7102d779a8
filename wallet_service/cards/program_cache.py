"""A cache of the programmes in each process: document, compiled design, stores and live offers.

Each look asks the database for two small numbers and reloads only what has changed since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from threading import Lock
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from wallet_service.cards.composing import Composer
from wallet_service.cards.overlays import Overlay, overlay_at, overlays_change_at
from wallet_service.cards.template import Template
from wallet_service.cards.template_folder import template_from_archive
from wallet_service.documents.programs import ProgramDocument
from wallet_service.errors import NotFound
from wallet_service.offers.places import ProgramPlaces, load_places
from wallet_service.offers.pressure import Pressure, pressure_of
from wallet_service.storage.tables import Card, Program, TemplateVersion


@dataclass(frozen=True)
class Design:
    """A version of a design, compiled."""

    template_version_id: int
    composer: Composer


@dataclass(frozen=True, kw_only=True)
class LoadedProgram:
    """A loaded programme: document, composer and places. `stored` is its document as the database has it, and so are
    `stored_overlays`.

    `linked`: the designs of the passes linked to its cards, by name. `overlays`: over any of these designs, each with
    its own in `overlaid`, by template version.
    """

    stored: dict[str, Any]
    document: ProgramDocument
    template_version_id: int
    composer: Composer
    places: ProgramPlaces
    linked: Mapping[str, Design]
    stored_overlays: list[dict[str, Any]] = field(default_factory=list)
    overlays: tuple[Overlay, ...] = ()
    overlaid: Mapping[int, Design] = field(default_factory=dict)

    def design_of(self, card: Card, now: datetime) -> Design:
        """The design of a card, or of a pass linked to one, at `now`: its present version, or that under an overlay.
        An erased member's card, which is never composed again, wears no overlay: it would keep it for good.
        """
        own = self._own_design(card)
        return own if card.member.erased_at is not None else self._under_overlay(own, now)

    def design_changes_at(self, card: Card, now: datetime) -> datetime | None:
        """When `design_of` changes by itself next; None: never."""
        return overlays_change_at(self.overlays, self._own_design(card).composer.template.template_id, now)

    def templates(self, now: datetime) -> tuple[Template, ...]:
        """The programme's designs as they are seen at `now`: its cards' own, then those of linked passes."""
        return tuple(self._under_overlay(design, now).composer.template for design in self._designs())

    def present_template(self, template_id: str, now: datetime) -> Template | None:
        """One of the programme's designs as it is seen at `now`."""
        return next((one for one in self.templates(now) if one.template_id == template_id), None)

    def _own_design(self, card: Card) -> Design:
        if card.linked_template is not None:
            return self.linked[card.linked_template]
        return Design(self.template_version_id, self.composer)

    def _designs(self) -> tuple[Design, ...]:
        return (Design(self.template_version_id, self.composer), *self.linked.values())

    def _under_overlay(self, design: Design, now: datetime) -> Design:
        if not self.overlays:
            return design
        overlay = overlay_at(self.overlays, design.composer.template.template_id, now)
        return self.overlaid[overlay.template_version_id] if overlay is not None else design

    @cached_property
    def pressure(self) -> Pressure:
        """Its rules on marketing notifications."""
        return pressure_of(self.document.pressure)

    @property
    def reach_m(self) -> int:
        """About how far from a store an iPhone brings the programme's cards forward."""
        return self.composer.template.document.reach_m

    @property
    def program_id(self) -> str:
        """The programme's own id."""
        return self.document.id


_LOOK = select(
    Program.document, Program.template_version_id, Program.places_revision, Program.linked_versions, Program.overlays
).where(Program.program_id == bindparam("program"))


class ProgramCache:
    """The programmes of this installation, each loaded when first asked for. Safe to share between threads."""

    def __init__(self) -> None:
        self._programs: dict[str, LoadedProgram] = {}
        self._composers: dict[int, Composer] = {}
        self._lock = Lock()

    def program(self, db: Session, program_id: str) -> LoadedProgram:
        """The programme as the database has it now.

        Raises:
            NotFound: there is none of that id.
        """
        row = db.execute(_LOOK, {"program": program_id}).one_or_none()
        if row is None:
            raise NotFound(f"there is no programme {program_id!r}")
        known = self._programs.get(program_id)
        places = known.places if known and known.places.revision == row.places_revision else None
        if (
            known
            and places
            and known.stored == row.document
            and known.template_version_id == row.template_version_id
            and known.stored_overlays == row.overlays
            and {name: design.template_version_id for name, design in known.linked.items()} == row.linked_versions
        ):
            return known
        document = ProgramDocument.model_validate(row.document)
        if places is not None and places.time_zone != document.time_zone:
            places = None
        overlays = tuple(Overlay.of(stored) for stored in row.overlays)
        loaded = LoadedProgram(
            stored=row.document,
            document=document,
            template_version_id=row.template_version_id,
            composer=self.composer(db, row.template_version_id),
            places=places or load_places(db, program_id, row.places_revision, time_zone=document.time_zone),
            linked={name: Design(one, self.composer(db, one)) for name, one in row.linked_versions.items()},
            stored_overlays=row.overlays,
            overlays=overlays,
            overlaid={
                one.template_version_id: Design(one.template_version_id, self.composer(db, one.template_version_id))
                for one in overlays
            },
        )
        with self._lock:
            self._programs[program_id] = loaded
        return loaded

    def composer(self, db: Session, template_version_id: int) -> Composer:
        """The compiled design of a template version; kept for good, for versions never change."""
        composer = self._composers.get(template_version_id)
        if composer is None:
            version = db.get_one(TemplateVersion, template_version_id)
            composer = Composer(template_from_archive(version.template_id, version.archive))
            with self._lock:
                self._composers[template_version_id] = composer
        return composer

    def cached_template(self, template_version_id: int) -> Template | None:
        """The design of a template version if this process has it already; without a database."""
        composer = self._composers.get(template_version_id)
        return composer.template if composer is not None else None

    def template(self, db: Session, template_version_id: int) -> Template:
        """The design of a template version."""
        return self.composer(db, template_version_id).template
