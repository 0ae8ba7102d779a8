"""A store as staff describe it: `PUT /stores/{store_id}`. Pure."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from wallet_service.documents.opening_hours import OpeningHoursField
from wallet_service.documents.types import (
    Identifier,
    Integer,
    Latitude,
    Longitude,
    PeopleText,
    ShortText,
    TimeZone,
    is_swapped,
)
from wallet_service.parsing import refusal
from wallet_service.values import Value


class Address(Value):
    """A postal address."""

    street: ShortText | None = None
    postal_code: ShortText | None = None
    city: ShortText | None = None
    country: ShortText | None = None


class Beacon(Value):
    """An iBeacon in the store."""

    uuid: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
    major: Annotated[Integer, Field(ge=0, le=65535)] | None = None
    minor: Annotated[Integer, Field(ge=0, le=65535)] | None = None


Phone = Annotated[str, Field(min_length=3, max_length=40, pattern=r"^\+?\(?[0-9][0-9 .()/\u00a0\u202f-]+$")]
"""As people write it; at least two digits, and nothing but digits and what stands between them."""


class StoreDetails(Value):
    """What whoever runs a store may change of it."""

    opening_hours: OpeningHoursField | None = None
    phone: Phone | None = None
    proximity_text: PeopleText | None = None


class StoreDocument(Value):
    """`PUT /stores/{store_id}`."""

    name: ShortText
    short_name: ShortText | None = None
    latitude: Latitude
    longitude: Longitude
    time_zone: TimeZone | None = None
    address: Address = Address()
    phone: Phone | None = None
    opening_hours: OpeningHoursField | None = None
    proximity_text: PeopleText | None = None
    beacons: Annotated[tuple[Beacon, ...], Field(max_length=100)] = ()
    groups: Annotated[tuple[Identifier, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _is_not_swapped(self) -> Self:
        if (self.address.country or "FR").casefold() in ("fr", "france") and is_swapped(self.latitude, self.longitude):
            raise refusal(
                "swapped",
                "latitude and longitude look swapped: no French store lies there, but one would the other way",
                path="latitude",
            )
        return self
