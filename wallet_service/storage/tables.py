"""The tables. Instants are UTC; versions are change numbers of the card's programme (see `change_number`)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, func
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column, relationship

from wallet_service.storage.access_tables import Grant as Grant
from wallet_service.storage.access_tables import JournalEntry as JournalEntry
from wallet_service.storage.access_tables import Mail as Mail
from wallet_service.storage.access_tables import ThrottleRow as ThrottleRow
from wallet_service.storage.access_tables import User as User
from wallet_service.storage.access_tables import UserLink as UserLink
from wallet_service.storage.access_tables import UserSession as UserSession
from wallet_service.storage.apple_tables import GoneRegistration as GoneRegistration
from wallet_service.storage.base import Base as Base
from wallet_service.storage.base import own_id
from wallet_service.storage.channel_tables import StoppedChannel as StoppedChannel
from wallet_service.storage.google_tables import GoogleCallback as GoogleCallback
from wallet_service.storage.google_tables import GoogleClass as GoogleClass
from wallet_service.storage.google_tables import GoogleMessage as GoogleMessage
from wallet_service.storage.google_tables import GoogleNotification as GoogleNotification
from wallet_service.storage.google_tables import GoogleObject as GoogleObject
from wallet_service.storage.google_tables import GoogleRate as GoogleRate
from wallet_service.storage.ledger_tables import LedgerAccount as LedgerAccount
from wallet_service.storage.ledger_tables import LedgerEntry as LedgerEntry
from wallet_service.storage.ledger_tables import LedgerLot as LedgerLot
from wallet_service.storage.ledger_tables import LedgerOrder as LedgerOrder
from wallet_service.storage.ledger_tables import LedgerParkedRefund as LedgerParkedRefund
from wallet_service.storage.ledger_tables import LedgerReservation as LedgerReservation
from wallet_service.storage.ledger_tables import LedgerTransaction as LedgerTransaction
from wallet_service.storage.offer_tables import Campaign as Campaign
from wallet_service.storage.offer_tables import MemberStore as MemberStore
from wallet_service.storage.offer_tables import Offer as Offer
from wallet_service.storage.offer_tables import OfferCount as OfferCount
from wallet_service.storage.offer_tables import OfferShowing as OfferShowing
from wallet_service.storage.offer_tables import OfferUse as OfferUse
from wallet_service.storage.offer_tables import Overlay as Overlay
from wallet_service.storage.offer_tables import OverlayImage as OverlayImage
from wallet_service.storage.offer_tables import Store as Store
from wallet_service.storage.offer_tables import StoreImport as StoreImport


class Program(Base):
    """A brand's programme. `document` is the applied TOML, normalised, without secrets."""

    __tablename__ = "programs"

    program_id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    document: Mapped[dict[str, Any]]
    pass_type_id: Mapped[str | None] = mapped_column(unique=True)
    template_version_id: Mapped[int] = mapped_column(ForeignKey("template_versions.id"))
    linked_versions: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    """The version of each design that linked passes wear, by its name; a name that the document drops stays."""
    overlays: Mapped[list[dict[str, Any]]] = mapped_column(server_default=sql("'[]'"))
    """What of the published `overlays` composing needs, as `cards.overlays.Overlay` writes it."""
    places_revision: Mapped[int] = mapped_column(server_default=sql("0"))
    """Rises with every write to a store or an offer, so that each process knows when its picture of them is old."""
    updated_at: Mapped[datetime]


class ChangeCounter(Base):
    """One row per programme, and so per pass type: the last change number that was given out."""

    __tablename__ = "change_counters"

    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"), primary_key=True)
    last: Mapped[int] = mapped_column(server_default=sql("0"))


class ProgramSecret(Base):
    """Key material of a programme, sealed with the installation's secret: `google` (account)."""

    __tablename__ = "program_secrets"

    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    sealed: Mapped[bytes]
    digest: Mapped[str]
    expires_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]


