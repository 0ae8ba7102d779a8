"""The second factor: time-based codes (RFC 6238) and recovery codes, each good for one use."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyotp
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from wallet_service.access import journal
from wallet_service.access.roles import Author
from wallet_service.errors import Conflict, Invalid, NotFound
from wallet_service.storage.encryption import Sealer
from wallet_service.storage.tables import User

RECOVERY_CODES = 10
_RECOVERY_BYTES = 10
_STEP_S = 30
_STEPS_OFF = 1
"""A phone's clock may be half a minute off either way."""
_CODE_DIGITS = 6


@dataclass(frozen=True, slots=True)
class OfferedSecret:
    """A secret to be put into an authenticator app: as text, and as the address that a QR code holds."""

    secret: str
    address: str


def offer_second_factor(db: Session, sealer: Sealer, user_id: int, *, issuer: str) -> OfferedSecret:
    """Make a secret and show it; nothing changes at sign-in before a code of it was confirmed.

    Raises:
        NotFound: there is no such person.
    """
    secret = pyotp.random_base32()
    values = {"totp_offered": sealer.seal(secret.encode(), _purpose(user_id))}
    email = db.scalar(update(User).where(User.id == user_id).values(**values).returning(User.email))
    if email is None:
        raise NotFound(f"there is no person {user_id}")
    return _shown(secret, email, issuer)


def offered_second_factor(db: Session, sealer: Sealer, user_id: int, *, issuer: str) -> OfferedSecret:
    """The secret that was offered last and is still to be confirmed: after a wrong code the person is shown the same.

    Raises:
        Conflict: nothing was offered.
    """
    row = db.execute(select(User.email, User.totp_offered).where(User.id == user_id)).one_or_none()
    if row is None or row.totp_offered is None:
        raise _nothing_offered()
    return _shown(sealer.open(row.totp_offered, _purpose(user_id)).decode(), row.email, issuer)


def confirm_second_factor(
    db: Session,
    sealer: Sealer,
    author: Author,
    user_id: int,
    code: str,
    *,
    request_id: str | None = None,
    now: datetime,
) -> list[str]:
    """Take the offered secret into use, and return ten recovery codes, once; earlier ones are void.

    Raises:
        Invalid: at `code`, it is not one of the offered secret.
        Conflict: nothing was offered.
    """
    user = db.scalar(select(User).where(User.id == user_id).with_for_update().execution_options(populate_existing=True))
    if user is None or user.totp_offered is None:
        raise _nothing_offered()
    step = _step_of(sealer.open(user.totp_offered, _purpose(user_id)).decode(), code, now=now)
    if step is None:
        raise Invalid.at("code", "is not the code that the app shows now; check the time of your phone", "wrong_code")
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    user.totp_sealed, user.totp_offered, user.totp_step = user.totp_offered, None, step
    user.recovery_digests = [_recovery_digest(one) for one in codes]
    db.flush()
    journal.record(db, author, "second_factor_set", "user", user_id, program_id=None, request_id=request_id, now=now)
    return codes


def remove_second_factor(
    db: Session, author: Author, user_id: int, *, request_id: str | None = None, now: datetime
) -> None:
    """Forget a person's second factor and their recovery codes: their phone is lost, say."""
    values: dict[str, Any] = {"totp_sealed": None, "totp_offered": None, "totp_step": None, "recovery_digests": []}
    known = (User.id == user_id, User.totp_sealed.is_not(None) | User.totp_offered.is_not(None))
    if db.scalar(update(User).where(*known).values(**values).returning(User.id)) is not None:
        journal.record(
            db, author, "second_factor_removed", "user", user_id, program_id=None, request_id=request_id, now=now
        )


_TAKE_STEP = text("""
UPDATE users SET totp_step = :step
WHERE id = :id AND totp_sealed = :sealed AND coalesce(totp_step, 0) < :step RETURNING id
""")
_TAKE_RECOVERY = text("""
UPDATE users SET recovery_digests = array_remove(recovery_digests, :digest)
WHERE id = :id AND totp_sealed IS NOT NULL AND :digest = ANY(recovery_digests) RETURNING cardinality(recovery_digests)
""")


def use_code(db: Session, sealer: Sealer, author: Author, user_id: int, code: str, *, now: datetime) -> bool:
    """Whether this is the app's code or an unused recovery code; either is used up, also by two requests at once."""
    typed = "".join(code.split()).replace("-", "")
    if len(typed) == _CODE_DIGITS:
        sealed = db.scalar(select(User.totp_sealed).where(User.id == user_id))
        if sealed is None:
            return False
        step = _step_of(sealer.open(sealed, _purpose(user_id)).decode(), typed, now=now)
        taken = {"id": user_id, "step": step, "sealed": sealed}
        return step is not None and db.execute(_TAKE_STEP, taken).one_or_none() is not None
    left = db.scalar(_TAKE_RECOVERY, {"id": user_id, "digest": _recovery_digest(typed)})
    if left is None:
        return False
    journal.record(
        db, author, "recovery_code_used", "user", user_id, program_id=None, changes={"left": (left + 1, left)}, now=now
    )
    return True


def _shown(secret: str, email: str, issuer: str) -> OfferedSecret:
    return OfferedSecret(secret, pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=issuer))


def _nothing_offered() -> Conflict:
    return Conflict("begin again: no second factor was offered to this person")


def _step_of(secret: str, code: str, *, now: datetime) -> int | None:
    """The time step that the code belongs to, the latest first; None if it is of none near now."""
    current, totp = int(now.timestamp()) // _STEP_S, pyotp.TOTP(secret, interval=_STEP_S)
    typed = "".join(code.split())
    steps = range(current + _STEPS_OFF, current - _STEPS_OFF - 1, -1)
    return next((step for step in steps if pyotp.utils.strings_equal(totp.generate_otp(step), typed)), None)


def _recovery_code() -> str:
    letters = base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode()
    return "-".join(letters[start : start + 4] for start in range(0, len(letters), 4))


def _recovery_digest(code: str) -> str:
    """80 random bits need no slow hash."""
    return hashlib.sha256("".join(code.split()).replace("-", "").upper().encode()).hexdigest()


def _purpose(user_id: int) -> str:
    return f"second factor:{user_id}"
