"""The facts that a template's expressions may use. Pure and frozen; a name that is not here is refused on loading.

Every root is one of these models; `facts.model_fields` is the list that template authors find in `docs/templates.md`.
"""

from __future__ import annotations

from typing import Any

from wallet_service.documents.balances import VoucherFacts
from wallet_service.documents.types import Day, Instant, Integer, TimeZone
from wallet_service.offers.facts import OfferFacts, StoreFacts
from wallet_service.values import Money, Value


class MemberFacts(Value):
    """The customer, as the CRM describes them."""

    member_id: str
    first_name: str | None = None
    last_name: str | None = None
    full_name: str | None = None
    birthday: Day | None = None
    locale: str
    card_number: str
    attributes: dict[str, Any] = {}


class BalanceFacts(Value):
    """What the member has earned. None: the program has never said."""

    points: Integer | None = None
    tier: str | None = None
    tier_points: Integer | None = None
    stamps: Integer | None = None
    cashback: Money | None = None
    vouchers: tuple[VoucherFacts, ...] = ()
    badges: tuple[str, ...] = ()
    lines: dict[str, str] = {}


class CardFacts(Value):
    """The card itself."""

    serial_number: str
    link: str
    issued_at: Instant
    voided: bool = False


class LinkedFacts(Value):
    """What was said of a pass linked to a card: see `documents.linked_passes`."""

    key: str
    expires_at: Instant | None = None
    amount: Money | None = None
    lines: dict[str, str] = {}


class ProgramFacts(Value):
    """The brand's programme."""

    name: str
    brand: str
    time_zone: TimeZone


class Facts(Value):
    """All roots. `offer` and `store` may be absent, and `linked` is there on linked passes only; a field whose value
    comes out as None is not shown.
    """

    member: MemberFacts
    balance: BalanceFacts
    card: CardFacts
    program: ProgramFacts
    offer: OfferFacts | None = None
    store: StoreFacts | None = None
    linked: LinkedFacts | None = None