class AppleIdentity(Base):
    """A pass type certificate with its key, sealed. A programme may hold several: of those in their time the one that
    began last signs, so that a renewal needs no hour of its own, and those before it are kept. Of the kind `token` the
    key is in a PKCS#11 token, and its address is sealed: these sign before all others, and cannot sign in to APNs.
    `reissued_at`: when installed passes were last sent anew for it.
    """

    __tablename__ = "apple_identities"
    __table_args__ = (
        UniqueConstraint("program_id", "digest"),
        CheckConstraint("kind IN ('sealed', 'token')", name="kind"),
    )

    id: Mapped[int] = own_id()
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    digest: Mapped[str]
    sealed: Mapped[bytes]
    not_before: Mapped[datetime]
    not_after: Mapped[datetime]
    imported_at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(server_default=sql("'sealed'"))
    reissued_at: Mapped[datetime | None]


class TemplateVersion(Base):
    """A card design as it was when applied, whole, so that every machine composes with the same bytes."""

    __tablename__ = "template_versions"

    id: Mapped[int] = own_id()
    template_id: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    archive: Mapped[bytes]
    created_at: Mapped[datetime]


class ApiKey(Base):
    """A key of the JSON API. Only its SHA-256 is kept: 256 random bits need no slow hash."""

    __tablename__ = "api_keys"

    id: Mapped[int] = own_id()
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    name: Mapped[str]
    key_digest: Mapped[str] = mapped_column(unique=True)
    shown_prefix: Mapped[str]
    role: Mapped[str]
    scopes: Mapped[list[str]]
    store_id: Mapped[str | None]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class Member(Base):
    """A customer in a programme, by the CRM's own id.

    `said_at`: when each field was last written, by the CRM's clock, in microseconds since 1970. `erased_at`: nobody
    any more; the row keeps a void card until the phones have it (see `cards.erasure`).
    """

    __tablename__ = "members"
    __table_args__ = (UniqueConstraint("program_id", "member_id"),)

    id: Mapped[int] = own_id()
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    member_id: Mapped[str]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    email: Mapped[str | None]
    phone: Mapped[str | None]
    locale: Mapped[str | None]
    birthday: Mapped[date | None]
    card_number: Mapped[str]
    favourite_store_id: Mapped[str | None]
    home_latitude: Mapped[float | None]
    home_longitude: Mapped[float | None]
    consents: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    attributes: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    said_at: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    erased_at: Mapped[datetime | None]
    balance: Mapped[Balance] = relationship(back_populates="member", passive_deletes=True)
    cards: Mapped[list[Card]] = relationship(back_populates="member", passive_deletes=True, order_by="Card.id")

    @property
    def card(self) -> Card | None:
        """The member's own card, beside which the others are linked."""
        return next((card for card in self.cards if card.linked_to is None), None)


Index("uq_members_card_number", Member.program_id, Member.card_number, unique=True)
Index("ix_members_erased_at", Member.erased_at, postgresql_where=Member.erased_at.is_not(None))


class Balance(Base):
    """What the member has earned, with the CRM's own order (`sequence` or `as_of`) of the last word that counted."""

    __tablename__ = "balances"

    member_pk: Mapped[int] = mapped_column(ForeignKey("members.id", ondelete="CASCADE"), primary_key=True)
    sequence: Mapped[int | None]
    as_of: Mapped[datetime | None]
    points: Mapped[int | None]
    tier: Mapped[str | None]
    tier_points: Mapped[int | None]
    stamps: Mapped[int | None]
    cashback: Mapped[dict[str, Any] | None]
    vouchers: Mapped[list[dict[str, Any]]] = mapped_column(server_default=sql("'[]'"))
    badges: Mapped[list[str]] = mapped_column(server_default=sql("'{}'"))
    lines: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    member: Mapped[Member] = relationship(back_populates="balance")


