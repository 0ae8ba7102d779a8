"""What orders earn, what their refunds take back, and corrections: the ledger as events use it.

A refund may arrive before its order. It is parked, and applied when the order arrives: any order of arrival makes the
same balance.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Literal

import structlog
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from wallet_service.documents.programs import ProgramDocument, RulesDocument
from wallet_service.errors import Conflict, Invalid
from wallet_service.loyalty.ledger.books import Book, Fact, open_book
from wallet_service.loyalty.ledger.dates import available_at, expires_at
from wallet_service.loyalty.ledger.operations import adjust, earn, reverse
from wallet_service.loyalty.ledger.refunds import EarnRule, OrderGrant
from wallet_service.storage.tables import LedgerOrder, LedgerParkedRefund, Member
from wallet_service.values import Money, Value, minor_digits

log = structlog.get_logger()
Result = Literal["booked", "repeated", "parked"]


def effect_key(what: str, source: str, name: str) -> str:
    """The key of a fact that another system names: no two sources can make the same."""
    return f"{what}:{source.replace('%', '%25').replace(':', '%3A')}:{name}"


class OrderName(Value):
    """An order, by the system that knows it."""

    source: str
    order_id: str


class Refund(Value):
    """One refund of an order; `key` is unique within the programme."""

    key: str
    order: OrderName
    refunded: Money
    reason: str | None
    actor: str


def rule_version(rules: RulesDocument) -> str:
    """A short name of the rules as they are: the same rules have the same."""
    return hashlib.sha256(rules.model_dump_json().encode()).hexdigest()[:16]


def book_order(
    db: Session, program: ProgramDocument, member: Member, order: OrderName, paid: Money, *, at: datetime, now: datetime
) -> Result:
    """Give a locked member the points of an order, and apply its refunds that came before it.

    Args:
        at: when it was bought; dates are counted from then.

    Raises:
        Conflict: the order was booked before, for another member or another amount.
        Invalid: the balance would be more than a wallet can carry.
    """
    rules, zone = program.rules, program.time_zone
    book = open_book(db, member, now=now, whole=False)
    rule = EarnRule(points_per_unit=rules.points_per_unit, minor_per_unit=10 ** minor_digits(paid.currency))
    points = rule.points_for(paid.amount)
    free_at = available_at(at, rules.pending_days, zone)
    fact = Fact(
        key=effect_key("earn", order.source, order.order_id),
        content={"paid": paid.amount, "currency": paid.currency},
        actor=f"event:{order.source}",
        rule_version=rule_version(rules),
        trace={
            "paid": paid.amount,
            "currency": paid.currency,
            "points": points,
            "points_per_unit": rule.points_per_unit,
            "minor_per_unit": rule.minor_per_unit,
        },
    )
    posted = book.post(
        fact,
        lambda account: earn(
            account,
            points,
            earned_at=at,
            available_at=free_at,
            expires_at=expires_at(rules.expiry, free_at or at, zone),
            now=now,
        ),
    )
    if posted.posting is None:
        return "repeated"
    grants = posted.posting.grants
    db.add(
        LedgerOrder(
            program_id=program.id,
            source=order.source,
            order_id=order.order_id,
            account_id=book.account_id,
            transaction_id=posted.transaction_id,
            lot=grants[0].number if grants else None,
            currency=paid.currency,
            amount=max(paid.amount, 0),
            points_per_unit=rule.points_per_unit,
            minor_per_unit=rule.minor_per_unit,
            granted=points,
            refunded=0,
            reversed=0,
        )
    )
    db.flush()
    _apply_parked(db, rules, book, order)
    book.book_due()  # what was bought long ago may have expired
    return "booked"


def book_refund(db: Session, program: ProgramDocument, member: Member, refund: Refund, *, now: datetime) -> Result:
    """Take back from a locked member what the refunded part of an order has earned, or park the refund.

    Raises:
        Conflict: the key was used for another refund, or the order is another member's.
        Invalid: the order was paid in another currency.
    """
    book = open_book(db, member, now=now)
    row = db.get(LedgerOrder, (program.id, refund.order.source, refund.order.order_id))
    if row is not None:
        return _reverse(db, program.rules, book, row, refund)
    parked = db.get(LedgerParkedRefund, (program.id, refund.key))
    if parked is not None:
        if _refund_of(parked) != refund or parked.account_id != book.account_id:
            raise Conflict(f"{refund.key} was received before, with other content")
        return "repeated"
    db.add(
        LedgerParkedRefund(
            program_id=program.id,
            effect_key=refund.key,
            account_id=book.account_id,
            source=refund.order.source,
            order_id=refund.order.order_id,
            currency=refund.refunded.currency,
            amount=refund.refunded.amount,
            reason=refund.reason,
            actor=refund.actor,
            received_at=now,
        )
    )
    db.flush()
    return "parked"


def book_adjustment(
    db: Session,
    program: ProgramDocument,
    member: Member,
    points: int,
    *,
    key: str,
    reason: str,
    actor: str,
    now: datetime,
) -> Result:
    """Add to a locked member's points, or take from them.

    Raises:
        Conflict: the key was used for another adjustment, or there are not so many points and nobody may owe any.
        Invalid: the balance would be more than a wallet can carry.
    """
    rules = program.rules
    book = open_book(db, member, now=now)
    posted = book.post(
        Fact(key=key, content={"points": points, "reason": reason}, actor=actor, reason=reason),
        lambda account: adjust(
            account,
            points,
            expires_at=expires_at(rules.expiry, now, program.time_zone),
            may_owe=rules.refund_policy == "unlimited",
            now=now,
        ),
    )
    return "repeated" if posted.repeated else "booked"


def book_balance(db: Session, member: Member, points: int, *, key: str, actor: str, now: datetime) -> None:
    """Make a locked member's balance what another system says it is: what differs is an adjustment, which does not
    expire.

    Raises:
        Invalid: the balance would be more than a wallet can carry.
    """
    book = open_book(db, member, now=now)
    more = points - book.account.balance
    book.post(
        Fact(key=key, content={"points": points}, actor=actor, reason="balance set"),
        lambda account: adjust(account, more, expires_at=None, may_owe=True, now=now),
    )


def _apply_parked(db: Session, rules: RulesDocument, book: Book, order: OrderName) -> None:
    parked = (
        select(LedgerParkedRefund)
        .where(
            LedgerParkedRefund.account_id == book.account_id,
            LedgerParkedRefund.source == order.source,
            LedgerParkedRefund.order_id == order.order_id,
        )
        .order_by(LedgerParkedRefund.received_at, LedgerParkedRefund.effect_key)
    )
    waiting = db.scalars(parked).all()
    if not waiting:
        return
    row = db.get_one(LedgerOrder, (waiting[0].program_id, order.source, order.order_id))
    for one in waiting:
        if one.currency != row.currency:
            log.warning("refund_in_other_currency", account_id=book.account_id, currency=one.currency)
            continue  # it stays, for a person to see
        _reverse(db, rules, book, row, _refund_of(one))
        db.execute(
            delete(LedgerParkedRefund).where(
                LedgerParkedRefund.program_id == one.program_id, LedgerParkedRefund.effect_key == one.effect_key
            )
        )


def _reverse(db: Session, rules: RulesDocument, book: Book, row: LedgerOrder, refund: Refund) -> Result:
    if row.account_id != book.account_id:
        raise Conflict(f"the order {row.order_id} is another member's")
    if row.currency != refund.refunded.currency:
        raise Invalid.at("refunded.currency", f"the order was paid in {row.currency}", "other_currency")
    before = OrderGrant(
        rule=EarnRule(points_per_unit=row.points_per_unit, minor_per_unit=row.minor_per_unit),
        amount=row.amount,
        granted=row.granted,
        refunded=row.refunded,
        reversed=row.reversed,
    )
    after = before.after_refund(refund.refunded.amount)
    amount = after.reversed - before.reversed
    book.read_open(lot=row.lot)
    posted = book.post(
        Fact(
            key=refund.key,
            content={
                "source": row.source,
                "order": row.order_id,
                "refunded": refund.refunded.amount,
                "currency": refund.refunded.currency,
            },
            actor=refund.actor,
            reason=refund.reason,
            trace={
                "granted": row.granted,
                "paid": row.amount,
                "policy": rules.refund_policy,
                "refunded_before": before.refunded,
                "reversed_before": before.reversed,
            },
            reverses=row.transaction_id,
        ),
        lambda account: reverse(account, row.lot, amount, policy=rules.refund_policy, now=book.now),
    )
    if posted.repeated:
        return "repeated"
    row.refunded, row.reversed = after.refunded, after.reversed
    db.flush()
    return "booked"


def _refund_of(row: LedgerParkedRefund) -> Refund:
    return Refund(
        key=row.effect_key,
        order=OrderName(source=row.source, order_id=row.order_id),
        refunded=Money(amount=row.amount, currency=row.currency),
        reason=row.reason,
        actor=row.actor,
    )
