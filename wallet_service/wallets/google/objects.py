"""The repository of Google objects: read before an update is sent, written after.

Notifications are spent here, before the call and in the same transaction as the claim: a crash may cost one, and never
gives a fourth. Source: google-wallet.md sections 11, 12 and 24; section 25, checks 23 to 26, 53 and 55.
"""

from __future__ import annotations

import secrets
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

import orjson
from sqlalchemy import and_, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from wallet_service.cards.template import Topic
from wallet_service.storage.encryption import Sealer
from wallet_service.storage.tables import GoogleMessage, GoogleNotification, GoogleObject
from wallet_service.wallets.google.content.schema import Body
from wallet_service.wallets.google.notifications import messages, offer_messages, quota
from wallet_service.wallets.google.notifications.messages import PendingMessage
from wallet_service.wallets.google.notifications.quota import DAY, NotifyKind, NotifyStatus
from wallet_service.wallets.google.updates import Held, ObjectUpdate
from wallet_service.wallets.protocol import CardView

_SPENT = ("asked", "notified")


@dataclass(frozen=True, kw_only=True)
class ClaimedObject:
    """One claimed object: its row, its card, and the class it belongs to."""

    delivery_id: int
    version: int
    row: GoogleObject
    card: CardView
    class_id: str
    design: CardView | None = None


def objects_of(db: Session, object_ids: Iterable[str]) -> dict[str, GoogleObject]:
    """Our rows of these objects, by their id at Google."""
    rows = db.scalars(select(GoogleObject).where(GoogleObject.object_id.in_(list(object_ids))))
    return {row.object_id: row for row in rows}


def plan(db: Session, owed: Sequence[ClaimedObject], *, now: datetime, sealer: Sealer) -> list[ObjectUpdate]:
    """The update of each object, and whether it may notify; what may is recorded as asked for.

    Until the telling is settled it is in doubt what Google holds: the digest is emptied, so that a crash between the
    call and its record cannot make a later telling look needless.
    """
    locales = {one.row.id: one.card.content.locale for one in owed}
    for offer in offer_messages.due(db, locales, now=now):
        _insert_message(
            db, owed[0].card.program.program_id, offer.object_pk, "news", offer.message,
            notify=True, ends_at=offer.ends_at, now=now,
        )  # fmt: skip
    spent = _spent(db, owed, now=now)
    waiting = _messages(db, [one.row.id for one in owed])
    in_doubt = update(GoogleObject).where(
        GoogleObject.id.in_([one.row.id for one in owed]), GoogleObject.told_digest.is_not(None)
    )
    db.execute(in_doubt.values(told_digest=""), execution_options={"synchronize_session": False})
    return [
        replace(_update_of(db, one, spent, waiting[one.row.id], now=now), totp_key=_totp_key(one, sealer))
        for one in owed
    ]


def record(db: Session, told: Sequence[tuple[ObjectUpdate, Held]], *, now: datetime) -> None:
    """Write down what Google holds now, what notified, and which messages stand on the cards.

    Call it in the transaction that settled these tellings, after that: the delivery rows are locked then, so that an
    erasure is either over, and seen here, or will find what is written here. Of a member who was erased since nothing
    is kept but that Google has an object. What Google holds after a telling that was settled too late is not known.
    """
    if not told:
        return
    fields = (quota.told_fields(one.card.template, one.card.content) if one.card else {} for one, _ in told)
    columns = {
        "ids": [notice.object_pk for notice, _ in told],
        "versions": [notice.version for notice, _ in told],
        "erased": [notice.card is not None and notice.card.content.erased for notice, _ in told],
        "digests": [held.digest for _, held in told],
        "fields": [orjson.dumps(texts).decode() for texts in fields],
    }
    db.execute(_HELD, columns)
    for notice, held in told:
        if notice.notify:
            _settle_notification(db, "field", notice.object_pk, _field_reference(notice.version), held.how, now=now)
        _record_messages(db, notice, held, now=now)


_HELD = text("""
UPDATE google_objects o
SET told_digest = CASE WHEN s.erased OR m.erased_at IS NULL THEN s.digest ELSE '' END,
    told_fields = CASE WHEN s.erased OR m.erased_at IS NULL THEN CAST(s.fields AS jsonb) END
FROM unnest(CAST(:ids AS bigint[]), CAST(:versions AS bigint[]), CAST(:erased AS boolean[]),
        CAST(:digests AS text[]), CAST(:fields AS text[])) AS s(id, version, erased, digest, fields)
    JOIN deliveries d ON d.google_object_id = s.id
    JOIN cards c ON c.id = d.card_id JOIN members m ON m.id = c.member_pk
WHERE o.id = s.id AND d.told_version >= s.version
""")


