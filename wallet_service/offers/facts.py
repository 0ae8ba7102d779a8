"""The facts of offers and stores that a card can show. Pure, frozen values."""

from __future__ import annotations

from pydantic import Field

from wallet_service.documents.types import Instant
from wallet_service.values import Value


class Place(Value):
    """A spot near which the phone may bring the card forward. Degrees, WGS 84."""

    store_id: str
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    text: str | None = None


class OfferFacts(Value):
    """The offer that counts most for this member now."""

    code: str
    title: str
    text: str | None = None
    ends_at: Instant | None = None
    store_name: str | None = None


class StoreFacts(Value):
    """The member's favourite store."""

    name: str
    city: str | None = None
