"""A migrated database with two programmes and their stores, and what access works with; no server, no phones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.access.passwords import Passwords
from wallet_service.access.roles import OPERATOR
from wallet_service.access.sessions import open_session
from wallet_service.access.signing_in import SignIn
from wallet_service.access.users import invite, set_password
from wallet_service.storage.encryption import KeyedDigester, Sealer
from wallet_service.storage.engine import Database
from wallet_service.storage.tables import Program, Store, TemplateVersion

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
SECRET = "a secret for tests only, long enough to be one"
PASSWORD = "quatre mots bien choisis"


@dataclass(frozen=True)
class Access:
    """The database, and the usual collaborators."""

    database: Database
    sessions: sessionmaker[Session]
    passwords: Passwords = field(default_factory=Passwords.for_tests)
    digester: KeyedDigester = field(default_factory=lambda: KeyedDigester(SECRET, "throttle"))
    sealer: Sealer = field(default_factory=lambda: Sealer(SECRET))

    @property
    def sign_in(self) -> SignIn:
        """Signing in with these collaborators."""
        return SignIn(self.sessions, self.passwords, self.digester, self.sealer)

    def person(self, email: str = "lea@example.com", role: str = "marketing", **more: Any) -> int:
        """Somebody with a role and a password; returns their number."""
        values: dict[str, Any] = {"name": "Léa Martin", "program_id": "lumiere", "now": NOW} | more
        with self.sessions.begin() as db:
            user_id = invite(db, OPERATOR, email=email, role=role, **values).user_id
            set_password(db, OPERATOR, self.passwords, user_id, PASSWORD, now=NOW)
        return user_id

    def signed_in(self, user_id: int, now: datetime = NOW) -> str:
        """A session of theirs; returns its token."""
        with self.sessions.begin() as db:
            return open_session(db, user_id, agent="Firefox", now=now)

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        """What the database says."""
        with self.sessions() as db:
            return [dict(row) for row in db.execute(text(query), values).mappings()]


@pytest.fixture
def access(new_database: Callable[[], Database]) -> Iterator[Access]:
    """An installation with the programmes `lumiere` (stores lyon, paris) and `other` (store nice)."""
    database = new_database()
    sessions = sessionmaker(database.engine, expire_on_commit=False)
    with sessions.begin() as db:
        template = TemplateVersion(template_id="points-card", digest="d", archive=b"", created_at=NOW)
        db.add(template)
        db.flush()
        for program_id, stores in (("lumiere", ("lyon", "paris")), ("other", ("nice",))):
            values = {"name": program_id, "document": {}, "template_version_id": template.id, "updated_at": NOW}
            db.add(Program(program_id=program_id, **values))
            db.flush()
            for store_id in stores:
                place = {"latitude": 45.75, "longitude": 4.85, "time_zone": "Europe/Paris"}
                db.add(Store(program_id=program_id, store_id=store_id, name=store_id, **place))
    yield Access(database, sessions)
    database.close()
