"""How much of an order's points a refund takes back: from what was granted then, never from the rule of today. Pure.

Source: loyalty-mechanics 2.6.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class EarnRule:
    """A rule as it was: points for each whole unit of so many minor units of money."""

    points_per_unit: int
    minor_per_unit: int

    def points_for(self, amount: int) -> int:
        """The points for an amount in minor units."""
        return max(amount, 0) // self.minor_per_unit * self.points_per_unit


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderGrant:
    """What an order has earned, and what of it was refunded and reversed so far."""

    rule: EarnRule
    amount: int
    granted: int
    refunded: int = 0
    reversed: int = 0

    def after_refund(self, amount: int) -> OrderGrant:
        """The order after one more refund: of all refunds together exactly their share is reversed, never more than
        was granted. `reversed` of the result less that of before is what this refund reverses.
        """
        refunded = self.refunded + amount
        target = min(self.granted, max(0, self.granted - self.rule.points_for(self.amount - refunded)))
        return replace(self, refunded=refunded, reversed=max(self.reversed, target))
