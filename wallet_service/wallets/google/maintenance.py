"""Google tasks beside the objects' content: messages to everybody, and removals that want confirming.

Each is claimed for itself by moving its next attempt ahead, told outside any transaction, and settled; a crash leaves
it to the next worker. Where Google is silent, the others are not tried: they would cost a time-out each.
Source: google-wallet.md sections 11 and 17; section 25, checks 26, 51 and 55.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from urllib.parse import quote

import structlog
from google.auth.exceptions import RefreshError
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.cards.template import Topic
from wallet_service.clock import Clock
from wallet_service.errors import Unreachable
from wallet_service.offers.histories import wallets_changed
from wallet_service.storage.tables import (
    Card,
    Delivery,
    GoogleClass,
    GoogleMessage,
    GoogleNotification,
    GoogleObject,
    Member,
)
from wallet_service.wallets.google import objects
from wallet_service.wallets.google.channel import ClassAddress, GoogleChannel, WrittenClass
from wallet_service.wallets.google.client.calls import Call
from wallet_service.wallets.google.content.kinds import KINDS
from wallet_service.wallets.google.content.schema import Body
from wallet_service.wallets.google.notifications import messages, quota
from wallet_service.wallets.google.notifications.messages import PendingMessage
from wallet_service.wallets.google.notifications.quota import NotifyStatus
from wallet_service.wallets.protocol import Accepted, ChannelDown, Later, Outcome

log = structlog.get_logger()
AT_ONCE = 20
"""How many of each are done before the objects have their turn again."""


@dataclass(frozen=True, kw_only=True)
class Maintenance:
    """The Google tasks of one programme beside its objects.

    Attributes:
        lease: how long what was claimed belongs to its worker.
        timeout: how long one call may take.
        stopping: whether to begin no more.
    """

    sessions: sessionmaker[Session]
    channel: GoogleChannel
    program_id: str
    lease: timedelta
    timeout: timedelta
    clock: Clock
    stopping: Callable[[], bool] = lambda: False

    def send_class_messages(self) -> int:
        """Send the messages to everybody that are due: one call for each class. Returns how many were tried."""
        return self._one_by_one(self._send_next_class_message)

    def confirm_removals(self) -> int:
        """Ask Google who holds the objects that callbacks named: they come late and out of order, `hasUsers` is right.

        Returns how many were asked about.
        """
        return self._one_by_one(self._confirm_next)

    def _one_by_one(self, do_next: Callable[[datetime], bool | None]) -> int:
        """Returns how many were tried. `do_next` says whether Google answered; None: nothing was due."""
        tried, is_answering = 0, True
        while is_answering and tried < AT_ONCE and not self.stopping():
            done = do_next(self.clock())
            if done is None:
                break
            tried, is_answering = tried + 1, done
        return tried

    def _send_next_class_message(self, now: datetime) -> bool | None:
        with self.sessions.begin() as db:
            row = self._claim_class_message(db, now)
            if row is None:
                return None
            address, message, keep = self._class_message(db, row, now=now)
        outcome, how = self.channel.send_class_message(address, message, keep, before=now + self.lease - self.timeout)
        with self.sessions.begin() as db:
            _settle_class_message(db, address.class_id, message, keep, outcome, how, now=now)
        return not isinstance(outcome, Later | ChannelDown)

    def _confirm_next(self, now: datetime) -> bool | None:
        until = now + self.lease
        with self.sessions.begin() as db:
            row = db.execute(
                select(GoogleObject.id, GoogleObject.object_id)
                .join(Delivery, Delivery.google_object_id == GoogleObject.id)
                .where(Delivery.program_id == self.program_id, GoogleObject.confirm_at <= now)
                .order_by(GoogleObject.confirm_at)
                .limit(1)
                .with_for_update(of=GoogleObject, skip_locked=True)
            ).one_or_none()
            if row is None:
                return None
            db.execute(update(GoogleObject).where(GoogleObject.id == row.id).values(confirm_at=until))
            kinds = set(db.scalars(select(GoogleClass.kind).where(GoogleClass.program_id == self.program_id)))
        return self._confirm(row.id, row.object_id, sorted(kinds) or ["loyalty"], until=until, now=now)

    def _confirm(self, pk: int, object_id: str, kinds: Sequence[str], *, until: datetime, now: datetime) -> bool:
        """Returns whether Google answered."""
        for kind in kinds:
            path = f"{KINDS[kind].object_collection}/{quote(object_id, safe='')}?fields=id,hasUsers"
            try:
                answer = self.channel.transport.ask(Call("GET", path), before=until - self.timeout)
            except (Unreachable, RefreshError) as error:
                log.info("google_holder_not_confirmed", object_id=object_id, reason=str(error))
                return False
            if answer.is_good:
                is_held = bool(answer.json().get("hasUsers"))
                with self.sessions.begin() as db:
                    settle_holder(db, pk, is_held, asked_at=until, now=now)
                break
        return True

    def _claim_class_message(self, db: Session, now: datetime) -> GoogleMessage | None:
        """Claim the message that has waited longest; so none that fails again and again is in the others' way."""
        row = db.scalars(
            select(GoogleMessage)
            .where(
                GoogleMessage.program_id == self.program_id,
                GoogleMessage.class_id.is_not(None),
                GoogleMessage.sent_at.is_(None),
                GoogleMessage.removed_at.is_(None),
                GoogleMessage.next_attempt_at <= now,
                GoogleMessage.ends_at > now,
            )
            .order_by(GoogleMessage.next_attempt_at, GoogleMessage.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        ).one_or_none()
        if row is not None:
            row.next_attempt_at = now + self.lease
        return row

    def _class_message(
        self, db: Session, row: GoogleMessage, *, now: datetime
    ) -> tuple[ClassAddress, PendingMessage, list[Body] | None]:
        """Decided and written down before the call: whether it may notify, and what must go for it."""
        assert row.class_id is not None  # noqa: S101 the query asked for it
        kind = db.scalar(select(GoogleClass.kind).where(GoogleClass.class_id == row.class_id)) or "loyalty"
        attempted = row.attempted_at is not None
        row.attempted_at = now
        notify = row.notify and _reserve_for_class(db, row, now=now)
        standing = db.scalars(
            select(GoogleMessage)
            .where(
                GoogleMessage.class_id == row.class_id,
                GoogleMessage.sent_at.is_not(None),
                GoogleMessage.removed_at.is_(None),
            )
            .order_by(GoogleMessage.id)
        ).all()
        stay, go = messages.kept([(one.id, one.ends_at, one.body) for one in standing], new=1, now=now)
        keep = [one.body for one in standing if one.id in stay] if go else None
        message = PendingMessage(message_pk=row.id, message=row.body, notify=notify, attempted=attempted)
        return ClassAddress(KINDS[kind], row.class_id), message, keep


def settle_holder(db: Session, pk: int, is_held: bool, *, asked_at: datetime, now: datetime) -> None:
    """Write down whether somebody holds an object. A callback that came meanwhile has moved `confirm_at`."""
    card_id = db.scalar(select(GoogleObject.card_id).where(GoogleObject.id == pk))
    if card_id is not None:
        wallets_changed(db, card_id, now=now)  # the card before its deliveries, as whoever publishes
    objects.lock(db, [pk])
    as_it_is = {"populate_existing": True}
    delivery = db.scalars(select(Delivery).where(Delivery.google_object_id == pk), execution_options=as_it_is).one()
    row = db.scalars(select(GoogleObject).where(GoogleObject.id == pk), execution_options=as_it_is).one()
    if is_held:
        row.saved_at, row.removed_at = row.saved_at or now, None
        if delivery.parked == "removed":
            delivery.parked, delivery.next_attempt_at = None, now
    else:
        row.removed_at = row.removed_at or now
        if not _is_erased(db, row):
            delivery.parked = "removed"
    if row.confirm_at is not None and row.confirm_at >= asked_at:
        row.confirm_at = None


def _is_erased(db: Session, row: GoogleObject) -> bool:
    """The object of an erased member is emptied although nobody holds it."""
    erased = select(Member.erased_at.is_not(None)).join(Card, Card.member_pk == Member.id)
    return bool(db.scalar(erased.where(Card.id == row.card_id)))


def known_classes(db: Session, program_id: str) -> dict[str, str]:
    """What each class of a programme was last told: class id → digest."""
    rows = db.execute(select(GoogleClass.class_id, GoogleClass.told_digest).where(GoogleClass.program_id == program_id))
    return {row.class_id: row.told_digest for row in rows}


def keep_classes(db: Session, program_id: str, told: Sequence[WrittenClass], *, now: datetime) -> None:
    """Write down what classes were told, for every worker."""
    for one in told:
        values = {"told_digest": one.digest, "told_at": now}
        db.execute(
            insert(GoogleClass)
            .values(
                class_id=one.address.class_id,
                program_id=program_id,
                kind=one.address.kind.name,
                variant=one.variant,
                **values,
            )
            .on_conflict_do_update(index_elements=["class_id"], set_=values)
        )


def queue_class_messages(
    db: Session,
    program_id: str,
    message: Body,
    *,
    notify: bool,
    ends_at: datetime,
    but: Collection[str] = (),
    now: datetime,
) -> Mapping[str, bool]:
    """Put a message to everybody in line, for each class of the programme; class id → whether it is new there.

    Args:
        but: classes that do not get it: those of linked passes, whose holders get it on their cards.
    """
    found: dict[str, bool] = {}
    mine = (GoogleClass.program_id == program_id, GoogleClass.class_id.not_in(but))
    for class_id in db.scalars(select(GoogleClass.class_id).where(*mine)).all():
        values = {
            "program_id": program_id,
            "class_id": class_id,
            "message_id": message["id"],
            "topic": "news",
            "body": message,
            "notify": notify,
            "created_at": now,
            "ends_at": ends_at,
            "next_attempt_at": now,
        }
        fresh = insert(GoogleMessage).values(**values).on_conflict_do_nothing().returning(GoogleMessage.id)
        found[class_id] = db.scalar(fresh) is not None
    return found


def message_status(db: Session, message_id: str) -> list[tuple[str, str | None]]:
    """What became of a message to everybody, by class: `notified`, `silent`, `refused`, or None while it waits."""
    rows = db.execute(
        select(GoogleMessage.class_id, GoogleMessage.how)
        .where(GoogleMessage.message_id == message_id, GoogleMessage.class_id.is_not(None))
        .order_by(GoogleMessage.class_id)
    )
    return [(class_id or "", how) for class_id, how in rows]


def _reserve_for_class(db: Session, row: GoogleMessage, *, now: datetime) -> bool:
    """Spend one of the class's notifications if the budget allows; one asked for and not answered is reused."""
    known = db.scalar(
        select(GoogleNotification).where(
            GoogleNotification.class_id == row.class_id, GoogleNotification.reference == row.message_id
        )
    )
    if known is not None and known.how == "asked":
        return True
    class_id = row.class_id or ""
    allowed = quota.may_notify(cast("Topic", row.topic), objects.class_spent(db, [class_id], now=now)[class_id])
    how: NotifyStatus = "asked" if allowed else "silent"
    values = {"class_id": class_id, "kind": "message", "topic": row.topic, "reference": row.message_id}
    db.execute(
        insert(GoogleNotification)
        .values(**values, how=how, at=now)
        .on_conflict_do_update(index_elements=["class_id", "kind", "reference"], set_={"how": how, "at": now})
    )
    return allowed


def _settle_class_message(
    db: Session,
    class_id: str,
    message: PendingMessage,
    keep: Sequence[Body] | None,
    outcome: Outcome,
    how: NotifyStatus,
    *,
    now: datetime,
) -> None:
    row = db.scalars(select(GoogleMessage).where(GoogleMessage.id == message.message_pk).with_for_update()).one()
    if not isinstance(outcome, Accepted):
        log.warning("google_news_waits", class_id=class_id, outcome=str(outcome))
        return
    row.sent_at, row.how = now, how
    if message.notify:
        mine = (GoogleNotification.class_id == class_id, GoogleNotification.reference == row.message_id)
        db.execute(update(GoogleNotification).where(*mine).values(how=how, at=now))
    if keep is not None:
        stay = [body["id"] for body in keep] + [row.message_id]
        others = (GoogleMessage.class_id == class_id, GoogleMessage.sent_at.is_not(None))
        db.execute(update(GoogleMessage).where(*others, GoogleMessage.message_id.not_in(stay)).values(removed_at=now))
