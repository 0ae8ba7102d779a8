"""What a CRM says of a member's balances: `PUT /members/{member_id}/balances` and `balances.set`. Pure.

An absent field is unchanged, null is cleared; `model_fields_set` tells the two apart. Unknown fields are refused.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from wallet_service.documents.types import (
    Code,
    Count,
    DayOrInstant,
    Identifier,
    Instant,
    LongText,
    Points,
    ShortText,
)
from wallet_service.parsing import refusal
from wallet_service.values import Money, Value


class VoucherFacts(Value):
    """One voucher the member holds, as a card knows it: it is over at an instant."""

    code: str
    amount: Money | None = None
    valid_until: Instant | None = None
    label: str | None = None


class VoucherDocument(Value):
    """One voucher as a CRM tells it: it is valid until an instant, or through the end of a day."""

    code: Code
    amount: Money | None = None
    valid_until: DayOrInstant | None = None
    label: ShortText | None = None


class BalancesDocument(Value):
    """`PUT /members/{member_id}/balances` and the data of `balances.set`: absolute state, in the CRM's own order."""

    sequence: Count | None = None
    as_of: Instant | None = None
    points: Points | None = None
    tier: ShortText | None = None
    tier_points: Count | None = None
    stamps: Count | None = None
    cashback: Money | None = None
    vouchers: tuple[VoucherDocument, ...] | None = Field(default=None, max_length=200)
    badges: tuple[ShortText, ...] | None = Field(default=None, max_length=200)
    lines: Annotated[dict[Identifier, LongText], Field(max_length=100)] | None = None

    @model_validator(mode="after")
    def _has_one_order(self) -> Self:
        if (self.sequence is None) == (self.as_of is None):
            raise refusal(
                "one_order", "give either sequence or as_of, so that older news can be told from newer", path="sequence"
            )
        return self
