"""What access keeps no longer than it has to: ended sessions, old links, whole limits, old journal entries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.access.journal import forget_journal
from wallet_service.access.throttle import forget_throttle
from wallet_service.storage.tables import UserLink, UserSession

_SESSIONS_KEPT = timedelta(days=1)
_LINKS_KEPT = timedelta(days=30)


def forget_access(
    sessions: sessionmaker[Session],
    *,
    journal_kept: timedelta,
    now: datetime,
    stopping: Callable[[], bool] = lambda: False,
) -> dict[str, int]:
    """Delete what is older than it is kept for; returns the rows deleted of each table."""
    with sessions.begin() as db:
        ended = db.execute(delete(UserSession).where(UserSession.created_at < now - _SESSIONS_KEPT))
        links = db.execute(delete(UserLink).where(UserLink.expires_at < now - _LINKS_KEPT))
    return {
        "sessions": ended.rowcount,  # type: ignore[attr-defined]
        "user_links": links.rowcount,  # type: ignore[attr-defined]
        "throttle": forget_throttle(sessions, now=now, stopping=stopping),
        "journal": forget_journal(sessions, before=now - journal_kept, stopping=stopping),
    }
