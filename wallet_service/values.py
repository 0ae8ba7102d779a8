"""Frozen values that every layer shares: the base of all models, and money."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Self

import iso4217
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

LARGEST = 2**53 - 1
"""The largest integer that JSON carries safely."""
_MICROS_DIGITS, _LARGEST_MICROS = 6, 2**63 - 1
"""Google takes money in millionths of the main unit, as a 64-bit integer."""


class Value(BaseModel):
    """A frozen value that refuses unknown members."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@cache
def _exponents() -> dict[str, int]:
    return {currency.code: currency.exponent for currency in iso4217.Currency if currency.exponent is not None}


def minor_digits(currency: str) -> int:
    """How many decimals the main unit of a currency has, by ISO 4217: 2 for EUR, 0 for JPY, 3 for KWD."""
    return _exponents()[currency]


def _currency(code: str) -> str:
    if code not in _exponents():
        raise PydanticCustomError("currency", "should be a currency in use, by its code (ISO 4217), e.g. EUR")
    return code


class Money(Value):
    """An amount in the currency's minor units (7990 EUR cents is 79.90 €)."""

    amount: int = Field(strict=True, ge=-LARGEST, le=LARGEST)
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_currency)]

    @model_validator(mode="after")
    def _fits_every_wallet(self) -> Self:
        if abs(self.amount) * 10 ** (_MICROS_DIGITS - minor_digits(self.currency)) > _LARGEST_MICROS:
            raise PydanticCustomError("money_out_of_range", "is more than a wallet can carry", {"path": "amount"})
        return self
