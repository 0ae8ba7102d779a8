"""Erasing a member: everything personal leaves the database at once, and the card becomes void and nameless, with
every pass linked to it.

The phones still hold the old card. So a card that was issued leaves a tombstone: a row of nobody, under no id that a
CRM can name, whose void card is announced like any change. It goes when every far end has it, or after a time.

Source: GDPR, articles 17 and 19; apple-wallet.md section 4.5 and check 68; google-wallet.md sections 1 and 22.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import orjson
from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.cards.members import lock_member
from wallet_service.cards.publishing import Cause, Publisher
from wallet_service.loyalty.ledger.books import forget_account
from wallet_service.storage.apple_tables import GoneRegistration
from wallet_service.storage.tables import (
    Balance,
    Card,
    CardVersion,
    Delivery,
    DeviceReport,
    GoogleMessage,
    GoogleNotification,
    GoogleObject,
    Member,
    MemberStore,
    OfferShowing,
    OfferUse,
    PastDelivery,
)

AT_REST = timedelta(hours=1)
"""How long a tombstone stays after the last far end was told: an announcement of the old card may still be on its
way, and a phone that has just got it may still be about to register.
"""
_TOMBSTONE_KEEPS = frozenset({"id", "program_id"})
_DEFAULT = text("DEFAULT")


def erase_member(db: Session, publisher: Publisher, member: Member, *, now: datetime) -> None:
    """Erase a locked member; call it last in the transaction, for the void card takes a change number.

    The CRM may create the same id again at once: that is another member, with a card of its own.
    """
    _forget_what_was_received(db, member)
    forget_account(db, member)
    if not member.cards:
        db.execute(delete(Member).where(Member.id == member.id))
        return
    for card in member.cards:
        _forget_past_of(db, card)
    cards = _anonymised(db, member, now=now)
    for card in cards:
        card.state, card.linked_facts = "void", {}
        if card.linked_to is not None:
            card.linked_key = f"erased {secrets.token_hex(16)}"
    program = publisher.program_cache.program(db, member.program_id)
    publisher.publish(db, program, cards, Cause("erased", now), now=now)
    # publishing noted the versions before
    db.execute(delete(PastDelivery).where(PastDelivery.card_id.in_([card.id for card in cards])))


def _anonymised(db: Session, member: Member, *, now: datetime) -> list[Card]:
    """The cards, of nobody. Every column of the member that is not named here falls back to its default, also those
    that are added one day. The new names hold a space, which no id and no card number may have.
    """
    forgotten = {
        column.name: _DEFAULT
        for column in Member.__table__.columns
        if column.name not in _TOMBSTONE_KEEPS and (column.nullable or column.server_default is not None)
    }
    nobody = f"erased {secrets.token_hex(16)}"
    names = {"member_id": nobody, "card_number": nobody, "created_at": now, "updated_at": now, "erased_at": now}
    db.execute(update(Member).where(Member.id == member.id).values({**forgotten, **names}))
    db.execute(delete(Balance).where(Balance.member_pk == member.id))
    db.execute(delete(MemberStore).where(MemberStore.member_pk == member.id))
    db.execute(update(OfferUse).where(OfferUse.member_pk == member.id).values(member_pk=None))
    db.add(Balance(member_pk=member.id))
    db.flush()
    return lock_member(db, member.program_id, nobody).cards


_SEAL_ANSWERS = text("""
UPDATE idempotency_keys SET status = 410, answer = NULL
WHERE program_id = :program AND answer ->> 'member_id' = :member
""")
"""A repeat of what created or changed the member must not do it again: it is told that the member was erased."""
_FORGET_ANSWERS = text("""
DELETE FROM idempotency_keys k
WHERE k.program_id = :program AND (
    EXISTS (SELECT FROM unnest(CAST(:words AS text[])) AS word WHERE strpos(CAST(k.answer AS text), word) > 0)
    OR jsonb_path_query_array(k.answer, '$.**.id') ?| CAST(:events AS text[])
)
""")
_FORGET_EVENTS = text("""
UPDATE inbox_events SET subject = '', type = '', digest = NULL
WHERE program_id = :program AND subject = :subject RETURNING event_id
""")


def _forget_what_was_received(db: Session, member: Member) -> None:
    """What the events about the member said, and the answers that name the member, a card, or one of those events.

    An event's source and id stay, so that a repeat of it is still a repeat and does not bring the member back.
    """
    events = db.scalars(_FORGET_EVENTS, {"program": member.program_id, "subject": member.member_id}).all()
    db.execute(_SEAL_ANSWERS, {"program": member.program_id, "member": member.member_id})
    words = [_json(member.member_id), _json(f"{member.member_id!r}")[1:-1], _json(member.card_number)]
    words += [_json(card.serial_number) for card in member.cards]
    db.execute(_FORGET_ANSWERS, {"program": member.program_id, "words": words, "events": list(events)})


def _json(word: str) -> str:
    return orjson.dumps(word).decode()


def _forget_past_of(db: Session, card: Card) -> None:
    """What was told and reported of the card as it was. A Google object that nobody holds any more is told as well: it
    is still there.
    """
    for table in (CardVersion, DeviceReport, GoneRegistration, OfferShowing):
        db.execute(delete(table).where(table.card_id == card.id))
    nothing = {"last_outcome": None, "told_answer": None, "first_answer": None}
    db.execute(update(Delivery).where(Delivery.card_id == card.id).values(nothing))
    objects = select(GoogleObject.id).where(GoogleObject.card_id == card.id).scalar_subquery()
    db.execute(delete(GoogleMessage).where(GoogleMessage.google_object_id == objects))
    db.execute(delete(GoogleNotification).where(GoogleNotification.google_object_id == objects))
    db.execute(update(GoogleObject).where(GoogleObject.id == objects).values(told_fields=None, totp_secret=None))
    known = (GoogleObject.id == objects, GoogleObject.told_digest.is_not(None))
    db.execute(update(GoogleObject).where(*known).values(told_digest=""))
    db.execute(update(Delivery).where(Delivery.google_object_id == objects).values(parked=None))


_OVER = text("""
SELECT m.id FROM members m
WHERE m.erased_at < :at_rest AND (m.erased_at < :longest OR NOT EXISTS (
    SELECT FROM cards c
    LEFT JOIN deliveries d ON d.card_id = c.id LEFT JOIN registrations r ON r.id = d.registration_id
    WHERE c.member_pk = m.id AND (
        c.held_version IS NOT NULL
        OR d.told_at >= :at_rest
        OR (d.kind = 'apple' AND r.fetched_version < d.wanted_version)
        OR (d.kind = 'google' AND d.told_version < d.wanted_version)
    )
))
ORDER BY m.id LIMIT 1000
""")
_LOCK_MEMBER = text("SELECT FROM members WHERE id = :member FOR UPDATE")
_LOCK_CARD = text("SELECT FROM cards WHERE member_pk = :member ORDER BY id FOR UPDATE")
_LOCK_DEVICES = text("""
SELECT device.id FROM devices device
WHERE device.id IN (
    SELECT r.device_id FROM registrations r JOIN cards c ON c.id = r.card_id WHERE c.member_pk = :member
)
ORDER BY device.id FOR UPDATE
""")
_DROP_LONELY_DEVICES = text("""
DELETE FROM devices WHERE id = ANY(:devices) AND NOT EXISTS (SELECT FROM registrations WHERE device_id = devices.id)
""")


def forget_tombstones(
    sessions: sessionmaker[Session], *, longest: timedelta, now: datetime, stopping: Callable[[], bool]
) -> int:
    """Delete the tombstones that every far end knows of, and those that are older than `longest`; returns how many.

    A pass that was downloaded and not registered yet is waited for like a far end.
    """
    forgotten = 0
    while not stopping():
        with sessions() as db:
            found = db.scalars(_OVER, {"at_rest": now - AT_REST, "longest": now - longest}).all()
        for member_pk in found:
            _forget_tombstone(sessions, member_pk)
        forgotten += len(found)
        if not found:
            break
    return forgotten


def _forget_tombstone(sessions: sessionmaker[Session], member_pk: int) -> None:
    """The member before the cards, as whoever publishes; the cards before the devices, as a phone that registers."""
    with sessions.begin() as db:
        db.execute(_LOCK_MEMBER, {"member": member_pk})
        db.execute(_LOCK_CARD, {"member": member_pk})
        devices: Sequence[int] = db.scalars(_LOCK_DEVICES, {"member": member_pk}).all()
        db.execute(delete(Member).where(Member.id == member_pk))
        db.execute(_DROP_LONELY_DEVICES, {"devices": list(devices)})
