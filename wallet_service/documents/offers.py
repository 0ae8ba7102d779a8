"""A geofenced offer as staff describe it: `POST /offers`. Pure."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from wallet_service.documents.types import Identifier, Instant, Integer, LocalTime, PeopleText, ShortText, Truth
from wallet_service.parsing import refusal
from wallet_service.values import Value

AttributeValues = Annotated[tuple[ShortText, ...], Field(min_length=1, max_length=100)]
StoreIds = Annotated[tuple[Identifier, ...], Field(max_length=10_000)]
Groups = Annotated[tuple[Identifier, ...], Field(max_length=100)]
Radius = Annotated[Integer, Field(ge=10, le=1000)]
Priority = Annotated[Integer, Field(ge=-1000, le=1000)]
Uses = Annotated[Integer, Field(ge=1, le=2**31 - 1)]


class Target(Value):
    """Who may use an offer: whoever meets all of these; empty: everybody.

    Attributes:
        purchased_within_days: the last purchase is not older, `purchased_at` any store or one of the offer's.
        attributes: name → values of which the member has one; numbers and truths as JSON writes them.
        consent: only with the consent to marketing.
        wallets: the card is installed in one of them.
    """

    tiers: Annotated[tuple[ShortText, ...], Field(max_length=100)] = ()
    favourite_store_ids: Annotated[tuple[Identifier, ...], Field(max_length=1000)] = ()
    purchased_within_days: Annotated[Integer, Field(ge=1, le=3650)] | None = None
    purchased_at: Literal["anywhere", "offer_stores"] = "anywhere"
    attributes: Annotated[dict[ShortText, AttributeValues], Field(max_length=20)] = {}
    consent: Truth = False
    wallets: Annotated[tuple[Literal["apple", "google"], ...], Field(max_length=2)] = ()


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
