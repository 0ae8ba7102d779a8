"""The content of a card, the same for every wallet. Pure values: no database, no platform, no clock.

A `CardContent` is composed once, at publishing, stored with the card, and rendered by each wallet platform. What is
stored is what is shown: a pass fetched a week later is the version that was announced.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import orjson
from pydantic import Field

from wallet_service.offers.facts import Place
from wallet_service.values import Money, Value

FieldKind = Literal["text", "number", "money", "date", "instant"]
BarcodeFormat = Literal["qr", "aztec", "pdf417", "code128", "code39", "codabar", "ean13", "itf"]


class FieldContent(Value):
    """One field of the face, in the member's language.

    `value` is machine-readable by `kind` (number: integer; money: `Money`; date, instant: ISO 8601), for wallets that
    format in the phone's own locale; `text` is the same value already formatted for the card's locale.
    """

    id: str
    kind: FieldKind
    label: str
    value: str | int | Money
    text: str


class Barcode(Value):
    """`value` is what the till reads, `text` what a person reads under it."""

    format: BarcodeFormat
    value: str
    text: str | None = None


class Stamps(Value):
    """A stamp card's state: `earned` of `total`."""

    earned: int = Field(ge=0)
    total: int = Field(ge=1, le=30)


class CardContent(Value):
    """Everything that the holder can see or feel of one card, at one moment, in one language."""

    locale: str
    template_digest: str
    fields: tuple[FieldContent, ...]
    barcode: Barcode | None = None
    places: tuple[Place, ...] = ()
    radius_m: int | None = None
    stamps: Stamps | None = None
    voided: bool = False
    notify_field: str | None = None
    """The one field whose change the phone puts into words (Apple shows one generic notice when several notify)."""
    look: str | None = None
    """Which of the design's looks (colours) the card has, e.g. that of its tier; None: the design's own."""
    expires_at: str | None = None
    """ISO 8601 with its zone: from then on wallets show the card as expired."""
    nameless: bool = False
    """Nobody has said yet whose card it is; Apple Wallet can ask (personalization), where the programme wants that."""
    erased: bool = False
    """Its member was erased: the card is void and shows nothing of anybody."""

    def digest(self) -> str:
        """SHA-256, hex, of what the holder can see; which field notifies is left out: it changes nothing by itself."""
        visible = self.model_dump(mode="json", exclude={"notify_field"})
        # so that cards without keep the digest that they always had
        for key in ("look", "expires_at", "nameless", "erased"):
            if not visible[key]:
                del visible[key]
        for place in visible["places"]:
            if not place["beacons"]:
                del place["beacons"]
        return hashlib.sha256(orjson.dumps(visible, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def field(self, field_id: str) -> FieldContent | None:
        """The field of that id, or None where the card shows none (its value was empty)."""
        return next((field for field in self.fields if field.id == field_id), None)
