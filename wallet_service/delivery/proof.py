"""What is known of each far end of a card: wanted, told, listed, fetched; and in one word how it stands."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from wallet_service.storage.apple_tables import GoneRegistration
from wallet_service.storage.tables import Card, Delivery, GoogleNotification, Registration
from wallet_service.values import Value

MOST_NOTIFICATIONS = 20
State = Literal["up_to_date", "told", "waiting", "stale", "gone", "refused"]


class NotificationRecord(Value):
    """A change or a message that could have notified the holder, and how it was sent: `notified`, `silent` (our budget
    said no), `refused` (Google's quota did) or `asked` (on its way).
    """

    at: datetime
    kind: str
    topic: str
    how: str


class FarEnd(Value):
    """One iPhone, or one Google object. Versions are change numbers; None where it never happened or cannot be
    known. `gone_at`: since when Apple says that the phone's push token is gone, or since when the object is removed.
    """

    kind: str
    id: str
    installed_at: datetime | None
    wanted_version: int
    told_version: int
    told_at: datetime | None
    told_answer: str | None
    listed_at: datetime | None
    fetched_version: int | None
    fetched_at: datetime | None
    state: State
    gone_at: datetime | None = None
    notifications: tuple[NotificationRecord, ...] = ()


def far_ends_of(db: Session, card: Card) -> list[FarEnd]:
    """Every far end of a card, oldest first, those that are gone last. A Google object that nobody asked for yet is
    none.
    """
    rows = db.scalars(
        select(Delivery)
        .where(Delivery.card_id == card.id, Delivery.wanted_version > 0)
        .order_by(Delivery.id)
        .options(joinedload(Delivery.registration).joinedload(Registration.device), joinedload(Delivery.google_object))
    )
    gone = db.scalars(
        select(GoneRegistration).where(GoneRegistration.card_id == card.id).order_by(GoneRegistration.gone_at)
    )
    here = [_apple(row, row.registration) if row.registration else _google(db, row) for row in rows]
    return here + [_gone(row) for row in gone]


def _gone(row: GoneRegistration) -> FarEnd:
    return FarEnd(
        kind="apple",
        id=row.device_library_id,
        installed_at=row.registered_at,
        wanted_version=row.wanted_version,
        told_version=row.told_version,
        told_at=row.told_at,
        told_answer=row.told_answer,
        listed_at=row.listed_at,
        fetched_version=row.fetched_version or None,
        fetched_at=row.fetched_at,
        state="gone",
        gone_at=row.gone_at,
    )


def _apple(row: Delivery, registration: Registration) -> FarEnd:
    return FarEnd(
        kind="apple",
        id=registration.device.device_library_id,
        installed_at=registration.registered_at,
        wanted_version=row.wanted_version,
        told_version=row.told_version,
        told_at=row.told_at,
        told_answer=row.told_answer,
        listed_at=registration.listed_at,
        fetched_version=registration.fetched_version or None,
        fetched_at=registration.fetched_at,
        state=_apple_state(row, registration),
    )


def _apple_state(row: Delivery, registration: Registration) -> State:
    if registration.fetched_version >= row.wanted_version:
        return "up_to_date"
    if row.parked is not None:
        return "refused"
    if row.stale_at is not None:
        return "stale"
    return "told" if row.told_version >= row.wanted_version else "waiting"


def _google(db: Session, row: Delivery) -> FarEnd:
    """Google holds what it was told; whether the phone has drawn it, Google does not say."""
    google_object = row.google_object
    assert google_object is not None  # noqa: S101 the table's own constraint: one far end of the row's kind
    told = row.told_version >= row.wanted_version
    state: State = "up_to_date" if told else "waiting"
    if google_object.removed_at is not None:
        state = "gone"
    elif row.parked is not None:
        state = "refused"
    return FarEnd(
        kind="google",
        id=google_object.object_id,
        installed_at=google_object.saved_at,
        wanted_version=row.wanted_version,
        told_version=row.told_version,
        told_at=row.told_at,
        told_answer=row.told_answer,
        listed_at=None,
        fetched_version=None,
        fetched_at=None,
        state=state,
        gone_at=google_object.removed_at,
        notifications=_notifications_of(db, google_object.id),
    )


def _notifications_of(db: Session, google_object_id: int) -> tuple[NotificationRecord, ...]:
    """The latest ones, newest first."""
    rows = db.scalars(
        select(GoogleNotification)
        .where(GoogleNotification.google_object_id == google_object_id)
        .order_by(GoogleNotification.at.desc())
        .limit(MOST_NOTIFICATIONS)
    )
    return tuple(NotificationRecord(at=row.at, kind=row.kind, topic=row.topic, how=row.how) for row in rows)
