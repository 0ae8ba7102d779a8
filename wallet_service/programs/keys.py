"""The programmes' keys: the pass identity for Apple, the service account for Google. Sealed in the database, opened
once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from wallet_service.errors import Invalid
from wallet_service.storage.sealing import Sealer
from wallet_service.storage.tables import ProgramSecret
from wallet_service.wallets.apple.certificates import PassIdentity, identity_from_files, pem_of

ServiceAccount = dict[str, Any]
_ACCOUNT_FIELDS = ("client_email", "private_key", "private_key_id", "token_uri")


@dataclass(frozen=True)
class _Opened:
    digest: str
    value: Any


class KeyRing:
    """Gives each process the keys of its programmes; a replaced key is noticed at the next look."""

    def __init__(self, sealer: Sealer) -> None:
        self.sealer = sealer
        self._opened: dict[tuple[str, str], _Opened] = {}
        self._lock = Lock()

    def identity(self, db: Session, program_id: str) -> PassIdentity | None:
        """The Apple identity, or None where none was imported."""
        value = self._look(db, program_id, "apple")
        return value if isinstance(value, PassIdentity) else None

    def google_account(self, db: Session, program_id: str) -> ServiceAccount | None:
        """The Google service account, or None where none was imported."""
        value = self._look(db, program_id, "google")
        return value if isinstance(value, dict) else None

    def store_identity(self, db: Session, program_id: str, identity: PassIdentity, *, now: datetime) -> bool:
        """Seal and keep an identity; returns whether it is another than before."""
        plain = orjson.dumps(
            {
                "certificate": pem_of(identity.leaf).decode(),
                "intermediate": pem_of(identity.intermediate).decode(),
                "key": identity.key_pem().decode(),
            }
        )
        return self._store(db, program_id, "apple", plain, expires_at=identity.not_after, now=now)

    def store_google_account(self, db: Session, program_id: str, account: ServiceAccount, *, now: datetime) -> bool:
        """Seal and keep a service account's key file; returns whether it is another than before.

        Raises:
            Invalid: a member that Google's key files have is missing.
        """
        for name in _ACCOUNT_FIELDS:
            if not isinstance(account.get(name), str):
                raise Invalid.at(f"google.service_account_file.{name}", "is missing: is this a service account's key?")
        plain = orjson.dumps(account, option=orjson.OPT_SORT_KEYS)
        return self._store(db, program_id, "google", plain, expires_at=None, now=now)

    def _store(
        self, db: Session, program_id: str, kind: str, plain: bytes, *, expires_at: datetime | None, now: datetime
    ) -> bool:
        digest = hashlib.sha256(plain).hexdigest()
        known = db.get(ProgramSecret, (program_id, kind))
        if known is not None and known.digest == digest:
            return False
        values = {
            "sealed": self.sealer.seal(plain, f"{kind}:{program_id}"),
            "digest": digest,
            "expires_at": expires_at,
            "updated_at": now,
        }
        db.execute(
            insert(ProgramSecret)
            .values(program_id=program_id, kind=kind, **values)
            .on_conflict_do_update(index_elements=["program_id", "kind"], set_=values)
        )
        return True

    def _look(self, db: Session, program_id: str, kind: str) -> Any:
        place = (ProgramSecret.program_id == program_id, ProgramSecret.kind == kind)
        digest = db.scalar(select(ProgramSecret.digest).where(*place))
        if digest is None:
            return None
        known = self._opened.get((program_id, kind))
        if known is None or known.digest != digest:
            sealed = db.scalars(select(ProgramSecret.sealed).where(*place)).one()
            members = orjson.loads(self.sealer.open(sealed, f"{kind}:{program_id}"))
            known = _Opened(digest, _identity(members) if kind == "apple" else members)
            with self._lock:
                self._opened[(program_id, kind)] = known
        return known.value


def _identity(members: dict[str, str]) -> PassIdentity:
    return identity_from_files(
        members["certificate"].encode(), members["key"].encode(), intermediate=members["intermediate"].encode()
    )