def lock(db: Session, object_pks: Sequence[int]) -> None:
    """Lock objects and their deliveries; begin with this wherever both are written to. The delivery goes before its
    object, and several by number, as in settling: so nobody waits in a circle.
    """
    db.execute(_LOCK, {"ids": list(object_pks)})


def make_due_again(db: Session, object_pks: Sequence[int], *, now: datetime) -> None:
    """Make objects due although their content is known: a message waits, or what Google holds is not what it should."""
    db.execute(_MAKE_DUE_AGAIN, {"ids": list(object_pks), "now": now})


def make_due_now(db: Session, program_id: str, *, now: datetime) -> None:
    """Let no open row of a programme wait any longer."""
    db.execute(_MAKE_DUE_NOW, {"program": program_id, "now": now})


def make_due_for_messages(db: Session, object_pks: Sequence[int], *, now: datetime) -> None:
    """Make those pending again for which a message has come while they were being told."""
    waiting = db.scalars(_WAITING, {"ids": list(object_pks), "now": now}).all()
    if waiting:
        make_due_again(db, waiting, now=now)


_LOCK = text("""
SELECT count(*) FROM (
    SELECT FROM deliveries d JOIN google_objects o ON o.id = d.google_object_id
    WHERE d.google_object_id = ANY(:ids) ORDER BY d.id FOR NO KEY UPDATE OF d, o
) AS locked
""")
_WAITING = text("""
SELECT DISTINCT google_object_id FROM google_messages
WHERE google_object_id = ANY(:ids) AND sent_at IS NULL AND removed_at IS NULL AND ends_at > :now
""")
_MAKE_DUE_AGAIN = text("""
UPDATE deliveries SET told_version = least(told_version, wanted_version - 1), next_attempt_at = :now, attempts = 0
WHERE id IN (
    SELECT id FROM deliveries
    WHERE google_object_id = ANY(:ids) AND wanted_version > 0 AND parked IS NULL AND claim IS NULL
    ORDER BY id FOR NO KEY UPDATE
)
""")
_MAKE_DUE_NOW = text("""
UPDATE deliveries SET next_attempt_at = :now, attempts = 0
WHERE id IN (
    SELECT id FROM deliveries
    WHERE kind = 'google' AND program_id = :program AND wanted_version > told_version AND parked IS NULL
      AND claim IS NULL AND next_attempt_at > :now
    ORDER BY id FOR NO KEY UPDATE
)
""")
_EXPIRED = text("""
SELECT DISTINCT google_object_id FROM google_messages
WHERE program_id = :program AND google_object_id IS NOT NULL AND sent_at IS NOT NULL AND removed_at IS NULL
  AND ends_at <= :now LIMIT 100
""")
_FORGET_OLD = text("DELETE FROM google_notifications WHERE at < :before")
_FORGET_NONCES = text("DELETE FROM google_callbacks WHERE received_at < :before")


def expire_messages(db: Session, program_id: str, *, now: datetime) -> int:
    """Make cards pending on which a message is over; delete what is needed no more. Returns how many are pending."""
    expired = list(db.scalars(_EXPIRED, {"program": program_id, "now": now}))
    make_due_again(db, expired, now=now)
    db.execute(_FORGET_OLD, {"before": now - 30 * DAY})
    db.execute(_FORGET_NONCES, {"before": now - 30 * DAY})
    return len(expired)


def queue_message(
    db: Session,
    program_id: str,
    object_pk: int,
    topic: Topic,
    message: Body,
    *,
    notify: bool,
    ends_at: datetime,
    now: datetime,
) -> bool:
    """Put a message for one card in line; returns whether it is new (its id was not known)."""
    new = _insert_message(db, program_id, object_pk, topic, message, notify=notify, ends_at=ends_at, now=now)
    if new:
        make_due_again(db, [object_pk], now=now)
    return new


def _insert_message(
    db: Session,
    program_id: str,
    object_pk: int,
    topic: Topic,
    message: Body,
    *,
    notify: bool,
    ends_at: datetime,
    now: datetime,
) -> bool:
    values = {
        "program_id": program_id,
        "google_object_id": object_pk,
        "message_id": message["id"],
        "topic": topic,
        "body": message,
        "notify": notify,
        "created_at": now,
        "ends_at": ends_at,
        "next_attempt_at": now,
    }
    fresh = insert(GoogleMessage).values(**values).on_conflict_do_nothing().returning(GoogleMessage.id)
    return db.scalar(fresh) is not None


