"""Wallet sign-up: storing what a member entered in Wallet's form. Apple, "Personalize"; spec apple-wallet, section 3.

The call carries no authorization: the serial number, which nobody can guess, is the secret, and it counts once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from wallet_service.cards.content import CardContent
from wallet_service.cards.members import lock_members
from wallet_service.storage.tables import Card, Member, Program

Given = Annotated[str, Field(min_length=1, max_length=200)]


class SignUpInfo(BaseModel):
    """`requiredPersonalizationInfo`: what was asked for, under Apple's names."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    fullName: Given | None = None  # noqa: N815  (Apple's words)
    givenName: Given | None = None  # noqa: N815
    familyName: Given | None = None  # noqa: N815
    emailAddress: Given | None = None  # noqa: N815
    phoneNumber: Given | None = None  # noqa: N815
    postalCode: Given | None = None  # noqa: N815
    ISOCountryCode: Given | None = None

    @property
    def names(self) -> tuple[str | None, str | None]:
        """First and last name; where Wallet gives only the whole, its last word is the last name."""
        if self.givenName or self.familyName or not self.fullName:
            return self.givenName, self.familyName
        first, _, last = self.fullName.strip().rpartition(" ")
        return (first, last) if first else (last, None)


class SignUp(BaseModel):
    """The body of the call."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    personalizationToken: Annotated[str, Field(min_length=1, max_length=4096)]  # noqa: N815
    requiredPersonalizationInfo: SignUpInfo  # noqa: N815


def read_sign_up(body: bytes) -> SignUp | None:
    """The call's body, or None for anything else, or if it does not say the name."""
    try:
        told = SignUp.model_validate_json(body)
    except ValidationError:
        return None
    return told if any(told.requiredPersonalizationInfo.names) else None


def nameless_card(db: Session, pass_type_id: str, serial_number: str) -> Card | None:
    """The card of that pass, locked with its member, if its holder may still sign up: it shows no name yet."""
    owner = db.execute(
        select(Member.program_id, Member.member_id)
        .join(Member.cards)
        .join(Card.program)
        .where(Card.serial_number == serial_number, Card.linked_to.is_(None), Program.pass_type_id == pass_type_id)
    ).one_or_none()
    member = lock_members(db, owner.program_id, {owner.member_id}).get(owner.member_id) if owner is not None else None
    card = member.card if member is not None else None
    if card is None or not card.content:
        return None
    return card if CardContent.model_validate(card.content).nameless else None


def store_answers(member: Member, info: SignUpInfo, *, now: datetime) -> None:
    """Write a member's answers into their row; what was not asked for stays."""
    member.first_name, member.last_name = info.names
    member.email = info.emailAddress or member.email
    member.phone = info.phoneNumber or member.phone
    place = {"postal_code": info.postalCode, "country": info.ISOCountryCode}
    member.attributes = member.attributes | {name: text for name, text in place.items() if text}
    member.updated_at = now
