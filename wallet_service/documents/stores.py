"""A store as staff describe it: `PUT /stores/{store_id}`. Pure."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from wallet_service.documents.types import (
    Identifier,
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
            raise refusal(
                "swapped",
                "latitude and longitude look swapped: no French store lies there, but one would the other way",
                path="latitude",
            )
        return self
