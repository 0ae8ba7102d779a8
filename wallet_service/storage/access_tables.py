"""People, what they may, their sessions and one-time links; limits, the journal, and mails."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column, relationship

from wallet_service.storage.base import Base, own_id


class User(Base):
    """A person who signs in. Without a password they were invited and have not come yet.

    `totp_sealed` is the second factor's secret, `totp_offered` one that was shown and not confirmed yet, `totp_step`
    the last time step whose code was used. Recovery codes are kept as digests.
    """

    __tablename__ = "users"

    id: Mapped[int] = own_id()
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    locale: Mapped[str | None]
    password_digest: Mapped[str | None]
    totp_sealed: Mapped[bytes | None]
    totp_offered: Mapped[bytes | None]
    totp_step: Mapped[int | None]
    recovery_digests: Mapped[list[str]] = mapped_column(server_default=sql("'{}'"))
    created_at: Mapped[datetime]
    locked_at: Mapped[datetime | None]
    locked_by: Mapped[str | None]
    """`operator` or `user`: what an operator has locked, no programme's admin unlocks."""
    last_seen_at: Mapped[datetime | None]
    grants: Mapped[list[Grant]] = relationship(order_by="Grant.program_id", passive_deletes=True)

    __table_args__ = (CheckConstraint("email = lower(email)", name="email"),)


class Grant(Base):
    """What a person is in one programme; `store_ids` are empty for roles of the whole programme."""

    __tablename__ = "grants"

    id: Mapped[int] = own_id()
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    role: Mapped[str]
    store_ids: Mapped[list[str]] = mapped_column(server_default=sql("'{}'"))
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("user_id", "program_id"),
        Index("ix_grants_program_id", "program_id"),
        CheckConstraint("role IN ('admin', 'marketing', 'store', 'till', 'technical')", name="role"),
        CheckConstraint("(role IN ('store', 'till')) = (cardinality(store_ids) > 0)", name="stores"),
    )


class UserLink(Base):
    """A one-time link that was sent to a person: an invitation or a new password. Only its digest is kept."""

    __tablename__ = "user_links"

    id: Mapped[int] = own_id()
    token_digest: Mapped[bytes] = mapped_column(unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("kind IN ('invitation', 'reset')", name="kind"),
        Index("ix_user_links_user_id", "user_id"),
        Index("ix_user_links_expires_at", "expires_at"),
    )


class UserSession(Base):
    """A browser in which somebody is signed in. Only the token's digest is kept; a session that has ended stays for a
    while, with the form that was open in it.
    """

    __tablename__ = "sessions"

    id: Mapped[int] = own_id()
    token_digest: Mapped[bytes] = mapped_column(unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    agent: Mapped[str]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    password_entered_at: Mapped[datetime]
    second_factor_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    form: Mapped[dict[str, Any] | None]
    form_kept_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_sessions_user_id", "user_id"), Index("ix_sessions_created_at", "created_at"))


class ThrottleRow(Base):
    """How far one limit is used by one caller: at `full_at` nothing of it is used any more. The key is a keyed digest,
    so nobody's address is at rest here. Not logged: after a crash of the database every limit begins anew.
    """

    __tablename__ = "throttle"
    __table_args__ = {"prefixes": ["UNLOGGED"]}

    key: Mapped[bytes] = mapped_column(primary_key=True)
    full_at: Mapped[datetime]


class JournalEntry(Base):
    """Who did what to what. Append only: the database refuses to change an entry."""

    __tablename__ = "journal"

    id: Mapped[int] = own_id()
    at: Mapped[datetime]
    program_id: Mapped[str | None] = mapped_column(ForeignKey("programs.program_id"))
    actor_kind: Mapped[str]
    actor_id: Mapped[int | None]
    actor_name: Mapped[str]
    action: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[str]
    changes: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    request_id: Mapped[str | None]

    __table_args__ = (
        Index("ix_journal_program_id", "program_id", "id"),
        Index("ix_journal_object", "program_id", "object_kind", "object_id", "id"),
        Index("ix_journal_at", "at"),
    )


class Mail(Base):
    """A mail that is owed to somebody, or was sent. What it said is deleted once it was sent: it may hold a link that
    opens something. The lease of a claim is `next_attempt_at` moved ahead.
    """

    __tablename__ = "mails"

    id: Mapped[int] = own_id()
    to_address: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str | None]
    html: Mapped[str | None]
    locale: Mapped[str]
    message_id: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(server_default=sql("0"))
    sent_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]
    last_answer: Mapped[str | None]

    __table_args__ = (
        Index("ix_mails_due", "next_attempt_at", postgresql_where=sql("sent_at IS NULL AND given_up_at IS NULL")),
        Index("ix_mails_created_at", "created_at"),
    )
