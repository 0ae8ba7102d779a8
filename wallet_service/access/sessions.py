"""Sessions of the console: opaque tokens in a cookie, rows in the database that can be listed and ended at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import orjson
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from wallet_service.access.roles import SHORT_IDLE_ROLES, Actor, Role
from wallet_service.access.tokens import digest_of, new_token
from wallet_service.storage.tables import UserSession

IDLE_SHORT = timedelta(minutes=60)
IDLE_LONG = timedelta(hours=12)
LONGEST = timedelta(hours=12)
PASSWORD_IS_FRESH_FOR = timedelta(minutes=15)
FORM_KEPT_FOR = timedelta(minutes=30)
LARGEST_FORM = 64 * 1024
_NOTED_EVERY = timedelta(seconds=30)
"""How exactly `seen_at` is kept: a row that every request of a page wrote would make them wait for each other."""
_LONGEST_AGENT = 200
_NOT_KEPT = ("password", "one_time_code")

SecondFactorStep = Literal["none", "enter", "set_up"]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A live session, its person, and what they are in each programme."""

    session_id: int
    user_id: int
    email: str
    name: str
    locale: str | None
    has_second_factor: bool
    created_at: datetime
    seen_at: datetime
    password_entered_at: datetime
    second_factor_at: datetime | None
    actors: Mapping[str, Actor]

    @property
    def ends_at(self) -> datetime:
        """When the session ends if nothing more comes."""
        short = any(actor.role in SHORT_IDLE_ROLES for actor in self.actors.values())
        return min(self.created_at + LONGEST, self.seen_at + (IDLE_SHORT if short else IDLE_LONG))

    def actor_in(self, program_id: str) -> Actor | None:
        """This person at work in a programme; None if they have no role there."""
        return self.actors.get(program_id)

    def password_is_fresh(self, now: datetime) -> bool:
        """Whether the password was entered a short while ago, as some acts need."""
        return now < self.password_entered_at + PASSWORD_IS_FRESH_FOR

    def second_factor_step(self, rule: Literal["off", "offered", "required"]) -> SecondFactorStep:
        """What is still missing before this session may be used: a code, or a second factor at all."""
        if rule == "off" or self.second_factor_at is not None:
            return "none"
        if self.has_second_factor:
            return "enter"
        must = any(actor.role in SHORT_IDLE_ROLES for actor in self.actors.values())
        return "set_up" if rule == "required" and must else "none"


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session in the list that a person sees of their own."""

    id: int
    agent: str
    created_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class KeptForm:
    """What was typed into a form whose session ended: the page's own path, and each field's values."""

    path: str
    fields: Mapping[str, Sequence[str]]


_IS_LIVE = """
s.ended_at IS NULL AND u.locked_at IS NULL AND s.created_at > CAST(:now AS timestamptz) - :longest
AND s.seen_at > CAST(:now AS timestamptz) - CASE
    WHEN EXISTS (SELECT FROM grants g WHERE g.user_id = u.id AND g.role = ANY(:short_roles))
    THEN CAST(:short AS interval) ELSE CAST(:long AS interval)
