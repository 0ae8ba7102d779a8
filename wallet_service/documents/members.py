"""What a CRM says of a member: `PUT /members/{member_id}` and `member.updated`. Pure.

An absent field is unchanged, null is cleared; `model_fields_set` tells the two apart. Unknown fields are refused.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from wallet_service.documents.types import (
    Day,
    FreeForm,
    Identifier,
    Instant,
    Latitude,
    Locale,
    Longitude,
    ShortText,
    Truth,
    is_swapped,
)
from wallet_service.parsing import OBJECT, OBJECT_OR_PLAIN, PLAIN, refusal
from wallet_service.values import Value


def _card_number(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise refusal("card_number", "should hold ASCII letters, digits and signs only, as a barcode does")
    return text


CardNumber = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_card_number)]


class Home(Value):
    """Where the member lives: degrees, WGS 84."""

    latitude: Latitude
    longitude: Longitude

    @model_validator(mode="after")
    def _is_not_swapped(self) -> Self:
        if is_swapped(self.latitude, self.longitude):
            raise refusal(
                "swapped",
                "latitude and longitude look swapped: no French home lies there, but one would the other way",
                path="latitude",
            )
        return self


class Consent(Value):
    """What the member said about marketing, when and where."""

    given: Truth
    at: Instant | None = None
    source: ShortText | None = None


class Consents(Value):
    """The member's consents."""

    marketing: Annotated[Annotated[Consent, OBJECT] | Annotated[Truth, PLAIN], OBJECT_OR_PLAIN] | None = None


class MemberDocument(Value):
    """`PUT /members/{member_id}` and the data of `member.updated`."""

    first_name: ShortText | None = None
    last_name: ShortText | None = None
    email: Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    phone: Annotated[str, Field(max_length=32, pattern=r"^\+?[0-9 ().-]{4,}$")] | None = None
    locale: Locale | None = None
    birthday: Day | None = None
    card_number: CardNumber | None = None
    favourite_store_id: Identifier | None = None
    home: Home | None = None
    consents: Consents | None = None
    attributes: FreeForm | None = None
