"""Stores: kept, replaced and deleted. Cards near a store are composed again by a walk."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from wallet_service.documents.programs import ProgramDocument
from wallet_service.documents.stores import StoreDocument
from wallet_service.documents.types import texts_of
from wallet_service.errors import NotFound
from wallet_service.offers.campaigns import start_campaign
from wallet_service.offers.lock_screen import require_lock_screen_texts
from wallet_service.offers.places import places_changed
from wallet_service.storage.tables import Store


def put_store(
    db: Session, program: ProgramDocument, store_id: str, document: StoreDocument, *, now: datetime
) -> tuple[Store, bool]:
    """Create or replace a store; returns it, and whether it is new.

    Raises:
        Invalid: its proximity text is none that a lock screen can show.
    """
    values = document.model_dump(mode="json")
    values["time_zone"] = document.time_zone or program.time_zone
    values["proximity_text"] = texts_of(document.proximity_text, program.locales[0])
    require_lock_screen_texts(values["proximity_text"], program)
    is_new = _store(db, program.id, store_id) is None
    db.execute(
        insert(Store)
        .values(program_id=program.id, store_id=store_id, **values)
        .on_conflict_do_update(index_elements=["program_id", "store_id"], set_=values)
    )
    _compose_again(db, program.id, f"store {store_id}", now=now)
    db.expire_all()
    return require_store(db, program.id, store_id), is_new


def delete_store(db: Session, program_id: str, store_id: str, *, now: datetime) -> None:
    """Delete a store; it leaves the cards that named it.

    Raises:
        NotFound: the programme has no such store.
    """
    store = require_store(db, program_id, store_id)
    db.execute(delete(Store).where(Store.id == store.id))
    _compose_again(db, program_id, f"store {store_id} deleted", now=now)


def require_store(db: Session, program_id: str, store_id: str) -> Store:
    """The store of that id in that programme.

    Raises:
        NotFound: there is none.
    """
    store = _store(db, program_id, store_id)
    if store is None:
        raise NotFound(f"there is no store {store_id!r}")
    return store


def _store(db: Session, program_id: str, store_id: str) -> Store | None:
    return db.scalar(select(Store).where(Store.program_id == program_id, Store.store_id == store_id))


def _compose_again(db: Session, program_id: str, reason: str, *, now: datetime) -> None:
    places_changed(db, program_id)
    start_campaign(db, program_id, reason=reason, now=now)
