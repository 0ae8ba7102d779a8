"""Who may use an offer: what its target says, against what is known of a member at a moment. Pure.

The first condition that a member does not meet is the reason that audiences and proofs name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

Wallet = Literal["apple", "google"]
Condition = Literal["tier", "favourite_store", "attributes", "purchase", "consent", "wallet", "uses", "no_store"]
NOWHERE = ""
"""The store of purchases that named none."""
OWN_FOR = timedelta(days=365)
"""For so long after a purchase a store is one of the member's own."""


@dataclass(frozen=True, slots=True)
class LastPurchase:
    """The last purchase at one store."""

    store_id: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class History:
    """What a member did, as far as a programme's offers ask for it.

    Attributes:
        purchases: the last one at each store, the newest first.
        wallets: where the card is installed.
        uses: an offer's code → how often the member has used it.
    """

    purchases: tuple[LastPurchase, ...] = ()
    wallets: frozenset[Wallet] = frozenset()
    uses: Mapping[str, int] = field(default_factory=dict)

    def own_stores(self, now: datetime) -> tuple[str, ...]:
        """The stores of purchases that still count, the newest first."""
        return tuple(last.store_id for last in self.purchases if last.store_id != NOWHERE and now < last.at + OWN_FOR)

    def changes_at(self, now: datetime) -> datetime | None:
        """When the next store stops being the member's own by itself."""
        ends = (last.at + OWN_FOR for last in self.purchases if last.store_id != NOWHERE)
        return min((end for end in ends if end > now), default=None)


NO_HISTORY = History()


@dataclass(frozen=True, kw_only=True)
class TargetMember:
    """What a target asks of a member."""

    tier: str | None
    favourite_store_id: str | None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    has_consented: bool = False
    history: History = NO_HISTORY


@dataclass(frozen=True, kw_only=True)
class Targeting:
    """The conditions of an offer; all must be met, and an empty one is."""

    tiers: frozenset[str] = frozenset()
    favourite_store_ids: frozenset[str] = frozenset()
    attributes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    purchased_within: timedelta | None = None
    purchased_here: bool = False
    """Whether only purchases at the offer's stores count."""
    consent: bool = False
    wallets: frozenset[str] = frozenset()
    uses_per_member: int | None = None

    def why_not(self, member: TargetMember, *, code: str, here: Collection[str], now: datetime) -> Condition | None:
        """The first condition that the member does not meet now; None: the offer is for them.

        Args:
            code: the offer's.
            here: the offer's stores.
        """
        history = member.history
        if self.tiers and member.tier not in self.tiers:
            return "tier"
        if self.favourite_store_ids and member.favourite_store_id not in self.favourite_store_ids:
            return "favourite_store"
        if not all(_texts_of(member.attributes.get(name)) & values for name, values in self.attributes.items()):
            return "attributes"
        if self.purchased_within is not None:
            until = self.lapses_at(history.purchases, here)
            if until is None or until <= now:
                return "purchase"
        if self.wallets and not self.wallets & history.wallets:
            return "wallet"
        if self.uses_per_member is not None and history.uses.get(code, 0) >= self.uses_per_member:
            return "uses"
        return "consent" if self.consent and not member.has_consented else None

    def lapses_at(self, purchases: Sequence[LastPurchase], here: Collection[str]) -> datetime | None:
        """When the condition on the last purchase ends to be met; None where there is none, or no such purchase."""
        if self.purchased_within is None:
            return None
        counted = (last.at for last in purchases if not self.purchased_here or last.store_id in here)
        last_at = max(counted, default=None)
        return None if last_at is None else last_at + self.purchased_within


def targeting_of(target: Mapping[str, Any], uses_per_member: int | None) -> Targeting:
    """The conditions of an offer as its row has them."""
    days = target.get("purchased_within_days")
    return Targeting(
        tiers=frozenset(target.get("tiers", ())),
        favourite_store_ids=frozenset(target.get("favourite_store_ids", ())),
        attributes={name: frozenset(values) for name, values in target.get("attributes", {}).items()},
        purchased_within=None if days is None else timedelta(days=days),
        purchased_here=target.get("purchased_at") == "offer_stores",
        consent=bool(target.get("consent", False)),
        wallets=frozenset(target.get("wallets", ())),
        uses_per_member=uses_per_member,
    )


def has_consented(consents: Mapping[str, Any]) -> bool:
    """Whether a member's consents hold one to marketing."""
    marketing = consents.get("marketing")
    return marketing is True or (isinstance(marketing, Mapping) and marketing.get("given") is True)


def _texts_of(value: Any) -> frozenset[str]:
    """An attribute as the texts that a target can name: JSON's words for numbers and truths, each of a list."""
    match value:
        case None | dict():
            return frozenset()
        case bool():
            return frozenset({"true" if value else "false"})
        case list() | tuple():
            return frozenset(text for each in value for text in _texts_of(each))
        case _:
            return frozenset({str(value)})