class Card(Base):
    """A member's card, or a pass linked to it, and what of it was last published.

    `content` is the `CardContent` that every wallet shows at `version`. `modified_at` is whole seconds and rises
    strictly. `held_version` is what the next phone to register is believed to hold; NULL: not known. `copied`: a phone
    that is not registered any more may still have it, and come for it (see `wallets.apple.devices`). A linked pass has
    `linked_to`, the caller's `linked_key`, the name of its design, and what was said of it (`LinkedFacts`). `offers`:
    the numbers of the offers that the card carries, each with what became of its notification: `sent`, or the title
    that the face announced (`news`), an instant until which it is held, or nothing more to do (empty).
    """

    __tablename__ = "cards"

    id: Mapped[int] = own_id()
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    member_pk: Mapped[int] = mapped_column(ForeignKey("members.id", ondelete="CASCADE"))
    linked_to: Mapped[int | None] = mapped_column(ForeignKey("cards.id", ondelete="CASCADE"))
    linked_key: Mapped[str] = mapped_column(server_default=sql("''"))
    linked_template: Mapped[str | None]
    linked_facts: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    serial_number: Mapped[str] = mapped_column(unique=True)
    auth_token: Mapped[str]
    link_token: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(server_default=sql("'active'"))
    issued_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(server_default=sql("0"))
    digest: Mapped[str] = mapped_column(server_default=sql("''"))
    content: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    template_version_id: Mapped[int] = mapped_column(ForeignKey("template_versions.id"))
    published_at: Mapped[datetime | None]
    modified_at: Mapped[datetime | None]
    recompose_at: Mapped[datetime | None]
    offers: Mapped[dict[str, Any]] = mapped_column(server_default=sql("'{}'"))
    held_version: Mapped[int | None]
    copied: Mapped[bool] = mapped_column(server_default=sql("false"))
    fetched_version: Mapped[int] = mapped_column(server_default=sql("0"))
    fetched_at: Mapped[datetime | None]
    member: Mapped[Member] = relationship(back_populates="cards")
    program: Mapped[Program] = relationship()
    template_version: Mapped[TemplateVersion] = relationship()

    __table_args__ = (
        UniqueConstraint("member_pk", "linked_key"),
        CheckConstraint("state IN ('active', 'void')", name="state"),
        CheckConstraint(
            "(linked_to IS NULL) = (linked_key = '') AND (linked_to IS NULL) = (linked_template IS NULL)", name="linked"
        ),
        Index("ix_cards_linked_to", "linked_to", postgresql_where=sql("linked_to IS NOT NULL")),
        Index("ix_cards_due", "program_id", "recompose_at", postgresql_where=sql("recompose_at IS NOT NULL")),
        Index("ix_cards_program_id", "program_id", "id"),
    )


class Device(Base):
    """An Apple device, for one pass type: it has one push token per topic. Ids are disposable (spec 4.9).
    `reminded_at`: when it was told again because it had not come; the last few, newest first.
    """

    __tablename__ = "devices"
    __table_args__ = (UniqueConstraint("device_library_id", "program_id"),)

    id: Mapped[int] = own_id()
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    device_library_id: Mapped[str]
    push_token: Mapped[str]
    reminded_at: Mapped[list[datetime]] = mapped_column(server_default=sql("'{}'"))
    updated_at: Mapped[datetime]


class Registration(Base):
    """One pass on one Apple device, with what that device has asked for and got."""

    __tablename__ = "registrations"
    __table_args__ = (UniqueConstraint("device_id", "card_id"), Index("ix_registrations_card_id", "card_id"))

    id: Mapped[int] = own_id()
    device_id: Mapped[int] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"))
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id", ondelete="CASCADE"))
    registered_at: Mapped[datetime]
    listed_version: Mapped[int] = mapped_column(server_default=sql("0"))
    listed_at: Mapped[datetime | None]
    fetched_version: Mapped[int] = mapped_column(server_default=sql("0"))
    fetched_at: Mapped[datetime | None]
    device: Mapped[Device] = relationship()


