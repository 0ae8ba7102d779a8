"""A geofenced offer as staff describe it: `POST /offers`. Pure."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from wallet_service.documents.types import Identifier, Instant, Integer, LocalTime, PeopleText, ShortText, Truth
from wallet_service.parsing import refusal
from wallet_service.values import Value

StoreIds = Annotated[tuple[Identifier, ...], Field(max_length=10_000)]
Groups = Annotated[tuple[Identifier, ...], Field(max_length=100)]
Radius = Annotated[Integer, Field(ge=10, le=1000)]
Priority = Annotated[Integer, Field(ge=-1000, le=1000)]
Uses = Annotated[Integer, Field(ge=1, le=2**31 - 1)]


class Target(Value):
    """Who may use an offer; empty: everybody."""

    tiers: Annotated[tuple[ShortText, ...], Field(max_length=100)] = ()


class OfferDocument(Value):
    """`POST /offers`. The span is half-open; local times are in the zone of the offer's stores."""

    code: Identifier
    title: PeopleText
    text: PeopleText | None = None
    proximity_text: PeopleText | None = None
    store_ids: StoreIds = ()
    groups: Groups = ()
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    starts_at_local: LocalTime | None = None
    ends_at_local: LocalTime | None = None
    target: Target = Target()
    radius_m: Radius | None = None
    uses_per_member: Uses | None = None
    uses_total: Uses | None = None
    priority: Priority = 0
    notify: Truth = False

    @model_validator(mode="after")
    def _has_one_span(self) -> Self:
        for name in ("starts_at", "ends_at"):
            instant, local = getattr(self, name), getattr(self, f"{name}_local")
            if (instant is None) == (local is None):
                raise refusal(
                    "one_instant", "give either {name} (with an offset) or {name}_local", path=name, name=name
                )
        return self


class OfferPatch(Value):
    """`PATCH /offers/{id}`: what is to change, a field for a field; an absent one stays, null clears one that may be
    empty. A start or an end replaces the other form of it.
    """

    code: Identifier | None = None
    title: PeopleText | None = None
    text: PeopleText | None = None
    proximity_text: PeopleText | None = None
    store_ids: StoreIds | None = None
    groups: Groups | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    starts_at_local: LocalTime | None = None
    ends_at_local: LocalTime | None = None
    target: Target | None = None
    radius_m: Radius | None = None
    uses_per_member: Uses | None = None
    uses_total: Uses | None = None
    priority: Priority | None = None
    notify: Truth | None = None
