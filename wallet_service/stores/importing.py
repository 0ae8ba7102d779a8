"""Importing stores from a file: what would happen, then doing it; and writing all stores as such a file.

The same functions are behind the command line, the API and the page. The same file twice is as once.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from wallet_service.access.roles import Author
from wallet_service.documents.programs import ProgramDocument
from wallet_service.documents.stores import StoreDocument
from wallet_service.documents.types import Identifier
from wallet_service.errors import Fault, Invalid
from wallet_service.offers.stores import compose_again, document_of, stored_values, values_of
from wallet_service.parsing import parse
from wallet_service.storage.tables import Store
from wallet_service.stores.cells import cells_of, store_of
from wallet_service.stores.changing import import_store
from wallet_service.stores.columns import columns_for
from wallet_service.stores.csv_file import Row, Table, inert
from wallet_service.values import Value

Kind = Literal["new", "changed", "unchanged"]


class _Key(Value):
    store_id: Identifier


@dataclass(frozen=True, slots=True)
class PlannedStore:
    """A row that is right, and what it does."""

    line: int
    store_id: str
    document: StoreDocument
    kind: Kind


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that is left out, its cells as they are in the file, and why."""

    line: int
    store_id: str
    cells: tuple[str, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What a file does to the stores as they are now."""

    stores: tuple[PlannedStore, ...]
    refused: tuple[RefusedRow, ...]

    def count(self, kind: Kind) -> int:
        """How many rows do that."""
        return sum(store.kind == kind for store in self.stores)

    @property
    def to_write(self) -> tuple[PlannedStore, ...]:
        """The rows that change something."""
        return tuple(store for store in self.stores if store.kind != "unchanged")


def plan_import(db: Session, program: ProgramDocument, table: Table, columns: Mapping[int, str]) -> ImportPlan:
    """What importing a file would do.

    Args:
        columns: which column each header is, by its place.

    Raises:
        Invalid: no header is the store's identifier.
    """
    if "store_id" not in columns.values():
        raise Invalid.at("file", "lacks the column store_id", "no_column", column="store_id")
    known = _known(db, program.id, table, next(place for place, name in columns.items() if name == "store_id"))
    stores: list[PlannedStore] = []
    refused: list[RefusedRow] = []
    seen: dict[str, int] = {}
    for row in table.rows:
        cells = {column: row.cells[place] if place < len(row.cells) else "" for place, column in columns.items()}
        store_id = cells.pop("store_id")
        try:
            parse(_Key, {"store_id": store_id} if store_id else {})
            if store_id in seen:
                raise Invalid.at("store_id", "is in the file twice", "twice_in_file", line=seen[store_id])
            seen[store_id] = row.line
            stores.append(_planned(row, store_id, cells, known.get(store_id), program))
        except Invalid as error:
            refused.append(RefusedRow(row.line, store_id, row.cells, error.faults))
    return ImportPlan(tuple(stores), tuple(refused))


def apply_plan(
    db: Session,
    program: ProgramDocument,
    plan: ImportPlan,
    author: Author,
    *,
    rows: Sequence[PlannedStore] | None = None,
    now: datetime,
) -> int:
    """Write a plan's rows, or some of them, in the caller's transaction; returns how many stores it changed."""
    written = sum(
        import_store(db, program, store.store_id, store.document, author, now=now).is_change
        for store in (plan.to_write if rows is None else rows)
    )
    if written:
        compose_again(db, program.id, "stores imported", now=now)
    return written


def export_stores(db: Session, program: ProgramDocument, store_ids: frozenset[str] | None = None) -> str:
    """All stores, or these, as a file that can be imported; a spreadsheet opens it as it is."""
    query = select(Store).where(Store.program_id == program.id).order_by(Store.store_id)
    if store_ids is not None:
        query = query.where(Store.store_id.in_(store_ids))
    written = io.StringIO()
    columns = columns_for(program.locales)
    rows = csv.DictWriter(written, columns, delimiter=";")
    rows.writeheader()
    for store in db.scalars(query):
        rows.writerow({name: inert(cell, is_number=name in _NUMBERS) for name, cell in _cells(store, program).items()})
    return "\ufeff" + written.getvalue()


def _known(db: Session, program_id: str, table: Table, place: int) -> dict[str, Store]:
    """The stores that the file names."""
    named = {row.cells[place] for row in table.rows if place < len(row.cells)}
    query = select(Store).where(Store.program_id == program_id, Store.store_id == func.any(sorted(named)))
    return {store.store_id: store for store in db.scalars(query.execution_options(populate_existing=True))}


def _planned(
    row: Row, store_id: str, cells: Mapping[str, str], known: Store | None, program: ProgramDocument
) -> PlannedStore:
    document = store_of(cells, _document(known), program.locales)
    if known is None:
        kind: Kind = "new"
    else:
        kind = "unchanged" if stored_values(known) == values_of(program, document) else "changed"
    return PlannedStore(row.line, store_id, document, kind)


def _document(store: Store | None) -> StoreDocument | None:
    try:
        return document_of(store) if store is not None else None
    except ValidationError:
        return None  # written by something else: the file says all of it


def _cells(store: Store, program: ProgramDocument) -> dict[str, str]:
    return cells_of(store.store_id, document_of(store), program.locales)


_NUMBERS = frozenset({"latitude", "longitude", "phone"})
