"""A geofenced offer as staff describe it: `POST /offers`. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator

from wallet_service.documents.types import Identifier, PeopleText, ShortText
from wallet_service.parsing import refusal
from wallet_service.values import Value


class Target(Value):
    """Who may use an offer; empty: everybody."""

    tiers: tuple[ShortText, ...] = ()


class OfferDocument(Value):
    """`POST /offers`. The span is half-open; local times are in the zone of the offer's stores."""

    code: Identifier
    title: PeopleText
    text: PeopleText | None = None
    proximity_text: PeopleText | None = None
    store_ids: tuple[Identifier, ...] = ()
    groups: tuple[Identifier, ...] = ()
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    starts_at_local: datetime | None = None
    ends_at_local: datetime | None = None
    target: Target = Target()
    radius_m: Annotated[int, Field(ge=10, le=1000)] | None = None
    uses_per_member: Annotated[int, Field(ge=1)] | None = None
    uses_total: Annotated[int, Field(ge=1)] | None = None
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    notify: bool = False

    @model_validator(mode="after")
    def _has_one_span(self) -> Self:
        for name in ("starts_at", "ends_at"):
            instant, local = getattr(self, name), getattr(self, f"{name}_local")
            if (instant is None) == (local is None):
                raise refusal(
                    "one_instant", "give either {name} (with an offset) or {name}_local", path=name, name=name
                )
            if local is not None and local.tzinfo is not None:
                raise refusal(
                    "offset_in_local_time",
                    "{name}_local is the store's own time: leave the offset out, or use {name}",
                    path=f"{name}_local",
                    name=name,
                )
        return self
