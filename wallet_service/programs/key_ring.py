"""The programmes' keys: the pass identities for Apple, the service account for Google. Sealed in the database, opened
once.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from threading import Lock
from typing import Any

import orjson
from sqlalchemy import ColumnElement, TextClause, delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from wallet_service.clock import Clock, system_clock
from wallet_service.errors import Invalid, SettingsError
from wallet_service.storage.encryption import Sealer
from wallet_service.storage.tables import AppleIdentity, ProgramSecret
from wallet_service.wallets.apple.certificates import PassIdentity, identity_from_files, identity_in_token, pem_of
from wallet_service.wallets.apple.devices import CURRENT_IDENTITY
from wallet_service.wallets.apple.signers import Pkcs11Key, TokenAddress

ServiceAccount = dict[str, Any]
_ACCOUNT_FIELDS = ("client_email", "private_key", "private_key_id", "token_uri")


_CURRENT = text(CURRENT_IDENTITY.format(program=":program", now=":now"))
_CURRENT_TO_PUSH = text("""
SELECT digest FROM apple_identities i WHERE i.program_id = :program AND i.kind = 'sealed'
ORDER BY (i.not_before <= :now AND :now <= i.not_after) DESC, i.not_before DESC, i.id DESC LIMIT 1
""")


@dataclass(frozen=True)
class _Opened:
    digest: str
    value: Any


class KeyRing:
    """Gives each process the keys of its programmes; a replaced key is noticed at the next look.

    The value is the same object for as long as the key is the same, so whoever built something with a key can see, by
    `is`, that it has to be built anew (an open connection to APNs, say).
    """

    def __init__(self, sealer: Sealer, clock: Clock = system_clock) -> None:
        self.sealer = sealer
        self._clock = clock
        self._opened: dict[tuple[str, str], _Opened] = {}
        self._lock = Lock()

    def identity(self, db: Session, program_id: str) -> PassIdentity | None:
        """The Apple identity that signs now, or None where none was ever imported. Where that one was sealed under a
        lost secret, the newest that can be read signs.

        Raises:
            SettingsError: there are some, and none can be read.
        """
        return self._current(db, program_id, "apple", _CURRENT, AppleIdentity.kind.in_(("sealed", "token")))

    def push_identity(self, db: Session, program_id: str) -> PassIdentity | None:
        """The Apple identity that signs in to APNs now, whose key is our own; else as `identity`.

        Raises:
            SettingsError: there are some, and none can be read.
        """
        return self._current(db, program_id, "apple push", _CURRENT_TO_PUSH, AppleIdentity.kind == "sealed")

    def _current(
        self, db: Session, program_id: str, place: str, statement: TextClause, kind: ColumnElement[bool]
    ) -> PassIdentity | None:
        digest = db.scalar(statement, {"program": program_id, "now": self._clock()})
        if digest is None:
            return None
        try:
            return self._identity_of(db, program_id, place, digest)
        except SettingsError as unreadable:
            return self._readable_identity(db, program_id, place, kind, unreadable)

    def identities(self, db: Session, program_id: str) -> list[PassIdentity]:
        """Every Apple identity that was imported, the newest first; also those whose time is over. One that was sealed
        under a lost secret is left out as long as another can be read.

        Raises:
            SettingsError: none can be read.
        """
        rows = select(AppleIdentity.sealed).where(AppleIdentity.program_id == program_id)
        found, unreadable = [], None
        for sealed in db.scalars(rows.order_by(AppleIdentity.not_before.desc(), AppleIdentity.id.desc())):
            try:
                found.append(_identity(self._unsealed(sealed, program_id)))
            except SettingsError as error:
                unreadable = error
        if unreadable is not None and not found:
            raise unreadable
        return found

    def google_account(self, db: Session, program_id: str) -> ServiceAccount | None:
        """The Google service account, or None where none was imported."""
        place = (ProgramSecret.program_id == program_id, ProgramSecret.kind == "google")
        digest = db.scalar(select(ProgramSecret.digest).where(*place))
        if digest is None:
            return None
        opened = self._opened_as(program_id, "google", digest)
        if opened is None:
            sealed = db.scalars(select(ProgramSecret.sealed).where(*place)).one()
            opened = orjson.loads(self.sealer.open(sealed, f"google:{program_id}"))
            self._remember(program_id, "google", digest, opened)
        return opened if isinstance(opened, dict) else None

    def store_identity(self, db: Session, program_id: str, identity: PassIdentity, *, now: datetime) -> bool:
        """Seal and keep an identity beside those before it; returns whether it is new. One that was sealed under a lost
        secret is sealed anew. One whose key is in a token takes the place of the one before it, for there is one
        address at a time.
        """
        members: dict[str, Any] = {
            "certificate": pem_of(identity.leaf).decode(),
            "intermediate": pem_of(identity.intermediate).decode(),
        }
        in_token = isinstance(identity.signer, Pkcs11Key)
        if isinstance(identity.signer, Pkcs11Key):
            members["token"] = asdict(identity.signer.address)
        else:
            members["key"] = identity.key_pem().decode()
        plain = orjson.dumps(members)
        digest = hashlib.sha256(plain).hexdigest()
        if in_token:
            self.forget_token(db, program_id, but=digest)
        mine = (AppleIdentity.program_id == program_id, AppleIdentity.digest == digest)
        known = db.scalar(select(AppleIdentity.sealed).where(*mine))
        if known is not None and self._opens(known, f"apple:{program_id}"):
            return False
        sealed = {"sealed": self.sealer.seal(plain, f"apple:{program_id}"), "imported_at": now}
        db.execute(
            insert(AppleIdentity)
            .values(
                program_id=program_id,
                digest=digest,
                kind="token" if in_token else "sealed",
                not_before=identity.not_before,
                not_after=identity.not_after,
                **sealed,
            )
            .on_conflict_do_update(index_elements=["program_id", "digest"], set_=sealed)
        )
        return True

    def forget_token(self, db: Session, program_id: str, *, but: str = "") -> bool:
        """Sign no more with keys in tokens, but for the identity of that digest; returns whether there was another."""
        others = (AppleIdentity.kind == "token", AppleIdentity.digest != but)
        gone = delete(AppleIdentity).where(AppleIdentity.program_id == program_id, *others)
        return bool(db.scalars(gone.returning(AppleIdentity.id)).all())

    def store_google_account(self, db: Session, program_id: str, account: ServiceAccount, *, now: datetime) -> bool:
        """Seal and keep a service account's key file; returns whether it is another than before.

        Raises:
            Invalid: a member that Google's key files have is missing.
        """
        for name in _ACCOUNT_FIELDS:
            if not isinstance(account.get(name), str):
                raise Invalid.at(f"google.service_account_file.{name}", "is missing: is this a service account's key?")
        plain = orjson.dumps(account, option=orjson.OPT_SORT_KEYS)
        digest = hashlib.sha256(plain).hexdigest()
        known = db.get(ProgramSecret, (program_id, "google"))
        if known is not None and known.digest == digest and self._opens(known.sealed, f"google:{program_id}"):
            return False
        values = {
            "sealed": self.sealer.seal(plain, f"google:{program_id}"),
            "digest": digest,
            "expires_at": None,
            "updated_at": now,
        }
        db.execute(
            insert(ProgramSecret)
            .values(program_id=program_id, kind="google", **values)
            .on_conflict_do_update(index_elements=["program_id", "kind"], set_=values)
        )
        return True

    def _identity_of(self, db: Session, program_id: str, place: str, digest: str) -> PassIdentity:
        opened: PassIdentity | None = self._opened_as(program_id, place, digest)
        if opened is None:
            row = (AppleIdentity.program_id == program_id, AppleIdentity.digest == digest)
            opened = _identity(self._unsealed(db.scalars(select(AppleIdentity.sealed).where(*row)).one(), program_id))
            self._remember(program_id, place, digest, opened)
        return opened

    def _readable_identity(
        self, db: Session, program_id: str, place: str, kind: ColumnElement[bool], unreadable: SettingsError
    ) -> PassIdentity:
        mine = select(AppleIdentity.digest).where(AppleIdentity.program_id == program_id, kind)
        for digest in db.scalars(mine.order_by(AppleIdentity.not_before.desc(), AppleIdentity.id.desc())):
            with suppress(SettingsError):
                return self._identity_of(db, program_id, f"{place}, in place of another", digest)
        raise unreadable

    def _opens(self, sealed: bytes, purpose: str) -> bool:
        try:
            self.sealer.open(sealed, purpose)
        except SettingsError:
            return False
        return True

    def _unsealed(self, sealed: bytes, program_id: str) -> dict[str, Any]:
        members: dict[str, Any] = orjson.loads(self.sealer.open(sealed, f"apple:{program_id}"))
        return members

    def _opened_as(self, program_id: str, kind: str, digest: str) -> Any:
        known = self._opened.get((program_id, kind))
        return known.value if known is not None and known.digest == digest else None

    def _remember(self, program_id: str, kind: str, digest: str, value: Any) -> None:
        with self._lock:
            self._opened[(program_id, kind)] = _Opened(digest, value)


def _identity(members: dict[str, Any]) -> PassIdentity:
    certificate, intermediate = members["certificate"].encode(), members["intermediate"].encode()
    if (address := members.get("token")) is not None:
        return identity_in_token(certificate, TokenAddress(**address), intermediate=intermediate)
    return identity_from_files(certificate, members["key"].encode(), intermediate=intermediate)
