"""The inbox: applies each event once, all events of one request in one transaction.

Members are locked first, in one order for all, and those that are not here yet come last, in the order of their ids:
so two requests about the same members do not wait in a circle. Each event stands for itself: one that is refused leaves
no trace but its answer. Cards are published once, at the end, so that a burst becomes one version.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, assert_never

import structlog
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from wallet_service.cards.linked_cards import put_linked_card
from wallet_service.cards.members import lock_members, put_member, set_balances
from wallet_service.cards.program_cache import LoadedProgram, ProgramCache
from wallet_service.cards.publishing import Cause, Publisher
from wallet_service.crm.events import (
    CloudEvent,
    Data,
    PointsAdjustment,
    Purchase,
    Return,
    data_of,
    digest_of,
    parse_event,
)
from wallet_service.documents.balances import BalancesDocument
from wallet_service.documents.linked_passes import LinkedPassDocument
from wallet_service.documents.members import MemberDocument
from wallet_service.documents.programs import ProgramDocument
from wallet_service.errors import Conflict, Fault, Invalid, NotFound
from wallet_service.loyalty.earning import stamps_of
from wallet_service.loyalty.ledger.orders import (
    OrderName,
    Refund,
    book_adjustment,
    book_order,
    book_refund,
    effect_key,
)
from wallet_service.metrics import EVENTS
from wallet_service.offers.histories import lock_used_offers, note_purchase, note_return, note_uses
from wallet_service.storage.tables import Member
from wallet_service.values import LARGEST

log = structlog.get_logger()
_OLDER = "older than what is known"
_OF_CRM = "this programme's points come from its CRM"
Status = Literal["applied", "repeated", "ignored", "refused"]


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What became of one event. `ignored`: older news, or nothing for us to do; `faults` only where refused."""

    event_id: str | None
    status: Status
    detail: str | None = None
    faults: tuple[Fault, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The answer to the sender."""
        answer: dict[str, Any] = {"id": self.event_id, "status": self.status}
        if self.detail:
            answer["detail"] = self.detail
        if self.faults:
            answer["faults"] = [fault.as_json() for fault in self.faults]
        return answer


_Parsed = tuple[CloudEvent, Data] | Taken


def take_in(
    db: Session,
    publisher: Publisher,
    program_id: str,
    raws: Sequence[Any],
    *,
    received_at: datetime,
    now: datetime,
) -> list[Taken]:
    """Take in raw events in their order; answers in the same order.

    Raises:
        Invalid, Conflict: the only event is about a card that cannot be composed. Of several it is that one's refusal.
        OperationalError: the database is away, or broke a deadlock at this request's cost; nothing was kept.
    """
    parsed = [_parsed(raw) for raw in raws]
    subjects = {event.subject for event, _ in (pair for pair in parsed if isinstance(pair, tuple))}
    members = lock_members(db, program_id, subjects)
    purchases = (pair[1] for pair in parsed if isinstance(pair, tuple) and isinstance(pair[1], Purchase))
    lock_used_offers(db, program_id, {code for purchase in purchases for code in purchase.offers})
    program = publisher.program_cache.program(db, program_id)

    def apply(pairs: Sequence[_Parsed], known: dict[str, Member]) -> list[Taken]:
        return _apply_all(db, publisher, program, pairs, known, received_at=received_at, now=now)

    if len(parsed) == 1:
        answers = apply(parsed, members)
    else:
        try:
            with db.begin_nested():
                answers = apply(parsed, members)
        except OperationalError:
            raise
        except Exception:
            # rare, and then slow: one of them fails for a reason of ours, or its card cannot be composed
            log.warning("batch_taken_one_by_one", events=len(parsed))
            lock_members(db, program_id, subjects)
            answers = [_apply_alone(db, apply, pair, program_id) for pair in parsed]
    for answer in answers:
        EVENTS.labels(answer.status).inc()
    return answers


def _apply_alone(
    db: Session, apply: Callable[[Sequence[_Parsed], dict[str, Member]], list[Taken]], pair: _Parsed, program_id: str
) -> Taken:
    """One event of a batch in which something failed: whatever goes wrong is its own refusal."""
    if isinstance(pair, Taken):
        return pair
    event = pair[0]
    try:
        with db.begin_nested():
            return apply([pair], lock_members(db, program_id, {event.subject}))[0]
    except OperationalError:
        raise
    except Invalid as error:
        return Taken(event_id=event.id, status="refused", faults=error.faults)
    except Exception:
        log.exception("event_failed", event_id=event.id, event_type=event.type)
        fault = Fault("", "failed for a reason of ours, which the log says; nothing of it was kept", "internal")
        return Taken(event_id=event.id, status="refused", faults=(fault,))


def _apply_all(
    db: Session,
    publisher: Publisher,
    program: LoadedProgram,
    parsed: Sequence[_Parsed],
    members: dict[str, Member],
    *,
    received_at: datetime,
    now: datetime,
) -> list[Taken]:
    known = frozenset(members)
    touched: dict[int, Member] = {}
    # a single refused event takes its transaction along
    savepoint = db.begin_nested if len(parsed) > 1 else nullcontext
    taken = {
        place: pair
        if isinstance(pair, Taken)
        else _apply_once(db, publisher.program_cache, program, pair, members, touched, savepoint, now=now)
        for place, pair in sorted(enumerate(parsed), key=lambda one: _turn(one[1], known))
    }
    answers = [taken[place] for place in range(len(parsed))]
    cards = [card for member in touched.values() for card in member.cards]
    if cards:
        if any(not card.digest for card in cards):  # made under the programme as it is now
            program = publisher.program_cache.program(db, program.program_id)
        what = f"event {answers[0].event_id}" if len(answers) == 1 else f"{len(answers)} events"
        publisher.publish(db, program, cards, Cause(what, received_at), now=now)
    return answers


def _turn(pair: _Parsed, known: Collection[str]) -> tuple[bool, str]:
    """When an event is applied: in its order about a known member, after all those about a new one."""
    if isinstance(pair, Taken) or pair[0].subject in known:
        return False, ""
    return True, pair[0].subject


def _parsed(raw: Any) -> _Parsed:
    try:
        event = parse_event(raw)
        return event, data_of(event)
    except Invalid as error:
        event_id = raw.get("id") if isinstance(raw, dict) else None
        event_id = event_id if isinstance(event_id, str) and event_id.isprintable() else None
        return Taken(event_id=event_id, status="refused", faults=error.faults)


def _apply_once(
    db: Session,
    program_cache: ProgramCache,
    program: LoadedProgram,
    pair: tuple[CloudEvent, Data],
    members: dict[str, Member],
    touched: dict[int, Member],
    savepoint: Callable[[], AbstractContextManager[object]],
    *,
    now: datetime,
) -> Taken:
    event, data = pair
    try:
        with savepoint():
            if not _note(db, program.program_id, event, now=now):
                return _repeated(db, program.program_id, event)
            if isinstance(data, MemberDocument):
                members[event.subject], put = put_member(
                    db, program.document, event.subject, data, said_at=event.time, now=now
                )
                if put == "older":
                    return Taken(event_id=event.id, status="ignored", detail=_OLDER)
            member = members.get(event.subject)
            if member is None:
                raise NotFound(f"there is no member {event.subject!r}")
            if isinstance(data, LinkedPassDocument):
                put_linked_card(db, program_cache, member, data, now=now)
            done = _apply(db, program.document, event, member, data, now=now)
            if isinstance(data, Purchase) and done.status == "applied":
                _remember(db, member, data, at=min(event.time or now, now), now=now)
            if isinstance(data, Return) and done.status == "applied":
                note_return(db, member.program_id, member.id, data.order_id, data.refunded)
    except NotFound as error:
        return Taken(event_id=event.id, status="refused", faults=(Fault("subject", str(error), "no_such_member"),))
    except Conflict as error:
        return Taken(event_id=event.id, status="refused", faults=(Fault("data", str(error), "conflict"),))
    except Invalid as error:
        faults = error.under("data").faults if isinstance(data, _REFUSED_LATE) else error.faults
        return Taken(event_id=event.id, status="refused", faults=faults)
    if done.status == "applied":
        touched[member.id] = member
    return Taken(event_id=event.id, status=done.status, detail=done.detail)


_NOTE = text("""
INSERT INTO inbox_events (program_id, source, event_id, type, subject, received_at, digest)
VALUES (:program, :source, :event, :type, :subject, :now, :digest) ON CONFLICT DO NOTHING RETURNING TRUE
""")


def _note(db: Session, program_id: str, event: CloudEvent, *, now: datetime) -> bool:
    """Write the event down; False if it was here before."""
    values = {
        "program": program_id,
        "source": event.source,
        "event": event.id,
        "type": event.type,
        "subject": event.subject,
        "now": now,
        "digest": digest_of(event),
    }
    return db.scalar(_NOTE, values) is not None


_KNOWN_DIGEST = text("""
SELECT digest FROM inbox_events WHERE program_id = :program AND source = :source AND event_id = :event
""")


def _repeated(db: Session, program_id: str, event: CloudEvent) -> Taken:
    """An event whose source and id were here before: a repeat, or another one under the same name."""
    known = db.scalar(_KNOWN_DIGEST, {"program": program_id, "source": event.source, "event": event.id})
    if known is None or known == digest_of(event):
        return Taken(event_id=event.id, status="repeated")
    fault = Fault("id", "another event of this source had this id, with other content", "conflict")
    return Taken(event_id=event.id, status="refused", faults=(fault,))


_REFUSED_LATE = (LinkedPassDocument, BalancesDocument, Return)
"""Data whose faults show only when it is applied, with paths of its own."""


@dataclass(frozen=True)
class _Done:
    status: Status = "applied"
    detail: str | None = None


def _apply(
    db: Session, program: ProgramDocument, event: CloudEvent, member: Member, data: Data, *, now: datetime
) -> _Done:
    """Change the member's state."""
    keeps_books = program.master == "builtin"
    match data:
        case MemberDocument() | LinkedPassDocument():
            return _Done()
        case BalancesDocument():
            return _Done() if set_balances(db, program, member, data, now=now) else _Done("ignored", _OLDER)
        case Purchase():
            return _earn(db, program, event, member, data, now=now) if keeps_books else _Done()
        case Return():
            return _take_back(db, program, event, member, data, now=now) if keeps_books else _Done()
        case PointsAdjustment():
            return _adjust(db, program, event, member, data, now=now) if keeps_books else _Done("ignored", _OF_CRM)
        case _:
            assert_never(data)


def _earn(
    db: Session, program: ProgramDocument, event: CloudEvent, member: Member, data: Purchase, *, now: datetime
) -> _Done:
    order = OrderName(source=event.source, order_id=data.order_id)
    at = min(event.time or now, now)
    try:
        result = book_order(db, program, member, order, data.paid, at=at, now=now)
    except Invalid as error:
        raise error.under("data.paid.amount") from error
    if result == "repeated":
        return _Done("repeated", "this order has earned its points before")
    stamps = (member.balance.stamps or 0) + stamps_of(program.rules, data.paid)
    if stamps > LARGEST:
        raise Invalid.at("data.paid.amount", "takes the balance beyond what a wallet can carry", "balance_out_of_range")
    member.balance.stamps = stamps
    return _Done()


def _take_back(
    db: Session, program: ProgramDocument, event: CloudEvent, member: Member, data: Return, *, now: datetime
) -> _Done:
    refund = Refund(
        key=effect_key("reverse", event.source, data.refund_id or f"event {event.id}"),
        order=OrderName(source=data.order_source or event.source, order_id=data.order_id),
        refunded=data.refunded,
        reason=data.reason,
        actor=f"event:{event.source}",
    )
    match book_refund(db, program, member, refund, now=now):
        case "booked":
            return _Done()
        case "repeated":
            return _Done("repeated", "this refund was booked before")
        case "parked":
            return _Done(detail="kept until its order arrives")


def _adjust(
    db: Session, program: ProgramDocument, event: CloudEvent, member: Member, data: PointsAdjustment, *, now: datetime
) -> _Done:
    key, actor = effect_key("adjust", event.source, event.id), f"event:{event.source}"
    try:
        book_adjustment(db, program, member, data.points, key=key, reason=data.reason, actor=actor, now=now)
    except Invalid as error:
        raise error.under("data.points") from error
    return _Done()


def _remember(db: Session, member: Member, purchase: Purchase, *, at: datetime, now: datetime) -> None:
    """What offers and places ask of a purchase, whoever counts the points."""
    note_purchase(db, member.id, purchase.store_id, at)
    if purchase.offers:
        try:
            note_uses(
                db,
                member.program_id,
                member.id,
                purchase.order_id,
                purchase.store_id,
                purchase.paid,
                purchase.offers,
                at=at,
                now=now,
            )
        except Invalid as error:
            raise error.under("data") from error
