"""Members: created and updated by the CRM's own id, locked for every change of their state."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, joinedload

from wallet_service.documents.balances import BalancesDocument, VoucherDocument, VoucherFacts
from wallet_service.documents.members import MemberDocument
from wallet_service.documents.programs import ProgramDocument
from wallet_service.errors import Conflict, Invalid, NotFound
from wallet_service.loyalty.ledger.orders import book_balance
from wallet_service.offers.windows import end_of_day
from wallet_service.storage.tables import Balance, Member

_CARD_NUMBER_DIGITS = 12
_EPOCH = datetime.fromtimestamp(0, UTC)


def lock_member(db: Session, program_id: str, member_id: str) -> Member:
    """The member with balance and cards, locked until the transaction ends.

    Raises:
        NotFound: the programme has no such member.
    """
    member = lock_members(db, program_id, {member_id}).get(member_id)
    if member is None:
        raise NotFound(f"there is no member {member_id!r}")
    return member


_LOCK = """
WITH chosen AS (
    SELECT id FROM members WHERE program_id = :program AND member_id {members} ORDER BY id FOR NO KEY UPDATE
), theirs AS (
    SELECT member_pk FROM cards WHERE member_pk IN (SELECT id FROM chosen) ORDER BY id FOR NO KEY UPDATE
)
SELECT chosen.id FROM chosen LEFT JOIN theirs ON theirs.member_pk = chosen.id
"""
_LOCK_ONE, _LOCK_MANY = (text(_LOCK.format(members=members)) for members in ("= :members", "= ANY(:members)"))
"""The plan for one member is kept; for a list of unknown length PostgreSQL plans anew each time."""
_WITH_BOTH = select(Member).options(joinedload(Member.balance), joinedload(Member.cards))
_LOCKED = _WITH_BOTH.execution_options(populate_existing=True)
_LOCKED_ONE = _LOCKED.where(Member.id == bindparam("locked"))


def lock_members(db: Session, program_id: str, member_ids: Collection[str]) -> dict[str, Member]:
    """Lock several members with all their cards, in one order for all: two batches never wait for each other in a
    circle.

    What was locked is read by a statement of its own, after the lock: a statement that waits for a lock has read the
    rest before it waited. The locks leave alone who only refers to a member or a card.
    """
    if len(member_ids) == 1:
        locked = db.scalar(_LOCK_ONE, {"program": program_id, "members": next(iter(member_ids))})
        members = db.scalars(_LOCKED_ONE, {"locked": locked}).unique()
    else:
        several = db.scalars(_LOCK_MANY, {"program": program_id, "members": list(member_ids)}).all()
        members = db.scalars(_LOCKED.where(Member.id.in_(several))).unique()
    return {member.member_id: member for member in members}


def read_member(db: Session, program_id: str, member_id: str) -> Member:
    """The member with balance and cards, as it is, without a lock.

    Raises:
        NotFound: the programme has no such member.
    """
    of_program = (Member.program_id == program_id, Member.member_id == member_id)
    member = db.scalars(_WITH_BOTH.where(*of_program)).unique().one_or_none()
    if member is None:
        raise NotFound(f"there is no member {member_id!r}")
    return member


Put = Literal["created", "updated", "older"]


def put_member(
    db: Session,
    program: ProgramDocument,
    member_id: str,
    document: MemberDocument,
    *,
    said_at: datetime | None = None,
    now: datetime,
) -> tuple[Member, Put]:
    """Create or update a member; returns the locked row and what was done. Each field keeps when it was last written:
    what was said before that is left out. `older`: all of it was, and nothing changed.

    Where we keep the books ourselves a new member starts at zero; a CRM's member has no balance until the CRM says so.

    Args:
        said_at: when the CRM said this; None: now. A time in the future counts as now, or one wrong clock would
            silence everybody else. Of two words of one instant the one that arrives later counts.

    Raises:
        Conflict: the card number belongs to another member.
    """
    created = db.scalar(
        insert(Member)
        .values(
            program_id=program.id,
            member_id=member_id,
            card_number=document.card_number or _new_card_number(),
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing()
        .returning(Member.id)
    )
    if created is not None:
        zero = 0 if program.master == "builtin" else None
        db.execute(insert(Balance).values(member_pk=created, points=zero, stamps=zero))
    member = lock_members(db, program.id, {member_id}).get(member_id)
    if member is None:  # the card number is another's, or the member was erased since the insert
        _refuse_taken_card_number(db, program.id, member_id, document.card_number)
        return put_member(db, program, member_id, document, said_at=said_at, now=now)
    heard = (min(said_at or now, now) - _EPOCH) // timedelta(microseconds=1)
    given = _columns(document)
    news = {field for field in given if said_at is None or heard >= member.said_at.get(field, heard)}
    if given and not news:
        return member, "older"
    if "card_number" in news and document.card_number != member.card_number:
        _refuse_taken_card_number(db, program.id, member_id, document.card_number)
    member.said_at = member.said_at | {field: max(heard, member.said_at.get(field, heard)) for field in news}
    for name, value in (column for field in news for column in given[field].items()):
        if getattr(member, name) != value:
            setattr(member, name, value)
            member.updated_at = now
    db.flush()
    return member, "updated" if created is None else "created"


def _refuse_taken_card_number(db: Session, program_id: str, member_id: str, card_number: str | None) -> None:
    owner = db.scalar(
        select(Member.member_id).where(Member.program_id == program_id, Member.card_number == card_number)
    )
    if owner not in (None, member_id):
        raise Conflict(f"card_number {card_number} belongs to another member")


def _columns(document: MemberDocument) -> dict[str, dict[str, Any]]:
    """The fields that a document holds, and what each puts into which columns. A card number cannot be cleared."""
    plain = document.model_dump(mode="json", include=document.model_fields_set)
    return {
        field: _columns_of(document, field, plain)
        for field, value in plain.items()
        if field != "card_number" or value is not None
    }


def _columns_of(document: MemberDocument, field: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    match field:
        case "home":
            home = document.home
            return {
                "home_latitude": home.latitude if home else None,
                "home_longitude": home.longitude if home else None,
            }
        case "consents" | "attributes":
            return {field: plain[field] or {}}
        case _:
            return {field: getattr(document, field)}


def _new_card_number() -> str:
    return "".join(secrets.choice("0123456789") for _ in range(_CARD_NUMBER_DIGITS))


def voucher_facts(voucher: VoucherDocument, zone: str) -> VoucherFacts:
    """A voucher as it is stored: valid until an instant, for a day ends when it ends in the programme's zone."""
    until = voucher.valid_until
    if until is not None and not isinstance(until, datetime):
        until = end_of_day(until, ZoneInfo(zone))
    return VoucherFacts(code=voucher.code, amount=voucher.amount, valid_until=until, label=voucher.label)


