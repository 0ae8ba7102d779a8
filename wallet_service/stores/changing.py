"""Changes of stores, each with its one journal entry in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from wallet_service.access.journal import changes_between, record
from wallet_service.access.roles import Author
from wallet_service.access.users import revoke_keys_of_store, take_store_from_grants
from wallet_service.documents.programs import ProgramDocument
from wallet_service.documents.stores import StoreDetails, StoreDocument
from wallet_service.offers.stores import (
    StoreChange,
    delete_store,
    document_of,
    put_store,
    require_store,
    write_store,
)


def save_store(
    db: Session,
    program: ProgramDocument,
    store_id: str,
    document: StoreDocument,
    author: Author,
    *,
    version: int | None = None,
    now: datetime,
) -> StoreChange:
    """Create or replace a store. The same once more changes nothing, and has no entry.

    Raises:
        ChangedMeanwhile: it no longer has that version.
    """
    change = put_store(db, program, store_id, document, version=version, now=now)
    _enter(db, program.id, change, author, now=now)
    return change


def save_details(
    db: Session,
    program: ProgramDocument,
    store_id: str,
    details: StoreDetails,
    author: Author,
    *,
    version: int | None = None,
    now: datetime,
) -> StoreChange:
    """Change what whoever runs a store may change of it: hours, telephone, lock-screen text; all else stays.

    Raises:
        NotFound: there is no such store.
        ChangedMeanwhile: it no longer has that version.
    """
    document = document_of(require_store(db, program.id, store_id))
    changed = document.model_copy(update={name: getattr(details, name) for name in StoreDetails.model_fields})
    return save_store(db, program, store_id, changed, author, version=version, now=now)


def import_store(
    db: Session, program: ProgramDocument, store_id: str, document: StoreDocument, author: Author, *, now: datetime
) -> StoreChange:
    """One store of many: whoever imports has the cards composed again, once."""
    change = write_store(db, program, store_id, document)
    _enter(db, program.id, change, author, now=now)
    return change


def remove_store(db: Session, program_id: str, store_id: str, author: Author, *, now: datetime) -> None:
    """Delete a store; it leaves the cards that named it, and the rights of people and keys that were for it.

    Raises:
        NotFound: the programme has no such store.
    """
    before = delete_store(db, program_id, store_id, now=now)
    changes = changes_between(_said(before), {})
    record(db, author, "store_deleted", "store", store_id, program_id=program_id, changes=changes, now=now)
    take_store_from_grants(db, author, program_id, store_id, now=now)
    revoke_keys_of_store(db, author, program_id, store_id, now=now)


def _enter(db: Session, program_id: str, change: StoreChange, author: Author, *, now: datetime) -> None:
    if not change.is_change:
        return
    action = "store_created" if change.is_new else "store_changed"
    changes = changes_between(_said(change.before or {}), _said(change.after))
    record(db, author, action, "store", change.store.store_id, program_id=program_id, changes=changes, now=now)


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth a word: fields that are empty are absent."""
    return {name: value for name, value in values.items() if value not in (None, {}, [], ())}
