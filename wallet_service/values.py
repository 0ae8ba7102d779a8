"""Frozen values that every layer shares: the base of all models, and money."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Value(BaseModel):
    """A frozen value that refuses unknown members."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Money(Value):
    """An amount in the currency's minor units (7990 EUR cents is 79.90 €)."""

    amount: int = Field(ge=-(2**63), lt=2**63)
    currency: str = Field(pattern=r"^[A-Z]{3}$")