@dataclass(frozen=True)
class _Spent:
    """Notifications of the last 24 hours: by object and kind, and by class."""

    of_object: Counter[tuple[int, str]]
    of_class: Counter[str]

    def of(self, one: ClaimedObject, kind: NotifyKind) -> int:
        """What this object has spent; a message to everybody counts for each."""
        own = self.of_object[one.row.id, kind]
        return own + (self.of_class[one.class_id] if kind == "message" else 0)


def _spent(db: Session, owed: Sequence[ClaimedObject], *, now: datetime) -> _Spent:
    recent = and_(GoogleNotification.at > now - DAY, GoogleNotification.how.in_(_SPENT))
    mine = GoogleNotification.google_object_id.in_([one.row.id for one in owed])
    rows = db.execute(
        select(GoogleNotification.google_object_id, GoogleNotification.kind, func.count())
        .where(recent, mine)
        .group_by(GoogleNotification.google_object_id, GoogleNotification.kind)
    )
    of_object = Counter({(pk, kind): count for pk, kind, count in rows if pk is not None})
    return _Spent(of_object, class_spent(db, {one.class_id for one in owed}, now=now))


def class_spent(db: Session, class_ids: Iterable[str], *, now: datetime) -> Counter[str]:
    """The messages to everybody that notified in the last 24 hours, by class."""
    rows = db.execute(
        select(GoogleNotification.class_id, func.count())
        .where(
            GoogleNotification.class_id.in_(list(class_ids)),
            GoogleNotification.at > now - DAY,
            GoogleNotification.how.in_(_SPENT),
        )
        .group_by(GoogleNotification.class_id)
    )
    return Counter({class_id: count for class_id, count in rows if class_id is not None})


def _messages(db: Session, object_pks: Sequence[int]) -> Mapping[int, list[GoogleMessage]]:
    rows = db.scalars(
        select(GoogleMessage)
        .where(GoogleMessage.google_object_id.in_(list(object_pks)), GoogleMessage.removed_at.is_(None))
        .order_by(GoogleMessage.id)
    )
    found: dict[int, list[GoogleMessage]] = defaultdict(list)
    for row in rows:
        if row.google_object_id is not None:
            found[row.google_object_id].append(row)
    return found


def _update_of(
    db: Session, one: ClaimedObject, spent: _Spent, waiting: list[GoogleMessage], *, now: datetime
) -> ObjectUpdate:
    notice = ObjectUpdate(
        delivery_id=one.delivery_id,
        far_end=one.row.object_id,
        version=one.version,
        card=one.card,
        object_pk=one.row.id,
        told_digest=one.row.told_digest,
        design=one.design,
        linked_ids=tuple(one.row.linked_ids or ()),
    )
    if one.card.content.erased:  # no message may stay on it, for messages are about the member
        return replace(notice, keep=())
    notify = _field_news(db, one, spent, waiting, now=now)
    fresh = [row for row in waiting if row.sent_at is None and row.ends_at > now][-messages.MOST :]
    standing = [(row.id, row.ends_at, row.body) for row in waiting if row.sent_at is not None]
    stay, go = messages.kept(standing, new=len(fresh), now=now)
    pending = tuple(_pending_message(db, one, row, spent, now=now) for row in fresh)
    keep = tuple(body for number, _, body in standing if number in stay) if go else None
    return replace(notice, notify=notify, messages=pending, keep=keep)


def _totp_key(one: ClaimedObject, sealer: Sealer) -> str | None:
    """The secret of a card's rotating barcode, made when it is first needed, sealed at rest."""
    if "rotating_barcode" not in one.card.template.document.google or one.card.content.barcode is None:
        return None
    purpose = f"totp:{one.row.object_id}"
    if one.row.totp_secret is None:
        one.row.totp_secret = sealer.seal(secrets.token_bytes(20), purpose)
    return sealer.open(one.row.totp_secret, purpose).hex()


def _is_held(row: GoogleObject) -> bool:
    """Whether somebody has it in a wallet: where nobody would be notified, nothing is spent."""
    return row.saved_at is not None and row.removed_at is None