_BALANCE_FIELDS = ("points", "tier", "tier_points", "stamps", "cashback", "vouchers", "badges", "lines")
_EMPTY: dict[str, Any] = {"vouchers": [], "badges": [], "lines": {}}


def set_balances(
    db: Session, program: ProgramDocument, member: Member, document: BalancesDocument, *, now: datetime
) -> bool:
    """Put the CRM's absolute state into a locked member's balance; returns False, and changes nothing, if it is older
    news. Where we keep the books ourselves the points go through the ledger, as an adjustment.

    Equal is older: the same sequence twice is a repeat.

    Raises:
        Invalid: the points are more than a wallet can carry, with those that are pending.
        Conflict: the member's balances are in the other order, and which of the two is newer cannot be known.
    """
    balance = member.balance
    if (balance.as_of if document.sequence is not None else balance.sequence) is not None:
        known, given = ("as_of", "sequence") if document.sequence is not None else ("sequence", "as_of")
        raise Conflict(f"this member's balances are in the order of {known}; {given} cannot be compared with it")
    if document.sequence is not None:
        if balance.sequence is not None and document.sequence <= balance.sequence:
            return False
        balance.sequence = document.sequence
    elif document.as_of is not None:
        if balance.as_of is not None and document.as_of <= balance.as_of:
            return False
        balance.as_of = document.as_of
    plain = document.model_dump(mode="json", include=document.model_fields_set)
    if document.vouchers is not None:
        plain["vouchers"] = [voucher_facts(one, program.time_zone).model_dump(mode="json") for one in document.vouchers]
    if program.master == "builtin" and "points" in plain:
        order = f"sequence {document.sequence}" if document.sequence is not None else f"as_of {plain['as_of']}"
        key = f"balance:{member.id}:{order}"
        try:
            book_balance(db, member, plain.pop("points") or 0, key=key, actor="balances", now=now)
        except Invalid as error:
            raise error.under("points") from error
    for name in _BALANCE_FIELDS:
        if name in plain:
            value = plain[name] if plain[name] is not None else _EMPTY.get(name)
            setattr(balance, name, value)
    return True
