"""Pacing: how often a device may be sent an announcement, as a rule and as SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import TextClause, text

from wallet_service.settings import Settings


@dataclass(frozen=True, slots=True)
class Pacing:
    """The limits of one device: no two announcements closer than `spacing`, and in any hour no more than
    `per_hour` (0: as many as there are). What a customer has just done keeps the last of them: campaigns and reminders
    wait where no other is left.

    Source: apple-wallet.md, section 5.4.
    """

    spacing: timedelta
    per_hour: int

    @classmethod
    def of(cls, settings: Settings) -> Pacing:
        """As the operator has set it."""
        return cls(timedelta(seconds=settings.announce_spacing_s), settings.announce_per_hour)

    @property
    def per_hour_of_campaigns(self) -> int:
        """How many announcements an hour may have when a campaign adds to them (0: as many as there are)."""
        return max(1, self.per_hour - 1) if self.per_hour else 0

    def values(self) -> dict[str, object]:
        """What a statement made by `paced` is given."""
        return {
            "spacing": self.spacing,
            "per_hour": self.per_hour,
            "per_hour_of_campaigns": self.per_hour_of_campaigns,
        }


UNPACED = Pacing(timedelta(0), 0)
MOST_OF_HOUR = """
    CASE WHEN {urgency} > 0 THEN CAST(:per_hour_of_campaigns AS int) ELSE CAST(:per_hour AS int) END
"""
"""How many announcements an hour may have for what is as urgent as that."""
_NOT_BEFORE = f"""
    GREATEST(d.told_at, d.announced_at[1]) + CAST(:spacing AS interval),
    d.announced_at[{MOST_OF_HOUR}] + interval '1 hour'
"""


def paced(statement: str, *, urgency: str = "d.urgency") -> TextClause:
    """A statement on rows `d` of `deliveries`. In it `{paced}` stands for the instants before which the row's own past
    forbids to tell it again, to be put into a `GREATEST`; `urgency` says in SQL how urgent that is.
    """
    return text(statement.replace("{paced}", _NOT_BEFORE.replace("{urgency}", urgency)))