END
AND EXISTS (SELECT FROM grants g WHERE g.user_id = u.id)
"""
_LOOK = text(f"""
WITH live AS (
    SELECT s.id, s.user_id, u.email, u.name, u.locale, u.totp_sealed IS NOT NULL AS has_second_factor, s.created_at,
           s.seen_at, s.password_entered_at, s.second_factor_at
    FROM sessions s JOIN users u ON u.id = s.user_id
    WHERE s.token_digest = :digest AND {_IS_LIVE}
), noted AS (
    UPDATE sessions SET seen_at = :now WHERE id = (
        SELECT s.id FROM sessions s JOIN live ON live.id = s.id
        WHERE :prolong AND s.seen_at <= CAST(:now AS timestamptz) - :noted_every
        FOR NO KEY UPDATE OF s SKIP LOCKED
    ) RETURNING user_id
), seen AS (
    UPDATE users SET last_seen_at = :now WHERE id = (
        SELECT u.id FROM users u JOIN noted ON noted.user_id = u.id FOR NO KEY UPDATE OF u SKIP LOCKED
    )
)
SELECT live.*, EXISTS (SELECT FROM noted) AS is_noted, (
    SELECT jsonb_agg(jsonb_build_object('program_id', g.program_id, 'role', g.role, 'store_ids', g.store_ids))
    FROM grants g WHERE g.user_id = live.user_id
) AS grants
FROM live
""")  # noqa: S608 texts of this module
_LIMITS: dict[str, Any] = {
    "longest": LONGEST,
    "short": IDLE_SHORT,
    "long": IDLE_LONG,
    "short_roles": sorted(SHORT_IDLE_ROLES),
}


def look_at_session(db: Session, token: str, *, now: datetime, prolong: bool = True) -> SignedIn | None:
    """The live session of a token, in one statement; None if it has ended, for whatever reason.

    Roles, locks and ends are read anew at each call, so a grant that was removed is gone at the next request.

    Args:
        prolong: False for what a page asks by itself, so that an open page does not keep a session alive.
    """
    values = _LIMITS | {"digest": digest_of(token), "now": now, "prolong": prolong, "noted_every": _NOTED_EVERY}
    row = db.execute(_LOOK, values).one_or_none()
    if row is None:
        return None
    actors = {
        grant["program_id"]: Actor.of_role(
            "user", row.user_id, grant["program_id"], Role(grant["role"]), grant["store_ids"], row.name
        )
        for grant in row.grants
    }
    return SignedIn(
        session_id=row.id,
        user_id=row.user_id,
        email=row.email,
        name=row.name,
        locale=row.locale,
        has_second_factor=row.has_second_factor,
        created_at=row.created_at,
        seen_at=now if row.is_noted else row.seen_at,
        password_entered_at=row.password_entered_at,
        second_factor_at=row.second_factor_at,
        actors=actors,
    )


def open_session(db: Session, user_id: int, *, agent: str, former_token: str | None = None, now: datetime) -> str:
    """Begin a session for somebody who has just entered their password; returns its token, once.

    Args:
        agent: what the browser calls itself, for the list of sessions.
        former_token: the cookie that the browser still had. That session ends, and a form that was kept in it comes
            along if it was the same person's.
    """
    token = new_token()
    begun = UserSession(
        token_digest=digest_of(token),
        user_id=user_id,
        agent=agent[:_LONGEST_AGENT],
        created_at=now,
        seen_at=now,
        password_entered_at=now,
    )
    if former_token is not None:
        query = select(UserSession).where(UserSession.token_digest == digest_of(former_token)).with_for_update()
        former = db.scalar(query)
        if former is not None and former.user_id == user_id:
            begun.form, begun.form_kept_at = former.form, former.form_kept_at
        if former is not None:
            former.form, former.ended_at = None, former.ended_at or now
    db.add(begun)
    db.flush()
    return token


def renew_after_password(db: Session, session_id: int, *, now: datetime) -> str:
    """The password was entered again: the same session under a new token, which is returned."""
    return _renew(db, session_id, {"password_entered_at": now})


def renew_after_second_factor(db: Session, session_id: int, *, now: datetime) -> str:
    """The second factor was shown: the same session under a new token, which is returned."""
    return _renew(db, session_id, {"second_factor_at": now})


def _renew(db: Session, session_id: int, values: dict[str, Any]) -> str:
    token = new_token()
    db.execute(update(UserSession).where(UserSession.id == session_id).values(token_digest=digest_of(token), **values))
    return token


_SESSIONS_OF = text(f"""
SELECT s.id, s.agent, s.created_at, s.seen_at FROM sessions s JOIN users u ON u.id = s.user_id
WHERE u.id = :user_id AND {_IS_LIVE} ORDER BY s.seen_at DESC, s.id DESC
""")  # noqa: S608 texts of this module


def sessions_of(db: Session, user_id: int, *, now: datetime) -> list[OpenSession]:
    """A person's live sessions, the one that was used last first."""
    rows = db.execute(_SESSIONS_OF, _LIMITS | {"user_id": user_id, "now": now})
    return [OpenSession(*row) for row in rows]


def end_session(db: Session, session_id: int, *, user_id: int, now: datetime) -> None:
    """End one session of this person."""
    _end(db, UserSession.id == session_id, UserSession.user_id == user_id, now=now)


def end_other_sessions(db: Session, session_id: int, *, user_id: int, now: datetime) -> None:
    """End every session of this person but one."""
    _end(db, UserSession.id != session_id, UserSession.user_id == user_id, now=now)


def end_all_sessions(db: Session, user_id: int, *, now: datetime) -> None:
    """End every session of this person."""
    _end(db, UserSession.user_id == user_id, now=now)


def _end(db: Session, *which: Any, now: datetime) -> None:
    ending = update(UserSession).where(*which, UserSession.ended_at.is_(None)).values(ended_at=now, form=None)
    db.execute(ending.execution_options(synchronize_session=False))


_KEEP_FORM = text("""
UPDATE sessions s SET form = CAST(:form AS jsonb), form_kept_at = :now FROM users u
WHERE s.token_digest = :digest AND u.id = s.user_id AND s.ended_at IS NULL AND u.locked_at IS NULL RETURNING s.id
""")
_TAKE_FORM = text("""
UPDATE sessions s SET form = NULL, form_kept_at = NULL FROM (SELECT id, form, form_kept_at FROM sessions
WHERE id = :id AND form IS NOT NULL FOR UPDATE) was WHERE s.id = was.id RETURNING was.form, was.form_kept_at
""")


def keep_form(db: Session, token: str, path: str, fields: Mapping[str, Sequence[str]], *, now: datetime) -> bool:
    """Keep what was typed into a form whose session had run out meanwhile, for the person to find after signing in.

    Passwords and codes are left out. Returns False, and keeps nothing, if the form is too large, the path is not one of
    this site, or the session was ended on purpose.
    """
    kept = {name: list(values) for name, values in fields.items() if not any(word in name for word in _NOT_KEPT)}
    form = orjson.dumps({"path": path, "fields": kept}).decode()
    if (
        len(form) > LARGEST_FORM
        or not path.startswith("/")
        or path.startswith("//")
        or "\\" in path
        or "\\u0000" in form
    ):
        return False
    return db.execute(_KEEP_FORM, {"form": form, "digest": digest_of(token), "now": now}).one_or_none() is not None


def take_form(db: Session, session_id: int, *, now: datetime) -> KeptForm | None:
    """What was kept in this session, once; None if there is nothing or it is too old."""
    row = db.execute(_TAKE_FORM, {"id": session_id}).one_or_none()
    if row is None or now >= row.form_kept_at + FORM_KEPT_FOR:
        return None
    return KeptForm(row.form["path"], row.form["fields"])
