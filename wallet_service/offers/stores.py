"""Stores: kept, replaced and deleted. Cards near a store are composed again by a walk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from wallet_service.documents.opening_hours import WeeklyHours, hours_text, stored_hours
from wallet_service.documents.programs import ProgramDocument
from wallet_service.documents.stores import StoreDocument
from wallet_service.documents.types import texts_of
from wallet_service.errors import Conflict, NotFound
from wallet_service.offers.campaigns import start_campaign
from wallet_service.offers.lock_screen import require_lock_screen_texts
from wallet_service.offers.places import places_changed
from wallet_service.storage.tables import Store

_FIELDS = tuple(StoreDocument.model_fields)


class ChangedMeanwhile(Conflict):
    """Somebody else has changed the store since its version was read."""


@dataclass(frozen=True, slots=True)
class StoreChange:
    """A store as it is now. `before` is what it was, None for a new one; `after` what it is: columns with values."""

    store: Store
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]

    @property
    def is_new(self) -> bool:
        """Whether there was no such store."""
        return self.before is None

    @property
    def is_change(self) -> bool:
        """Whether anything is different now."""
        return self.before != self.after


def put_store(
    db: Session,
    program: ProgramDocument,
    store_id: str,
    document: StoreDocument,
    *,
    version: int | None = None,
    now: datetime,
) -> StoreChange:
    """Create or replace a store, and have the cards composed again if that changed anything.

    Args:
        version: the one that the change was made from; None: whatever it is.

    Raises:
        ChangedMeanwhile: the store has another version, or is gone; nothing was changed.
    """
    change = write_store(db, program, store_id, document, version=version)
    if change.is_change:
        compose_again(db, program.id, f"store {store_id}", now=now)
    return change


def write_store(
    db: Session, program: ProgramDocument, store_id: str, document: StoreDocument, *, version: int | None = None
) -> StoreChange:
    """The same without composing again: for many stores in a row, after which `compose_again` is called once."""
    values = values_of(program, document)
    query = select(Store).where(Store.program_id == program.id, Store.store_id == store_id).with_for_update()
    known = db.scalar(query.execution_options(populate_existing=True))
    if known is None and version is None:
        new = insert(Store).values(program_id=program.id, store_id=store_id, version=1, **values)
        if db.scalar(new.on_conflict_do_nothing().returning(Store.id)) is not None:
            return StoreChange(require_store(db, program.id, store_id), None, values)
        known = db.scalar(query.execution_options(populate_existing=True))  # somebody was faster
    if version is not None and (known is None or known.version != version):
        raise ChangedMeanwhile(f"the store {store_id!r} has changed since; read it again")
    if known is None:  # made and deleted by others meanwhile
        raise ChangedMeanwhile(f"the store {store_id!r} has changed since; read it again")
    before = stored_values(known)
    if before != values:
        for name, value in {**values, "version": known.version + 1}.items():
            setattr(known, name, value)
        db.flush()
    return StoreChange(known, before, values)


def delete_store(db: Session, program_id: str, store_id: str, *, now: datetime) -> Mapping[str, Any]:
    """Delete a store; it leaves the cards that named it. Returns what it was.

    Raises:
        NotFound: the programme has no such store.
    """
    gone = delete(Store).where(Store.program_id == program_id, Store.store_id == store_id).returning(Store)
    store = db.scalar(gone)
    if store is None:
        raise NotFound(f"there is no store {store_id!r}")
    before = stored_values(store)
    compose_again(db, program_id, f"store {store_id} deleted", now=now)
    return before


def require_store(db: Session, program_id: str, store_id: str) -> Store:
    """The store of that id in that programme.

    Raises:
        NotFound: there is none.
    """
    store = db.scalar(select(Store).where(Store.program_id == program_id, Store.store_id == store_id))
    if store is None:
        raise NotFound(f"there is no store {store_id!r}")
    return store


def compose_again(db: Session, program_id: str, reason: str, *, now: datetime) -> None:
    """Tell every process that the stores have changed, and have the cards composed again."""
    places_changed(db, program_id)
    start_campaign(db, program_id, reason=reason, now=now)


def values_of(program: ProgramDocument, document: StoreDocument) -> dict[str, Any]:
    """A document as the columns of a row.

    Raises:
        Invalid: its proximity text is none that a lock screen can show.
    """
    values = document.model_dump(mode="json", by_alias=True)
    values["time_zone"] = document.time_zone or program.time_zone
    values["proximity_text"] = texts_of(document.proximity_text, program.locales[0])
    require_lock_screen_texts(values["proximity_text"], program)
    values["opening_hours"] = _kept_hours(document.opening_hours)
    return values


def stored_values(store: Store) -> dict[str, Any]:
    """The same of a row."""
    return {name: getattr(store, name) for name in _FIELDS}


def document_of(store: Store) -> StoreDocument:
    """A row as the document that would write it. Opening hours that cannot be read are left out.

    Raises:
        pydantic.ValidationError: the row was written by something else.
    """
    values = stored_values(store)
    values["opening_hours"] = stored_hours(store.opening_hours)
    values["proximity_text"] = values["proximity_text"] or None
    return StoreDocument.model_validate(values)


def _kept_hours(hours: WeeklyHours | str | None) -> dict[str, Any] | str:
    if hours_text(hours) is None:
        return {}
    if not isinstance(hours, WeeklyHours):
        return hours or {}
    written = hours.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    # a time as people write it, without seconds
    return {name: _without_seconds(value) for name, value in written.items()}


def _without_seconds(value: Any) -> Any:
    match value:
        case {"from": opens, "to": closes}:
            return {"from": opens[:5], "to": closes[:5]}
        case dict():
            return {name: _without_seconds(each) for name, each in value.items()}
        case list() | tuple():
            return [_without_seconds(each) for each in value]
        case _:
            return value
