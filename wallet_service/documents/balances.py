"""What a CRM says of a member's balances: `PUT /members/{member_id}/balances` and `balances.set`. Pure.

An absent field is unchanged, null is cleared; `model_fields_set` tells the two apart. Unknown fields are refused.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from wallet_service.documents.types import LARGEST, Count, ShortText
from wallet_service.parsing import refusal
from wallet_service.values import Money, Value


class VoucherFacts(Value):
    """One voucher the member holds."""

    code: str
    amount: Money | None = None
    valid_until: datetime | None = None
    label: str | None = None


class BalancesDocument(Value):
    """`PUT /members/{member_id}/balances` and the data of `balances.set`: absolute state, in the CRM's own order."""

    sequence: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    as_of: AwareDatetime | None = None
    points: Annotated[int, Field(ge=-LARGEST, le=LARGEST)] | None = None
    tier: ShortText | None = None
    tier_points: Count | None = None
    stamps: Count | None = None
    cashback: Money | None = None
    vouchers: tuple[VoucherFacts, ...] | None = Field(default=None, max_length=200)
    badges: tuple[ShortText, ...] | None = Field(default=None, max_length=200)
    lines: dict[str, Annotated[str, Field(max_length=500)]] | None = None

    @model_validator(mode="after")
    def _has_one_order(self) -> Self:
        if (self.sequence is None) == (self.as_of is None):
            raise refusal(
                "one_order", "give either sequence or as_of, so that older news can be told from newer", path="sequence"
            )
        return self
