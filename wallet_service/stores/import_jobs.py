"""A file of stores that somebody has brought: kept, then applied by a job, in portions.

Applying is repeatable: what was written already is found unchanged, so a job that was lost is begun anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.access.roles import Author
from wallet_service.cards.program_cache import ProgramCache
from wallet_service.documents.programs import ProgramDocument
from wallet_service.errors import NotFound
from wallet_service.offers.stores import compose_again
from wallet_service.storage.jobs import defer_job
from wallet_service.storage.tables import StoreImport
from wallet_service.stores.changing import import_store
from wallet_service.stores.csv_file import Table, match, table_of
from wallet_service.stores.importing import ImportPlan, plan_import

IMPORT_STORES, RESUME_IMPORTS = "import_stores", "resume_imports"
log = structlog.get_logger()
_PORTION = 200
_AGAIN = timedelta(seconds=1)
_LOST_AFTER = timedelta(minutes=5)


def keep_file(
    db: Session,
    program_id: str,
    author: Author,
    *,
    file_name: str,
    text: str,
    columns: Mapping[str, str],
    now: datetime,
) -> int:
    """Keep a file until it is applied; returns its number."""
    kept = StoreImport(
        program_id=program_id,
        actor_kind=author.kind,
        actor_id=author.id,
        actor_name=author.name,
        file_name=file_name[:200],
        content=text,
        columns=dict(columns),
        created_at=now,
    )
    db.add(kept)
    db.flush()
    return kept.id


def require_import(db: Session, program_id: str, number: int) -> StoreImport:
    """A file of a programme.

    Raises:
        NotFound: there is none of that number.
    """
    found = db.scalar(select(StoreImport).where(StoreImport.id == number, StoreImport.program_id == program_id))
    if found is None:
        raise NotFound(f"there is no import {number}")
    return found


def plan_of(db: Session, program: ProgramDocument, kept: StoreImport) -> ImportPlan:
    """What applying a kept file would do now."""
    table = table_of(kept.content)
    return plan_import(db, program, table, match(table, program.locales, kept.columns))


def start_import(db: Session, program: ProgramDocument, number: int, author: Author, *, now: datetime) -> StoreImport:
    """Have a file applied in the name of whoever says so, after the caller's commit. Twice is as once."""
    require_import(db, program.id, number)
    kept = db.get_one(StoreImport, number, with_for_update=True, populate_existing=True)
    if kept.state == "read":
        plan = plan_of(db, program, kept)
        kept.state, kept.worked_at, kept.total = "applying", now, len(plan.to_write)
        kept.actor_kind, kept.actor_id, kept.actor_name = author.kind, author.id, author.name
        kept.counts = {
            "new": plan.count("new"),
            "changed": plan.count("changed"),
            "unchanged": plan.count("unchanged"),
            "refused": len(plan.refused),
        }
        db.flush()
        defer_job(db, IMPORT_STORES, number)
    return kept


def run_import(
    sessions: sessionmaker[Session],
    programs: ProgramCache,
    number: int,
    *,
    now: Callable[[], datetime],
    stopping: Callable[[], bool] = lambda: False,
) -> timedelta | None:
    """Apply a file, a portion in each transaction; the cards are composed again with the last.

    What it leaves to do at a stop, or because somebody else was writing the same stores, it is called again for.
    """
    with sessions() as db:
        kept = db.get(StoreImport, number)
        if kept is None or kept.state != "applying":
            return None
        program = programs.program(db, kept.program_id).document
        table = table_of(kept.content)
        columns = match(table, program.locales, kept.columns)
        # everybody writes stores in the order of their ids, so that two files never wait for each other
        to_write = sorted(plan_import(db, program, table, columns).to_write, key=lambda row: row.store_id)
    lines = {row.line: row for row in table.rows}
    portions = [to_write[at : at + _PORTION] for at in range(0, len(to_write), _PORTION)] or [[]]
    try:
        for place, portion in enumerate(portions, 1):
            if stopping():
                return _AGAIN
            rows = Table(table.headers, tuple(lines[row.line] for row in portion))
            with sessions.begin() as db:
                if not _apply_portion(db, program, number, rows, columns, is_last=place == len(portions), now=now()):
                    return None
    except OperationalError as error:
        log.warning("import_interrupted", number=number, reason=type(error.orig).__name__)
        return _AGAIN
    return None


def _apply_portion(
    db: Session,
    program: ProgramDocument,
    number: int,
    rows: Table,
    columns: Mapping[int, str],
    *,
    is_last: bool,
    now: datetime,
) -> bool:
    """Write some rows; returns whether the file was still to be applied."""
    kept = db.get(StoreImport, number, with_for_update=True)
    if kept is None or kept.state != "applying":
        return False
    author = Author(kept.actor_kind, kept.actor_id, kept.actor_name)  # type: ignore[arg-type]  # as it was kept
    # planned anew: what somebody has changed since counts, and what is written is unchanged
    for row in plan_import(db, program, rows, columns).to_write:
        import_store(db, program, row.store_id, row.document, author, now=now)
    kept.done, kept.worked_at = kept.done + len(rows.rows), now
    kept.total = max(kept.total, kept.done)
    if is_last:
        kept.state, kept.finished_at = "applied", now
        if kept.done:
            compose_again(db, program.id, "stores imported", now=now)
    return True


def resume_imports(sessions: sessionmaker[Session], *, now: datetime) -> Mapping[str, int]:
    """Begin anew what a worker has left behind."""
    with sessions.begin() as db:
        lost = db.scalars(
            select(StoreImport)
            .where(StoreImport.state == "applying", StoreImport.worked_at < now - _LOST_AFTER)
            .with_for_update(skip_locked=True)
        ).all()
        for kept in lost:
            kept.worked_at = now
            defer_job(db, IMPORT_STORES, kept.id)
    return {"imports": len(lost)}
