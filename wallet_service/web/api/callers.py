"""Who calls the JSON API: a key, its programme, and what its role may do."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from flask import g, request
from sqlalchemy import text
from sqlalchemy.orm import Session

from wallet_service.errors import Forbidden
from wallet_service.storage.tables import ApiKey

Scope = Literal["members", "cards", "events", "stores", "offers", "read"]
Role = Literal["technical", "marketing", "store", "till"]
SCOPES_OF: dict[str, tuple[Scope, ...]] = {
    "technical": ("members", "cards", "events", "stores", "offers", "read"),
    "marketing": ("stores", "offers", "read"),
    "store": ("offers", "read"),
    "till": ("events", "read"),
}
EVENT_TYPES_OF: dict[str, frozenset[str]] = {"till": frozenset({"purchase.completed"})}
"""Roles that may report some types only; the others may report all."""
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

    def require(self, scope: Scope) -> None:
        """Refuse a caller whose key was not made for this.

        Raises:
            Forbidden: the key lacks `scope`.
        """
        if scope not in self.scopes:
            raise Forbidden(f"this key (role {self.role}) lacks the scope {scope!r}")

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


def create_key(
    db: Session,
    program_id: str,
    name: str,
    *,
    role: Role,
    scopes: tuple[Scope, ...] = (),
    store_id: str | None = None,
    now: datetime,
) -> str:
    """Make a key and return it, once; only its digest is kept. `scopes` narrow what the role may do."""
    key = _PREFIX + secrets.token_urlsafe(32)
    db.add(
        ApiKey(
            program_id=program_id,
            name=name,
            key_digest=_digest(key),
            shown_prefix=key[: len(_PREFIX) + _SHOWN],
            role=role,
            scopes=[scope for scope in SCOPES_OF[role] if not scopes or scope in scopes],
            store_id=store_id,
            created_at=now,
        )
    )
    return key


_LIVE_KEY = text("""
SELECT id, program_id, role, scopes, store_id FROM api_keys WHERE key_digest = :digest AND revoked_at IS NULL
""")


def caller_with(db: Session, key: str) -> Caller | None:
    """The caller that a live key stands for."""
    row = db.execute(_LIVE_KEY, {"digest": _digest(key)}).one_or_none()
    return Caller(row.id, row.program_id, row.role, frozenset(row.scopes), row.store_id) if row is not None else None


def key_in_request() -> str | None:
    """The bearer key, if the request carries one."""
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" and key.strip() else None


def caller() -> Caller:
    """The caller of this request, once signed in."""
    found: Caller = g.caller
    return found


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
