"""The table of channels that have stopped."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from wallet_service.storage.base import Base


class StoppedChannel(Base):
    """A programme's channel to a platform that a worker has stopped, for the reason that the platform gave; it is tried
    again at `until`. No row: it works, as far as anybody knows.
    """

    __tablename__ = "stopped_channels"

    program_id: Mapped[str] = mapped_column(ForeignKey("programs.program_id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    until: Mapped[datetime]
    reason: Mapped[str]

    __table_args__ = (CheckConstraint("kind IN ('apple', 'google')", name="kind"),)
