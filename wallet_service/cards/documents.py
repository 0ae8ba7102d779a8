"""The documents that CRMs, tills and staff send about members, balances and stores (design.md section 5). Pure.

An absent field is unchanged, null is cleared; `model_fields_set` tells the two apart. Unknown fields are refused.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, Field, model_validator

from wallet_service.cards.content import Money, Value
from wallet_service.cards.facts import VoucherFacts
from wallet_service.programs.document import Locale, TimeZone

LARGEST = 2**53 - 1
"""Every integer that JSON can carry safely."""

Identifier = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\s/\x00-\x1f]+$")]
ShortText = Annotated[str, Field(min_length=1, max_length=200)]
Texts = dict[Locale, Annotated[str, Field(min_length=1, max_length=500)]]
PeopleText = Texts | Annotated[str, Field(min_length=1, max_length=500)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=LARGEST)]


def texts_of(text: PeopleText | None, locale: str) -> dict[str, str]:
    """A text for people as `{locale: text}`; one bare string is in the programme's first locale."""
    if text is None:
        return {}
    return {locale: text} if isinstance(text, str) else dict(text)


class Home(Value):
    """Where the member lives: degrees, WGS 84."""

    latitude: Latitude
    longitude: Longitude

    @model_validator(mode="after")
    def _is_not_swapped(self) -> Self:
        if is_swapped(self.latitude, self.longitude):
            raise ValueError(
                "latitude and longitude look swapped: no French home lies there, but one would the other way"
            )
        return self


class Consent(Value):
    """What the member said about marketing, when and where."""

    given: bool
    at: AwareDatetime | None = None
    source: ShortText | None = None


class Consents(Value):
    """The member's consents."""

    marketing: bool | Consent | None = None


class MemberDocument(Value):
    """`PUT /members/{member_id}` and the data of `member.updated`."""

    first_name: ShortText | None = None
    last_name: ShortText | None = None
    email: Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    phone: Annotated[str, Field(max_length=32, pattern=r"^\+?[0-9 ().-]{4,}$")] | None = None
    locale: Locale | None = None
    birthday: date | None = None
    card_number: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")] | None = None
    favourite_store_id: Identifier | None = None
    home: Home | None = None
    consents: Consents | None = None
    attributes: dict[str, Any] | None = None


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
            raise ValueError("give either sequence or as_of, so that older news can be told from newer")
        return self


class Address(Value):
    """A postal address."""

    street: str | None = None
    postal_code: str | None = None
    city: str | None = None
    country: str | None = None


class Beacon(Value):
    """An iBeacon in the store."""

    uuid: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
    major: Annotated[int, Field(ge=0, le=65535)] | None = None
    minor: Annotated[int, Field(ge=0, le=65535)] | None = None


class StoreDocument(Value):
    """`PUT /stores/{store_id}`."""

    name: ShortText
    short_name: ShortText | None = None
    latitude: Latitude
    longitude: Longitude
    time_zone: TimeZone | None = None
    address: Address = Address()
    opening_hours: dict[str, Any] = {}
    proximity_text: PeopleText | None = None
    beacons: tuple[Beacon, ...] = ()
    groups: tuple[Identifier, ...] = ()

    @model_validator(mode="after")
    def _is_not_swapped(self) -> Self:
        if (self.address.country or "FR").casefold() in ("fr", "france") and is_swapped(self.latitude, self.longitude):
            raise ValueError(
                "latitude and longitude look swapped: no French store lies there, but one would the other way"
            )
        return self


_METROPOLE = ((41.0, 51.5), (-5.5, 10.0))


def is_swapped(latitude: float, longitude: float) -> bool:
    """Whether a point lies in metropolitan France only when its coordinates are exchanged."""
    (south, north), (west, east) = _METROPOLE
    inside = south <= latitude <= north and west <= longitude <= east
    exchanged = south <= longitude <= north and west <= latitude <= east
    return exchanged and not inside


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
                raise ValueError(f"give either {name} (with an offset) or {name}_local")
            if local is not None and local.tzinfo is not None:
                raise ValueError(f"{name}_local is the store's own time: leave the offset out, or use {name}")
        return self
