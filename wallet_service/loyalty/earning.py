"""What a purchase earns beside points, for programmes whose master is `builtin`. Pure."""

from __future__ import annotations

from wallet_service.documents.programs import RulesDocument
from wallet_service.values import Money


def stamps_of(rules: RulesDocument, paid: Money) -> int:
    """The stamps of a purchase; one that cost nothing brings none."""
    return rules.stamps_per_purchase if paid.amount > 0 else 0
