"""Stores, offers, and the walks that bring them to every card."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from wallet_service.storage.base import Base, own_id


class Store(Base):
    """A shop. Texts for people are `{locale: text}`."""

    __tablename__ = "stores"
    __table_args__ = (UniqueConstraint("program_id", "store_id"),)

    id: Mapped[int] = own_id()
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    store_id: Mapped[str]
    name: Mapped[str]
    short_name: Mapped[str | None]
    latitude: Mapped[float]
    longitude: Mapped[float]
    time_zone: Mapped[str]
    address: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    phone: Mapped[str | None]
    opening_hours: Mapped[dict[str, Any] | str] = mapped_column(JSONB, server_default=sql("'{}'"))
    proximity_text: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    beacons: Mapped[list[dict[str, Any]]] = mapped_column(server_default=sql("'[]'"))
    groups: Mapped[list[str]] = mapped_column(server_default=sql("'{}'"))
    version: Mapped[int] = mapped_column(server_default=sql("1"))
    """Rises with every change, so that of two people who edit at once the second is told."""


class StoreImport(Base):
    """A file of stores that somebody brought: read, rehearsed, then applied by a job, `done` rows of `total` so far."""

    __tablename__ = "store_imports"
    __table_args__ = (
        CheckConstraint("state IN ('read', 'applying', 'applied')", name="state"),
        Index("ix_store_imports_created_at", "created_at"),
    )

    id: Mapped[int] = own_id()
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    actor_kind: Mapped[str]
    actor_id: Mapped[int | None]
    actor_name: Mapped[str]
    file_name: Mapped[str]
    content: Mapped[str]
    columns: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    state: Mapped[str] = mapped_column(server_default=sql("'read'"))
    done: Mapped[int] = mapped_column(server_default=sql("0"))
    total: Mapped[int] = mapped_column(server_default=sql("0"))
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    created_at: Mapped[datetime]
    worked_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Offer(Base):
    """What a store or the brand proposes, for a time, to some members, at some places. The span is half-open."""

    __tablename__ = "offers"
    __table_args__ = (
        UniqueConstraint("program_id", "code"),
        CheckConstraint("state IN ('draft', 'published', 'cancelled')", name="state"),
        CheckConstraint("starts_at < ends_at", name="span"),
    )

    id: Mapped[int] = own_id()
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    code: Mapped[str]
    title: Mapped[dict[str, Any]]
    text: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    proximity_text: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    store_ids: Mapped[list[str]] = mapped_column(server_default=sql("'{}'"))
    groups: Mapped[list[str]] = mapped_column(server_default=sql("'{}'"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    target: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    radius_m: Mapped[int | None]
    uses_per_member: Mapped[int | None]
    uses_total: Mapped[int | None]
    priority: Mapped[int] = mapped_column(server_default=sql("0"))
    notify: Mapped[bool] = mapped_column(server_default=sql("false"))
    weekly_hours: Mapped[list[dict[str, Any]]] = mapped_column(server_default=sql("'[]'"))
    only_when_open: Mapped[bool] = mapped_column(server_default=sql("false"))
    state: Mapped[str] = mapped_column(server_default=sql("'draft'"))
    uses: Mapped[int] = mapped_column(server_default=sql("0"))
    """Counted where there is a `uses_total`; all are in `offer_uses`."""
    version: Mapped[int] = mapped_column(server_default=sql("1"))
    """Rises with every change, so that of two people who edit at once the second is told."""


class OfferUse(Base):
    """One use of an offer: a purchase that named its code. A member's order at a store uses an offer once; tills of two
    stores may give the same number. `member_pk` is NULL once the member was erased: the use still counts. `amount` is
    what the order came to, in the currency's minor unit (NULL: from before that was kept), `returned` what of it was
    given back.
    """

    __tablename__ = "offer_uses"
    __table_args__ = (
        CheckConstraint("(amount IS NULL) = (currency IS NULL)", name="amount"),
        Index("ix_offer_uses_member_pk", "member_pk", postgresql_where=sql("member_pk IS NOT NULL")),
        UniqueConstraint("offer_id", "order_id", "store_id", "member_pk"),
    )

    id: Mapped[int] = own_id()
    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"))
    order_id: Mapped[str]
    store_id: Mapped[str] = mapped_column(server_default=sql("''"))
    member_pk: Mapped[int | None] = mapped_column(ForeignKey("members.id", ondelete="SET NULL"))
    at: Mapped[datetime]
    amount: Mapped[int | None]
    currency: Mapped[str | None]
    returned: Mapped[int] = mapped_column(server_default=sql("0"))


class OfferShowing(Base):
    """An offer on a member's card: since when, and what became of its notification. One row for a card and an offer,
    however often the offer pauses and comes back.

    `version` is the card's version since which it is there (NULL: in the transaction that shows it); `gone_at`: when it
    left (NULL: the card carries it). `announced` and `proven`: whether a far end had been told of it, and had got it,
    by then; while it is there the deliveries say. `decision`: `sent`, `held` (by quiet hours, until `held_until`),
    `capped`, `no_consent`, `silent` (the offer does not notify, or no wallet of this card can), `expired` (held until
    it ended), `not_installed`. `notified_at` counts against the cap.
    """

    __tablename__ = "offer_showings"
    __table_args__ = (
        CheckConstraint(
            "decision IN ('sent', 'held', 'capped', 'no_consent', 'silent', 'expired', 'not_installed')",
            name="decision",
        ),
        CheckConstraint("(decision = 'sent') = (notified_at IS NOT NULL)", name="notified_at"),
        Index("ix_offer_showings_card_id", "card_id", "notified_at"),
    )

    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"), primary_key=True)
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int | None]
    first_at: Mapped[datetime]
    gone_at: Mapped[datetime | None]
    announced: Mapped[bool] = mapped_column(server_default=sql("false"))
    proven: Mapped[bool] = mapped_column(server_default=sql("false"))
    decision: Mapped[str]
    decided_at: Mapped[datetime]
    held_until: Mapped[datetime | None]
    notified_at: Mapped[datetime | None]


class OfferCount(Base):
    """What an offer's showings came to when they were last counted, where they are too many to count for each look.
    `decisions`: decision → members.
    """

    __tablename__ = "offer_counts"

    offer_id: Mapped[int] = mapped_column(ForeignKey("offers.id"), primary_key=True)
    counted_at: Mapped[datetime]
    targeted: Mapped[int]
    announced: Mapped[int]
    proven: Mapped[int]
    decisions: Mapped[dict[str, Any]]


class MemberStore(Base):
    """Where a member has bought, when last, and how often. An empty `store_id`: purchases that named no store."""

    __tablename__ = "member_stores"

    member_pk: Mapped[int] = mapped_column(ForeignKey("members.id", ondelete="CASCADE"), primary_key=True)
    store_id: Mapped[str] = mapped_column(primary_key=True)
    last_at: Mapped[datetime]
    purchases: Mapped[int]


class Overlay(Base):
    """Another face over a design for a half-open span. `changes`: its colours and words, as its document says them;
    `template_id`: the design, NULL: whichever the programme's own is.

    `template_version_id`: the design with it on, made anew when either changes.
    """

    __tablename__ = "overlays"
    __table_args__ = (
        UniqueConstraint("program_id", "code"),
        CheckConstraint("state IN ('draft', 'published')", name="state"),
        CheckConstraint("starts_at < ends_at", name="span"),
    )

    id: Mapped[int] = own_id()
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    code: Mapped[str]
    title: Mapped[str]
    template_id: Mapped[str | None]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    priority: Mapped[int]
    changes: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default=sql("'draft'"))
    template_version_id: Mapped[int] = mapped_column(ForeignKey("template_versions.id"))
    version: Mapped[int] = mapped_column(server_default=sql("1"))


class OverlayImage(Base):
    """A picture of an overlay, PNG, instead of the design's of that name."""

    __tablename__ = "overlay_images"

    overlay_id: Mapped[int] = mapped_column(ForeignKey("overlays.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    png: Mapped[bytes]


class Campaign(Base):
    """A walk over a programme's cards that asks each to be composed again; `cursor` is the last card id it has
    passed, `walked_at` when it took its last step. `reissue`: what is installed on iPhones gets a new version in any
    case, for it is to be signed anew.
    """

    __tablename__ = "campaigns"

    id: Mapped[int] = own_id()
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    reason: Mapped[str]
    reissue: Mapped[bool] = mapped_column(server_default=sql("false"))
    cursor: Mapped[int] = mapped_column(server_default=sql("0"))
    created_at: Mapped[datetime]
    walked_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
