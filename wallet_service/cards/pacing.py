"""Pacing: how often a device may be sent an announcement, as a rule and as SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import TextClause, text

from wallet_service.settings import Settings


@dataclass(frozen=True, slots=True)
class Pacing:
    """The limits of one device: no two announcements closer than `spacing`, and in any hour no more than
    `per_hour` (0: as many as there are).

    Source: apple-wallet.md, section 5.4.
    """

    spacing: timedelta
    per_hour: int

    @classmethod
    def of(cls, settings: Settings) -> Pacing:
        """As the operator has set it."""
        return cls(timedelta(seconds=settings.announce_spacing_s), settings.announce_per_hour)

    def values(self) -> dict[str, object]:
        """What a statement made by `paced` is given."""
        return {"spacing": self.spacing, "per_hour": self.per_hour}


UNPACED = Pacing(timedelta(0), 0)
_NOT_BEFORE = """
    GREATEST(d.told_at, d.announced_at[1]) + CAST(:spacing AS interval), d.announced_at[:per_hour] + interval '1 hour'
"""


def paced(statement: str) -> TextClause:
    """A statement on rows `d` of `deliveries`. In it `{paced}` stands for the instants before which the row's own past
    forbids to tell it again, to be put into a `GREATEST`.
    """
    return text(statement.replace("{paced}", _NOT_BEFORE))
