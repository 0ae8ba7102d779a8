"""Signing in: the limits, the password, the second factor, and the session that comes of them.

Each step is a short transaction of its own. None is open while a password is checked, which takes its time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.access import throttle
from wallet_service.access.passwords import Passwords
from wallet_service.access.roles import Author
from wallet_service.access.second_factor import use_code
from wallet_service.access.sessions import (
    SignedIn,
    open_session,
    renew_after_password,
    renew_after_second_factor,
)
from wallet_service.storage.encryption import KeyedDigester, Sealer
from wallet_service.storage.tables import User

log = structlog.get_logger()
_LONGEST_ADDRESS = 254


@dataclass(frozen=True, slots=True)
class Welcome:
    """It was right: the new token for the browser's cookie."""

    token: str
    user_id: int


@dataclass(frozen=True, slots=True)
class Wrong:
    """It was not right; which part was not is nobody's business."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody to be told by mail that their address was tried too often."""

    email: str
    name: str
    locale: str | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Too many tries. `tell` is the owner of the address, at most once an hour; the answer looks the same without."""

    wait: timedelta
    tell: Recipient | None = None


@dataclass(frozen=True, slots=True)
class _Refusal:
    limit: throttle.Limit
    wait: timedelta


SignInOutcome = Welcome | Wrong | Wait

_ACCEPT = text("""
UPDATE users SET password_digest = :new_digest, last_seen_at = :now
WHERE id = :id AND password_digest = :old_digest AND locked_at IS NULL
AND EXISTS (SELECT FROM grants WHERE user_id = users.id) RETURNING id
""")


@dataclass(frozen=True)
class SignIn:
    """What signing in works with."""

    sessions: sessionmaker[Session]
    passwords: Passwords
    digester: KeyedDigester
    sealer: Sealer

    def sign_in(
        self,
        email: str,
        password: str,
        *,
        network: str,
        agent: str,
        former_token: str | None = None,
        now: datetime,
    ) -> SignInOutcome:
        """Check an address and a password, and begin a session.

        Args:
            network: what stands for everybody near the client's address (see `networks.network_of`).
            former_token: the cookie that the browser still had; that session ends.
        """
        address = email.strip().lower()[:_LONGEST_ADDRESS].replace("\0", "")
        limits = _limits_of(address, network)
        refused = self._take(*limits, now=now)
        if refused is not None:
            is_address = refused.limit is not throttle.SIGN_IN_BY_NETWORK
            return Wait(refused.wait, self._owner_to_tell(address, now=now) if is_address else None)
        with self.sessions() as db:
            user = db.execute(select(User.id, User.password_digest).where(User.email == address)).one_or_none()
        digest = user.password_digest if user is not None else None
        verdict = self.passwords.check(digest, password)
        if user is None or not verdict.is_right:
            return Wrong()
        with self.sessions.begin() as db:
            new_digest = verdict.new_digest or digest
            accepted = {"id": user.id, "old_digest": digest, "new_digest": new_digest, "now": now}
            if db.execute(_ACCEPT, accepted).one_or_none() is None:
                return Wrong()
            for limit, subject in limits:
                throttle.give_back(db, self.digester, limit, subject)
            token = open_session(db, user.id, agent=agent, former_token=former_token, now=now)
        log.info("signed_in", user_id=user.id)
        return Welcome(token, user.id)

    def enter_password_again(self, signed_in: SignedIn, password: str, *, now: datetime) -> SignInOutcome:
        """Check the password of somebody who is signed in, before an act that needs it."""
        limit = (throttle.PASSWORD_AGAIN, str(signed_in.user_id))
        refused = self._take(limit, now=now)
        if refused is not None:
            return Wait(refused.wait)
        with self.sessions() as db:
            digest = db.scalar(select(User.password_digest).where(User.id == signed_in.user_id))
        if not self.passwords.check(digest, password).is_right:
            return Wrong()
        with self.sessions.begin() as db:
            throttle.give_back(db, self.digester, *limit)
            return Welcome(renew_after_password(db, signed_in.session_id, now=now), signed_in.user_id)

    def enter_code(self, signed_in: SignedIn, code: str, *, now: datetime) -> SignInOutcome:
        """Check the second factor: a code of the app, or a recovery code."""
        limit = (throttle.SECOND_FACTOR, str(signed_in.user_id))
        refused = self._take(limit, now=now)
        if refused is not None:
            return Wait(refused.wait)
        author = Author("user", signed_in.user_id, signed_in.name)
        with self.sessions.begin() as db:
            if not use_code(db, self.sealer, author, signed_in.user_id, code, now=now):
                return Wrong()
            throttle.give_back(db, self.digester, *limit)
            return Welcome(renew_after_second_factor(db, signed_in.session_id, now=now), signed_in.user_id)

    def forget_tries(self, db: Session, email: str, *, network: str) -> None:
        """Undo the wrong tries at an address, for its owner has just chosen another password by mail."""
        for limit, subject in _limits_of(email, network)[1:]:
            throttle.forget_tries(db, self.digester, limit, subject)

    def _take(self, *limits: tuple[throttle.Limit, str], now: datetime) -> _Refusal | None:
        """Try under each limit, in this order; returns the first that refuses."""
        with self.sessions.begin() as db:
            for limit, subject in limits:
                taken = throttle.take_of(db, self.digester, limit, subject, now=now)
                if taken.wait is not None:
                    return _Refusal(limit, taken.wait)
        return None

    def _owner_to_tell(self, address: str, *, now: datetime) -> Recipient | None:
        with self.sessions.begin() as db:
            first = throttle.take_of(db, self.digester, throttle.LOCK_MAIL, address, now=now).is_allowed
            owner = select(User.email, User.name, User.locale).where(User.email == address, User.locked_at.is_(None))
            row = db.execute(owner).one_or_none()
        return Recipient(*row) if row is not None and first else None


def _limits_of(address: str, network: str) -> tuple[tuple[throttle.Limit, str], ...]:
    return (
        (throttle.SIGN_IN_BY_NETWORK, network),
        (throttle.SIGN_IN_BY_ADDRESS, f"{address} {network}"),
        (throttle.SIGN_IN_OF_ADDRESS, address),
    )