class DeviceReport(Base):
    """What phones wrote to the log endpoint about one card, repeats counted. `task`: register, unregister, list, fetch
    or other. Ids and addresses that the phone wrote are not kept.
    """

    __tablename__ = "device_reports"
    __table_args__ = (UniqueConstraint("card_id", "task", "error"),)

    id: Mapped[int] = own_id()
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id", ondelete="CASCADE"))
    task: Mapped[str]
    error: Mapped[str]
    times: Mapped[int] = mapped_column(server_default=sql("1"))
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class Delivery(Base):
    """One card at one far end: what it should know and what it has been told. The gap between the two is the queue.

    The lease of a claim is `next_attempt_at` moved ahead; a row that waits for a person has `parked` set to the reason.
    `urgency` 0 goes before 1 (campaigns). `told_at` is the last telling; `first_told_at` and `first_answer` are the
    first one of the wanted version, which reminders leave alone. `announced_at`: when it was told, the last few, newest
    first; `again_at`: told, and told again then unless the phone has come; `repeats` counts those of one change,
    `missed` those since the phone last came, and `stale_at` says when we stopped. `reminder_number`: the change number
    under which a phone that has not come is listed its card again, for it may hold the tag of `wanted_version` already.
    """

    __tablename__ = "deliveries"

    id: Mapped[int] = own_id()
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id", ondelete="CASCADE"))
    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"))
    kind: Mapped[str]
    registration_id: Mapped[int | None] = mapped_column(ForeignKey("registrations.id", ondelete="CASCADE"), unique=True)
    google_object_id: Mapped[int | None] = mapped_column(
        ForeignKey("google_objects.id", ondelete="CASCADE"), unique=True
    )
    wanted_version: Mapped[int]
    wanted_at: Mapped[datetime]
    reminder_number: Mapped[int | None]
    told_version: Mapped[int] = mapped_column(server_default=sql("0"))
    told_at: Mapped[datetime | None]
    told_answer: Mapped[str | None]
    first_told_at: Mapped[datetime | None]
    first_answer: Mapped[str | None]
    announced_at: Mapped[list[datetime]] = mapped_column(server_default=sql("'{}'"))
    again_at: Mapped[datetime | None]
    repeats: Mapped[int] = mapped_column(server_default=sql("0"))
    missed: Mapped[int] = mapped_column(server_default=sql("0"))
    stale_at: Mapped[datetime | None]
    urgency: Mapped[int] = mapped_column(SmallInteger, server_default=sql("0"))
    attempts: Mapped[int] = mapped_column(server_default=sql("0"))
    next_attempt_at: Mapped[datetime]
    claim: Mapped[str | None]
    last_outcome: Mapped[str | None]
    parked: Mapped[str | None]
    registration: Mapped[Registration | None] = relationship()
    google_object: Mapped[GoogleObject | None] = relationship()

    __table_args__ = (
        CheckConstraint("kind IN ('apple', 'google')", name="kind"),
        CheckConstraint(
            "(kind = 'apple') = (registration_id IS NOT NULL) AND (kind = 'google') = (google_object_id IS NOT NULL)",
            name="one_far_end",
        ),
        Index(
            "ix_deliveries_due",
            "kind",
            "program_id",
            "urgency",
            "next_attempt_at",
            postgresql_where=sql("wanted_version > told_version AND parked IS NULL"),
        ),
        Index("ix_deliveries_again_at", "again_at", postgresql_where=sql("again_at IS NOT NULL")),
        Index("ix_deliveries_parked", "program_id", "id", postgresql_where=sql("parked IS NOT NULL")),
        Index("ix_deliveries_stale", "program_id", "id", postgresql_where=sql("stale_at IS NOT NULL")),
        Index("ix_deliveries_card_id", "card_id"),
    )


class CardVersion(Base):
    """One published version of a card: what caused it, when that came in, when it was composed. Kept for a while."""

    __tablename__ = "card_versions"

    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    cause: Mapped[str]
    received_at: Mapped[datetime]
    composed_at: Mapped[datetime]

    __table_args__ = (Index("ix_card_versions_composed_at", "composed_at"),)


class PastDelivery(Base):
    """What became of one version at one far end, written down when a newer version takes its place. Kept for a
    while.
    """

    __tablename__ = "past_deliveries"

    id: Mapped[int] = own_id()
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id", ondelete="CASCADE"))
    version: Mapped[int]
    kind: Mapped[str]
    far_end: Mapped[str]
    told_at: Mapped[datetime | None]
    told_answer: Mapped[str | None]
    listed_at: Mapped[datetime | None]
    fetched_at: Mapped[datetime | None]
    superseded_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_past_deliveries_card_id", "card_id", "version"),
        Index("ix_past_deliveries_superseded_at", "superseded_at"),
    )


class InboxEvent(Base):
    """An event that was taken in, by the sender's own identity (source and id); a repeat changes nothing. Type, subject
    and digest are empty once the member was erased; releases before 0008 kept no digest.
    """

    __tablename__ = "inbox_events"

    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"), primary_key=True)
    source: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str]
    subject: Mapped[str]
    received_at: Mapped[datetime]
    digest: Mapped[bytes | None]


class IdempotencyKey(Base):
    """The first answer to a write that carried `Idempotency-Key`."""

    __tablename__ = "idempotency_keys"

    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_digest: Mapped[str]
    status: Mapped[int]
    answer: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class WorkerHeartbeat(Base):
    """When each worker last said that it lives; `/readyz` and take-over read it."""

    __tablename__ = "worker_heartbeats"

    worker_id: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
