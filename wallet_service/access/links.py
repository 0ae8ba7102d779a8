"""One-time links for people: invitations and new passwords. Looking at one changes nothing; acting on it uses it up.

Mail scanners open every link, so a page that shows one calls `look_at_link`, and only its button `accept_link`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from wallet_service.access import journal
from wallet_service.access.passwords import Passwords, check_password
from wallet_service.access.roles import Author
from wallet_service.access.sessions import end_all_sessions
from wallet_service.access.tokens import digest_of, new_token
from wallet_service.errors import NotFound
from wallet_service.storage.tables import User, UserLink

LinkKind = Literal["invitation", "reset"]
LASTS: dict[str, timedelta] = {"invitation": timedelta(hours=72), "reset": timedelta(hours=1)}
PATH_OF: dict[str, str] = {
    "invitation": "/console/invitation/{token}",
    "reset": "/console/reset/{token}",
}
"""Where the console shows each kind."""


@dataclass(frozen=True, slots=True)
class OpenLink:
    """A link that still opens: whose, and until when."""

    kind: LinkKind
    user_id: int
    email: str
    name: str
    locale: str | None
    expires_at: datetime


def link_address(public_url: str, kind: LinkKind, token: str) -> str:
    """The address that is sent to the person."""
    return public_url + PATH_OF[kind].format(token=token)


def make_link(db: Session, user_id: int, kind: LinkKind, *, now: datetime) -> str:
    """Make a link and return its token, once; those of its kind before it open nothing any more."""
    void_links(db, user_id, kind)
    token = new_token()
    db.add(
        UserLink(
            token_digest=digest_of(token), user_id=user_id, kind=kind, created_at=now, expires_at=now + LASTS[kind]
        )
    )
    db.flush()
    return token


def void_links(db: Session, user_id: int, kind: LinkKind | None = None) -> None:
    """Nothing that was sent to this person opens any more, or nothing of that kind."""
    sent = delete(UserLink).where(UserLink.user_id == user_id, UserLink.used_at.is_(None))
    db.execute(sent if kind is None else sent.where(UserLink.kind == kind))


def reset_link(db: Session, author: Author, email: str, *, now: datetime) -> tuple[OpenLink, str] | None:
    """A link for a new password, with its token; None if nobody (who is not locked) has that address.

    Whoever asks for it on a page gets the same answer in both cases.
    """
    user = db.scalar(select(User).where(User.email == email.strip().lower(), User.locked_at.is_(None)))
    if user is None:
        return None
    token = make_link(db, user.id, "reset", now=now)
    journal.record(db, author, "reset_link_made", "user", user.id, program_id=None, now=now)
    return OpenLink("reset", user.id, user.email, user.name, user.locale, now + LASTS["reset"]), token


def look_at_link(db: Session, token: str, *, now: datetime) -> OpenLink | None:
    """What a link would open; None if it is unknown, used, too old, or its owner is locked. Changes nothing."""
    row = db.execute(
        select(UserLink.kind, User.id, User.email, User.name, User.locale, UserLink.expires_at)
        .join(User, User.id == UserLink.user_id)
        .where(UserLink.token_digest == digest_of(token), UserLink.used_at.is_(None), UserLink.expires_at > now)
        .where(User.locked_at.is_(None))
    ).one_or_none()
    if row is None:
        return None
    kind: LinkKind = "invitation" if row.kind == "invitation" else "reset"
    return OpenLink(kind, row.id, row.email, row.name, row.locale, row.expires_at)


_USE = text("""
UPDATE user_links SET used_at = :now WHERE token_digest = :digest AND used_at IS NULL AND expires_at > :now
RETURNING user_id
""")
_SET_PASSWORD = text("""
UPDATE users SET password_digest = :password_digest WHERE id = :user_id AND locked_at IS NULL RETURNING id
""")


def accept_link(
    db: Session, passwords: Passwords, token: str, password: str, *, request_id: str | None = None, now: datetime
) -> int:
    """Use a link up: set its owner's password, and end every session of theirs. Returns the owner's number.

    Raises:
        NotFound: the link opens nothing (any more).
        Invalid: at `password`; the link can still be used.
    """
    link = look_at_link(db, token, now=now)
    if link is None:
        raise NotFound("this link was used already, is too old, or was replaced by a newer one")
    check_password(password, own=(link.email, link.name))
    password_digest = passwords.digest(password)  # before any row is locked: it takes its time
    user_id = db.scalar(_USE, {"digest": digest_of(token), "now": now})
    if user_id is None or db.scalar(_SET_PASSWORD, {"password_digest": password_digest, "user_id": user_id}) is None:
        raise NotFound("this link was used already, is too old, or was replaced by a newer one")
    void_links(db, user_id)
    end_all_sessions(db, user_id, now=now)
    author = Author("user", user_id, link.name)
    journal.record(db, author, "password_set", "user", user_id, program_id=None, request_id=request_id, now=now)
    return link.user_id
