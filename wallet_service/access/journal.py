"""The journal: who did what to what, when, and from what to what. Append only, in the transaction of the change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Text, and_, cast, insert, or_, select, text
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.access.roles import ActorKind, Author
from wallet_service.storage.tables import Grant, JournalEntry

MOST_ENTRIES = 200
_PORTION = 10_000

PERSONAL_FIELDS: Mapping[str, frozenset[str]] = {
    "member": frozenset(
        {
            "member_id",
            "first_name",
            "last_name",
            "email",
            "phone",
            "birthday",
            "card_number",
            "home",
            "home_latitude",
            "home_longitude",
            "attributes",
        }
    ),
    "user": frozenset({"email", "name"}),
}
"""Fields of each kind of thing whose change is told, and whose values are not: the journal outlives an erasure."""
_SECRET_WORDS = frozenset({"password", "secret", "token", "key", "digest", "totp", "recovery", "sealed", "private"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal. `changes` is field → {"from": …, "to": …}, without values where they are not told."""

    id: int
    at: datetime
    actor_kind: str
    actor_id: int | None
    actor_name: str
    action: str
    object_kind: str
    object_id: str
    changes: Mapping[str, Mapping[str, Any]]
    request_id: str | None
    program_id: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first; `before` is the cursor of the next page, None on the last."""

    entries: tuple[Entry, ...]
    before: int | None


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The fields that differ, as field → (from, to); absent is None."""
    names = dict.fromkeys((*before, *after))
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def record(
    db: Session,
    author: Author,
    action: str,
    object_kind: str,
    object_id: str | int,
    *,
    program_id: str | None,
    changes: Mapping[str, tuple[Any, Any]] | None = None,
    request_id: str | None = None,
    now: datetime,
) -> None:
    """Write one entry in the caller's transaction: one for every change, and none for one that is rolled back.

    Args:
        action: what was done, a constant word: `offer_published`.
        changes: field → (from, to), values as JSON has them. Values of personal fields and of anything that is named
            like a secret are left out here, whoever passes them.
    """
    db.execute(
        insert(JournalEntry).values(
            at=now,
            program_id=program_id,
            actor_kind=author.kind,
            actor_id=author.id,
            actor_name=author.name,
            action=action,
            object_kind=object_kind,
            object_id=str(object_id),
            changes=_told(object_kind, changes or {}),
            request_id=request_id,
        )
    )


def entries(
    db: Session,
    program_id: str,
    *,
    actor: tuple[ActorKind, int] | None = None,
    actions: Iterable[str] = (),
    object_kind: str | None = None,
    object_id: str | int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Page:
    """A page of one programme's entries, newest first; what its people did to their own accounts is among them.

    Args:
        since, until: a half-open span.
        before: the cursor of the page before this one.
        limit: 1 to 200.
    """
    people = select(cast(Grant.user_id, Text)).where(Grant.program_id == program_id)
    of_its_people = and_(
        JournalEntry.program_id.is_(None), JournalEntry.object_kind == "user", JournalEntry.object_id.in_(people)
    )
    query = select(JournalEntry).where(or_(JournalEntry.program_id == program_id, of_its_people))
    if actor is not None:
        query = query.where(JournalEntry.actor_kind == actor[0], JournalEntry.actor_id == actor[1])
    wanted = list(actions)
    if wanted:
        query = query.where(JournalEntry.action.in_(wanted))
    if object_kind is not None:
        query = query.where(JournalEntry.object_kind == object_kind)
    if object_id is not None:
        query = query.where(JournalEntry.object_id == str(object_id))
    if since is not None:
        query = query.where(JournalEntry.at >= since)
    if until is not None:
        query = query.where(JournalEntry.at < until)
    if before is not None:
        query = query.where(JournalEntry.id < before)
    size = min(max(limit, 1), MOST_ENTRIES)
    found = db.scalars(query.order_by(JournalEntry.id.desc()).limit(size + 1)).all()
    page = tuple(_entry(row) for row in found[:size])
    return Page(page, page[-1].id if len(found) > size else None)


_FORGET = text(f"""
DELETE FROM journal WHERE id = ANY(ARRAY(SELECT id FROM journal WHERE at < :before ORDER BY at LIMIT {_PORTION}))
""")  # noqa: S608 a number of this module


def forget_journal(sessions: sessionmaker[Session], *, before: datetime, stopping: Callable[[], bool]) -> int:
    """Delete the entries that were written before an instant, in portions; returns how many."""
    deleted = 0
    while not stopping():
        with sessions.begin() as db:
            portion = db.execute(_FORGET, {"before": before}).rowcount  # type: ignore[attr-defined]
        deleted += portion
        if portion < _PORTION:
            break
    return deleted


def _told(object_kind: str, changes: Mapping[str, tuple[Any, Any]]) -> dict[str, dict[str, Any]]:
    personal = PERSONAL_FIELDS.get(object_kind, frozenset())
    return {
        name: {} if name in personal or _is_secret(name) else {"from": _open(old), "to": _open(new)}
        for name, (old, new) in changes.items()
    }


def _open(value: Any) -> Any:
    """A value without what is named like a secret anywhere in it."""
    if isinstance(value, Mapping):
        return {name: None if _is_secret(str(name)) else _open(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_open(part) for part in value]
    return value


def _is_secret(name: str) -> bool:
    return not _SECRET_WORDS.isdisjoint(name.lower().split("_"))


def _entry(row: JournalEntry) -> Entry:
    return Entry(
        id=row.id,
        at=row.at,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        actor_name=row.actor_name,
        action=row.action,
        object_kind=row.object_kind,
        object_id=row.object_id,
        changes=row.changes,
        request_id=row.request_id,
        program_id=row.program_id,
    )
