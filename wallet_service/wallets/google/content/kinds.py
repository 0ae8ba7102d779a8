"""Which of Google's kinds of pass a design becomes: its style decides. Pure.

Source: google-wallet.md sections 1, 6 and 7, and "Other types at a glance".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wallet_service.cards.template import Template


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind by Google's own word, e.g. `loyalty`; its names in the schema, in addresses and in save links."""

    name: str

    @property
    def class_schema(self) -> str:
        """`LoyaltyClass`."""
        return f"{self.name[0].upper()}{self.name[1:]}Class"

    @property
    def object_schema(self) -> str:
        """`LoyaltyObject`."""
        return f"{self.name[0].upper()}{self.name[1:]}Object"

    @property
    def class_collection(self) -> str:
        """`loyaltyClass`."""
        return f"{self.name}Class"

    @property
    def object_collection(self) -> str:
        """`loyaltyObject`."""
        return f"{self.name}Object"

    @property
    def is_reviewed(self) -> bool:
        """Whether its classes have a review status: all but generic ones."""
        return self.name != "generic"


LOYALTY, OFFER, GIFT_CARD, EVENT_TICKET, GENERIC = (
    Kind(name) for name in ("loyalty", "offer", "giftCard", "eventTicket", "generic")
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (LOYALTY, OFFER, GIFT_CARD, EVENT_TICKET, GENERIC)}
_OF_STYLE: Mapping[str, Kind] = {
    "store_card": LOYALTY,
    "coupon": OFFER,
    "gift_card": GIFT_CARD,
    "event_ticket": EVENT_TICKET,
    "generic": GENERIC,
}


def kind_of(template: Template) -> Kind:
    """The kind that a design becomes. A member's card is a loyalty card: only that has points, and news of them."""
    return _OF_STYLE[template.document.style]
