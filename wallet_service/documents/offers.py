"""A geofenced offer as staff describe it: `POST /offers`. Pure."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from wallet_service.documents.types import (
    Identifier,
    Instant,
    Integer,
    LocalTime,
    PeopleText,
    ShortText,
    Truth,
    require_one_span,
)
from wallet_service.parsing import refusal
from wallet_service.values import Value

AttributeValues = Annotated[tuple[ShortText, ...], Field(min_length=1, max_length=100)]
StoreIds = Annotated[tuple[Identifier, ...], Field(max_length=10_000)]
Groups = Annotated[tuple[Identifier, ...], Field(max_length=100)]
Radius = Annotated[Integer, Field(ge=10, le=1000)]
Priority = Annotated[Integer, Field(ge=-1000, le=1000)]
Uses = Annotated[Integer, Field(ge=1, le=2**31 - 1)]

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00", re.ASCII)


def _clock_time(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise refusal("clock_time", "should be a time of the store's clock such as 14:30, at most 24:00")
    return text


ClockTime = Annotated[str, Field(max_length=5), AfterValidator(_clock_time)]


def clock_minutes(text: str) -> int:
    """A time of a clock as minutes since midnight; `24:00` is the day's end."""
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


class OfferHours(Value):
    """A span of one day of the week by the store's clock; `to` is not in it, and `24:00` is the end of the day."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    day: Weekday
    begins: ClockTime = Field(alias="from")
    ends: ClockTime = Field(alias="to")

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.begins == self.ends:
            raise refusal("empty_span", "ends when it begins", path="to")
        if clock_minutes(self.ends) < clock_minutes(self.begins):
            words = "lies before the beginning: hours end at 24:00 at the latest; go on at 00:00 of the next day"
            raise refusal("over_midnight", words, path="to")
        return self


WeeklyOfferHours = Annotated[tuple[OfferHours, ...], Field(max_length=100)]


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
    """`POST /offers`. The span is half-open; local times are in the zone of the offer's stores.

    Attributes:
        weekly_hours: within the span it holds at each store only in these hours of that store's clock; none: in all.
        only_when_open: at each store only while that is open; a store whose hours nobody has said counts as open.
    """

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
    weekly_hours: WeeklyOfferHours = ()
    only_when_open: Truth = False

    @model_validator(mode="after")
    def _has_one_span(self) -> Self:
        require_one_span(self)
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
    weekly_hours: WeeklyOfferHours | None = None
    only_when_open: Truth | None = None
