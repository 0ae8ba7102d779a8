"""The tables of Google's records: objects, classes, messages, notifications, the shared rate."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from wallet_service.storage.base import Base, own_id


class GoogleObject(Base):
    """A card's object at Google. `saved_at` and `removed_at` are what is known of its holder.

    `told_digest` is of the last body that Google took (NULL: the object does not exist there), `told_fields` the texts
    of the fields that can have news, as they were then. `confirm_at`: from then on Google is to be asked whether
    somebody holds it, because a callback said that it was removed. `linked_ids` only ever grows: links are for life.
    `totp_secret` is sealed.
    """

    __tablename__ = "google_objects"

    id: Mapped[int] = own_id()
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id", ondelete="CASCADE"), unique=True)
    object_id: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    saved_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    told_digest: Mapped[str | None]
    told_fields: Mapped[dict[str, Any] | None]
    confirm_at: Mapped[datetime | None]
    linked_ids: Mapped[list[str]] = mapped_column(server_default=sql("'{}'"))
    totp_secret: Mapped[bytes | None]

    __table_args__ = (
        Index("ix_google_objects_confirm_at", "confirm_at", postgresql_where=sql("confirm_at IS NOT NULL")),
    )


class GoogleClass(Base):
    """A class at Google as this installation left it: one for each design, and for each tier where the design says so.

    `variant` is the tier's name or empty.
    """

    __tablename__ = "google_classes"

    class_id: Mapped[str] = mapped_column(primary_key=True)
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    kind: Mapped[str]
    variant: Mapped[str] = mapped_column(server_default=sql("''"))
    told_digest: Mapped[str]
    told_at: Mapped[datetime]


class GoogleNotification(Base):
    """A notification, or one that was withheld: every change or message that could have notified, and whether it did.

    `how`: `asked` (the call is on its way), `notified`, `silent` (the budget said no), `refused` (Google's quota did).
    One row is of an object, or of a class and so of every holder. `reference` is a version or a message's id.
    """

    __tablename__ = "google_notifications"

    id: Mapped[int] = own_id()
    google_object_id: Mapped[int | None] = mapped_column(ForeignKey("google_objects.id", ondelete="CASCADE"))
    class_id: Mapped[str | None]
    kind: Mapped[str]
    topic: Mapped[str]
    reference: Mapped[str]
    how: Mapped[str]
    at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("(google_object_id IS NULL) <> (class_id IS NULL)", name="one_far_end"),
        CheckConstraint("kind IN ('field', 'message')", name="kind"),
        CheckConstraint("how IN ('asked', 'notified', 'silent', 'refused')", name="how"),
        Index("uq_google_notifications_object", "google_object_id", "kind", "reference", unique=True),
        Index("uq_google_notifications_class", "class_id", "kind", "reference", unique=True),
        Index("ix_google_notifications_at", "at"),
    )


class GoogleMessage(Base):
    """A message for one object or for every object of a class, until Google has it and until it is over.

    `body` is Google's Message without its type. `attempted_at`: a call was begun; the next looks first whether it
    arrived. `removed_at`: it was taken away again, to make place or because it is over.
    """

    __tablename__ = "google_messages"

    id: Mapped[int] = own_id()
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    google_object_id: Mapped[int | None] = mapped_column(ForeignKey("google_objects.id", ondelete="CASCADE"))
    class_id: Mapped[str | None]
    message_id: Mapped[str]
    topic: Mapped[str]
    body: Mapped[dict[str, Any]]
    notify: Mapped[bool]
    created_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime]
    attempted_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    how: Mapped[str | None]
    removed_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("(google_object_id IS NULL) <> (class_id IS NULL)", name="one_far_end"),
        Index("uq_google_messages_object", "google_object_id", "message_id", unique=True),
        Index("uq_google_messages_class", "class_id", "message_id", unique=True),
        Index(
            "ix_google_messages_open",
            "program_id",
            "next_attempt_at",
            postgresql_where=sql("sent_at IS NULL AND removed_at IS NULL"),
        ),
        Index(
            "ix_google_messages_ends_at",
            "program_id",
            "ends_at",
            postgresql_where=sql("sent_at IS NOT NULL AND removed_at IS NULL"),
        ),
    )


class GoogleRate(Base):
    """The next free moment for a call to one issuer, shared by all processes; slower for a while after trouble."""

    __tablename__ = "google_rates"

    issuer_id: Mapped[str] = mapped_column(primary_key=True)
    next_at: Mapped[datetime]
    slowed_to: Mapped[float | None]
    slowed_at: Mapped[datetime | None]


class GoogleCallback(Base):
    """The nonces of callbacks already acted upon; repeats change nothing."""

    __tablename__ = "google_callbacks"

    nonce: Mapped[str] = mapped_column(primary_key=True)
    received_at: Mapped[datetime]
