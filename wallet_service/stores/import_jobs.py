"""A file of stores that somebody has brought: kept, then applied by a job, in portions.

Applying is repeatable: what was written already is found unchanged, so a job that was lost is begun anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.access.roles import Author
from wallet_service.cards.program_cache import ProgramCache
from wallet_service.documents.programs import ProgramDocument
from wallet_service.errors import NotFound
from wallet_service.offers.stores import compose_again
from wallet_service.storage.jobs import defer_job
from wallet_service.storage.tables import StoreImport
from wallet_service.stores.changing import import_store
from wallet_service.stores.csv_file import match, table_of
from wallet_service.stores.importing import ImportPlan, plan_import

IMPORT_STORES, RESUME_IMPORTS = "import_stores", "resume_imports"
_PORTION = 200
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


def start_import(db: Session, program: ProgramDocument, number: int, *, now: datetime) -> StoreImport:
    """Have a file applied, after the caller's commit. Twice is as once."""
    require_import(db, program.id, number)
    kept = db.get_one(StoreImport, number, with_for_update=True, populate_existing=True)
    if kept.state == "read":
        plan = plan_of(db, program, kept)
        kept.state, kept.worked_at, kept.total = "applying", now, len(plan.to_write)
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
    """Apply a file, a portion in each transaction; the cards are composed again with the last."""
    while not stopping():
        with sessions.begin() as db:
            kept = db.get(StoreImport, number, with_for_update=True)
            if kept is None or kept.state != "applying":
                return None
            program = programs.program(db, kept.program_id).document
            # planned anew: what somebody has changed since counts, and what is written is unchanged
            rows = plan_of(db, program, kept).to_write
            author = Author(kept.actor_kind, kept.actor_id, kept.actor_name)  # type: ignore[arg-type]  # as it was kept
            for row in rows[:_PORTION]:
                import_store(db, program, row.store_id, row.document, author, now=now())
            left = len(rows) - min(len(rows), _PORTION)
            kept.done, kept.total, kept.worked_at = kept.done + len(rows) - left, kept.done + len(rows), now()
            if left == 0:
                kept.state, kept.finished_at = "applied", now()
                if kept.done:
                    compose_again(db, program.id, "stores imported", now=now())
    return timedelta(seconds=1)


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
