"""A programme that keeps its own points, on a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.cards.members import lock_member, put_member
from wallet_service.documents.members import MemberDocument
from wallet_service.documents.programs import ProgramDocument
from wallet_service.loyalty.ledger.audit import Audit, audit_program
from wallet_service.loyalty.ledger.books import Book, open_book
from wallet_service.loyalty.ledger.orders import OrderName, Refund, Result, book_adjustment, book_order, book_refund
from wallet_service.storage.engine import Database
from wallet_service.storage.tables import Member, Program, TemplateVersion
from wallet_service.values import Money

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
TILL = "till-3"


@dataclass
class Brand:
    """A programme's points, each call a transaction of its own."""

    sessions: sessionmaker[Session]
    program: ProgramDocument

    @contextmanager
    def member(self, member_id: str = "M-1") -> Iterator[tuple[Session, Member]]:
        """A locked member, made if need be."""
        with self.sessions.begin() as db:
            if not db.scalar(text("SELECT TRUE FROM members WHERE member_id = :id"), {"id": member_id}):
                put_member(db, self.program, member_id, MemberDocument(), now=NOW)
            yield db, lock_member(db, self.program.id, member_id)

    @contextmanager
    def book(self, now: datetime = NOW, member_id: str = "M-1") -> Iterator[Book]:
        """The member's account."""
        with self.member(member_id) as (db, member):
            yield open_book(db, member, now=now)

    def buys(self, order_id: str, cents: int, *, now: datetime = NOW, member_id: str = "M-1") -> Result:
        """A purchase."""
        order = OrderName(source=TILL, order_id=order_id)
        with self.member(member_id) as (db, member):
            return book_order(db, self.program, member, order, Money(amount=cents, currency="EUR"), at=now, now=now)

    def refunds(
        self, refund_id: str, order_id: str, cents: int, *, now: datetime = NOW, currency: str = "EUR", to: str = "M-1"
    ) -> Result:
        """A part of a purchase is paid back."""
        refund = Refund(
            key=f"reverse:{TILL}:{refund_id}",
            order=OrderName(source=TILL, order_id=order_id),
            refunded=Money(amount=cents, currency=currency),
            reason=None,
            actor="test",
        )
        with self.member(to) as (db, member):
            return book_refund(db, self.program, member, refund, now=now)

    def adjusts(self, key: str, points: int, *, reason: str = "goodwill", now: datetime = NOW) -> Result:
        """Somebody corrects the points."""
        with self.member() as (db, member):
            return book_adjustment(db, self.program, member, points, key=key, reason=reason, actor="operator", now=now)

    def state(self, member_id: str = "M-1") -> tuple[int, int, int, int]:
        """Available, pending, owed, and what the card shows."""
        (row,) = self.rows(
            "SELECT a.available, a.pending, a.debt, b.points FROM ledger_accounts a"
            " JOIN members m ON m.id = a.member_pk JOIN balances b ON b.member_pk = m.id WHERE m.member_id = :member",
            member=member_id,
        )
        return row["available"], row["pending"], row["debt"], row["points"]

    def rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        """What the database says."""
        with self.sessions() as db:
            return [dict(row) for row in db.execute(text(query), values).mappings()]

    def audit(self, now: datetime = NOW) -> Audit:
        """What the audit finds."""
        return audit_program(self.sessions, self.program.id, now=now)


MakeBrand = Callable[..., Brand]


@pytest.fixture
def make_brand(new_database: Callable[[], Database]) -> Iterator[MakeBrand]:
    """Makes programmes with rules of the test's own."""
    databases = []

    def make(**rules: Any) -> Brand:
        database = new_database()
        databases.append(database)
        sessions = sessionmaker(database.engine, expire_on_commit=False)
        document = program_of(rules)
        with sessions.begin() as db:
            version = TemplateVersion(template_id="points-card", digest="d", archive=b"", created_at=NOW)
            db.add(version)
            db.flush()
            db.add(
                Program(
                    program_id=document.id,
                    name=document.name,
                    document=document.model_dump(mode="json", exclude_none=True),
                    template_version_id=version.id,
                    updated_at=NOW,
                )
            )
        return Brand(sessions, document)

    yield make
    for database in databases:
        database.close()


def program_of(rules: Mapping[str, Any]) -> ProgramDocument:
    """A programme with those rules."""
    return ProgramDocument.model_validate(
        {
            "id": "lumiere",
            "name": "Cercle Lumière",
            "brand": "Maison Lumière",
            "locales": ["fr"],
            "time_zone": "Europe/Paris",
            "master": "builtin",
            "template": "points-card",
            "rules": rules,
        }
    )
