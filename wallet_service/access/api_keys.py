"""Keys of the JSON API: made once, kept as digests, checked at every call."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from wallet_service.access.roles import (
    EVENT_TYPES_OF,
    STORELESS_SCOPES,
    Actor,
    Role,
    Scope,
    check_key,
    permissions_of_key,
)
from wallet_service.errors import Forbidden, Invalid
from wallet_service.storage.tables import ApiKey, Store

_PREFIX = "wk_"
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a key."""

    key_id: int
    program_id: str
    role: str
    scopes: frozenset[str]
    store_id: str | None
    name: str = ""

    @property
    def actor(self) -> Actor:
        """The key as an actor."""
        return Actor(
            kind="key",
            id=self.key_id,
            program_id=self.program_id,
            role=Role(self.role),
            store_ids=None if self.store_id is None else frozenset({self.store_id}),
            name=self.name,
            permissions=permissions_of_key(self.role, self.scopes),
        )

    def require(self, scope: Scope) -> None:
        """Refuse a caller whose key was not made for this.

        Raises:
            Forbidden: the key lacks `scope`, or is for one store and this is of none.
        """
        if scope not in self.scopes:
            raise Forbidden(f"this key (role {self.role}) lacks the scope {scope!r}")
        if self.store_id is not None and scope in STORELESS_SCOPES:
            raise Forbidden(f"this key is for the store {self.store_id!r} alone, and this belongs to no store")

    def require_store(self, store_ids: Sequence[str], groups: Sequence[str]) -> None:
        """Refuse a key of one store what concerns another.

        Raises:
            Forbidden: the stores are not exactly the key's own.
        """
        if self.store_id is not None and (list(store_ids) != [self.store_id] or groups):
            raise Forbidden(f"this key is for the store {self.store_id!r} alone: name it in store_ids, and no groups")

    def require_event_types(self, types: Iterable[str]) -> None:
        """Refuse a till what only the CRM may report.

        Raises:
            Forbidden: an event type is not among the role's.
        """
        allowed = EVENT_TYPES_OF.get(self.role)
        refused = sorted(set(types) - allowed) if allowed is not None else []
        if refused:
            raise Forbidden(f"this key (role {self.role}) may not report {', '.join(refused)}")

    def require_events_of_store(self, events: Iterable[Any]) -> None:
        """Refuse a key of one store what happened in another, or says not where. `events` are as they came in.

        Raises:
            Forbidden: an event does not name the key's own store.
        """
        if self.store_id is None:
            return
        for event in events:
            data = event.get("data") if isinstance(event, Mapping) else None
            if isinstance(data, Mapping) and data.get("store_id") != self.store_id:
                raise Forbidden(f"this key is for the store {self.store_id!r} alone: name it in data.store_id")


def create_key(
    db: Session,
    program_id: str,
    name: str,
    *,
    role: str,
    scopes: Sequence[str] = (),
    store_id: str | None = None,
    now: datetime,
) -> str:
    """Make a key and return it, once; only its digest is kept. `scopes` narrow what the role may do.

    Raises:
        Invalid: role, scopes and store contradict each other, or the programme has no such store.
    """
    held = check_key(role, scopes, store_id)
    if store_id is not None:
        place = (Store.program_id == program_id, Store.store_id == store_id)
        if db.scalar(select(Store.id).where(*place)) is None:
            raise Invalid.at("store", f"there is no store {store_id!r} in {program_id}")
    key = _PREFIX + secrets.token_urlsafe(32)
    db.add(
        ApiKey(
            program_id=program_id,
            name=name,
            key_digest=_digest(key),
            shown_prefix=key[: len(_PREFIX) + _SHOWN],
            role=role,
            scopes=list(held),
            store_id=store_id,
            created_at=now,
        )
    )
    return key


_LIVE_KEY = text("""
SELECT id, program_id, role, scopes, store_id, name FROM api_keys WHERE key_digest = :digest AND revoked_at IS NULL
""")


def caller_with(db: Session, key: str) -> Caller | None:
    """The caller that a live key stands for."""
    row = db.execute(_LIVE_KEY, {"digest": _digest(key)}).one_or_none()
    if row is None:
        return None
    return Caller(row.id, row.program_id, row.role, frozenset(row.scopes), row.store_id, row.name)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