def _field_news(db: Session, one: ClaimedObject, spent: _Spent, waiting: list[GoogleMessage], *, now: datetime) -> bool:
    """Whether the change itself may notify. News that Google would not notify about becomes a message instead."""
    news = quota.news_of(one.card.template, one.card.content, one.row.told_fields)
    if not news or not _is_held(one.row):
        return False
    first = news[0]
    if first.google in quota.NOTIFYING_SLOTS:
        return _reserve(
            db, one.row.id, "field", first.topic, _field_reference(one.version), spent.of(one, "field"), now=now
        )
    message_id, message = messages.news_message(
        one.card.template, one.card.content, first, version=one.version, now=now
    )
    if any(row.message_id == message_id for row in waiting):
        return False
    if not quota.may_notify(first.topic, spent.of(one, "message")):
        _write(db, one.row.id, "message", first.topic, message_id, "silent", now=now)
        return False
    ends_at = now + messages.LIFE
    program_id = one.card.program.program_id
    _insert_message(db, program_id, one.row.id, first.topic, message, notify=True, ends_at=ends_at, now=now)
    waiting += db.scalars(
        select(GoogleMessage).where(
            GoogleMessage.google_object_id == one.row.id, GoogleMessage.message_id == message_id
        )
    )
    return False


def _pending_message(
    db: Session, one: ClaimedObject, row: GoogleMessage, spent: _Spent, *, now: datetime
) -> PendingMessage:
    attempted = row.attempted_at is not None
    notify = row.notify and _is_held(one.row)
    topic = cast("Topic", row.topic)
    notify = notify and _reserve(db, one.row.id, "message", topic, row.message_id, spent.of(one, "message"), now=now)
    if notify and not attempted:
        spent.of_object[one.row.id, "message"] += 1
    row.attempted_at = now
    return PendingMessage(message_pk=row.id, message=row.body, notify=notify, attempted=attempted)


def _reserve(
    db: Session, object_pk: int, kind: NotifyKind, topic: Topic, reference: str, spent: int, *, now: datetime
) -> bool:
    """Spend one notification if the budget allows. One that was asked for and never answered is used first."""
    mine = (GoogleNotification.google_object_id == object_pk, GoogleNotification.kind == kind)
    again = GoogleNotification.how == "asked"
    if kind == "message":
        again = and_(again, GoogleNotification.reference == reference)
    open_one = db.scalar(select(GoogleNotification).where(*mine, again, GoogleNotification.at > now - DAY).limit(1))
    if open_one is not None:
        open_one.reference, open_one.topic, open_one.at = reference, topic, now
        db.flush()
        return True
    allowed = quota.may_notify(topic, spent)
    _write(db, object_pk, kind, topic, reference, "asked" if allowed else "silent", now=now)
    return allowed


def _write(
    db: Session, object_pk: int, kind: NotifyKind, topic: Topic, reference: str, how: NotifyStatus, *, now: datetime
) -> None:
    values = {"google_object_id": object_pk, "kind": kind, "topic": topic, "reference": reference}
    again = {"how": how, "at": now}
    db.execute(
        insert(GoogleNotification)
        .values(**values, **again)
        .on_conflict_do_update(index_elements=["google_object_id", "kind", "reference"], set_=again)
    )


def _settle_notification(
    db: Session, kind: NotifyKind, object_pk: int, reference: str, how: NotifyStatus, *, now: datetime
) -> None:
    db.execute(
        update(GoogleNotification)
        .where(
            GoogleNotification.google_object_id == object_pk,
            GoogleNotification.kind == kind,
            GoogleNotification.reference == reference,
        )
        .values(how=how, at=now)
    )


def _record_messages(db: Session, notice: ObjectUpdate, held: Held, *, now: datetime) -> None:
    for message in notice.messages:
        how = held.messages.get(message.message_pk, "silent")
        values = {"sent_at": now, "how": how}
        db.execute(update(GoogleMessage).where(GoogleMessage.id == message.message_pk).values(**values))
        if message.notify:
            _settle_notification(db, "message", notice.object_pk, message.message["id"], how, now=now)
    if notice.keep is not None:
        stay = [body["id"] for body in notice.keep] + [message.message["id"] for message in notice.messages]
        db.execute(
            update(GoogleMessage)
            .where(
                GoogleMessage.google_object_id == notice.object_pk,
                GoogleMessage.sent_at.is_not(None),
                GoogleMessage.message_id.not_in(stay),
            )
            .values(removed_at=now)
        )


def _field_reference(version: int) -> str:
    return f"v{version}"
