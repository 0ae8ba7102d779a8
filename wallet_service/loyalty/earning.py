"""What a purchase earns, for programmes whose master is `builtin`. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from wallet_service.documents.programs import RulesDocument
from wallet_service.values import Money, minor_digits


@dataclass(frozen=True, slots=True)
class Earned:
    """Points and stamps, both 0 or more."""

    points: int
    stamps: int


def earned_by(rules: RulesDocument, paid: Money) -> Earned:
    """Whole units of money earn, cents do not: 79.90 € at 1 point per euro is 79 points."""
    units = max(paid.amount, 0) // 10 ** minor_digits(paid.currency)
    return Earned(points=units * rules.points_per_unit, stamps=rules.stamps_per_purchase if paid.amount > 0 else 0)
