"""The facts of offers and stores that a card can show. Pure, frozen values."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from wallet_service.documents.types import Instant
from wallet_service.values import Value


class BeaconSpot(Value):
    """An iBeacon in a store, near which an iPhone may bring the card forward."""

    uuid: str
    major: int | None = None
    minor: int | None = None


class Place(Value):
    """A spot near which the phone may bring the card forward. Degrees, WGS 84."""

    store_id: str
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    text: str | None = None
    beacons: tuple[BeaconSpot, ...] = ()


class OfferFacts(Value):
    """The offer that counts most for this member now. `news` is the title under which the card has announced it, as it
    was then, and nothing before: a field that shows it, with `notify`, is how an iPhone notifies of an offer.
    """

    code: str
    title: str
    text: str | None = None
    ends_at: Instant | None = None
    store_name: str | None = None
    news: str | None = None


class StoreFacts(Value):
    """The member's favourite store.

    `is_open` is None where nobody has said its hours. `open_until`: when it closes, while it is open and ever closes;
    `opens_at`: when it opens next, while it is closed. Both by the store's own clock.
    """

    name: str
    city: str | None = None
    is_open: bool | None = None
    open_until: datetime | None = None
    opens_at: datetime | None = None
