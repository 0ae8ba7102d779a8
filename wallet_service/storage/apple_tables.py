"""The tables of what Apple alone has."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from wallet_service.storage.base import Base, own_id


class GoneRegistration(Base):
    """A registration of which Apple said (410) that its push token is gone, as it stood at that time. Kept for a while,
    and until the same device registers again.
    """

    __tablename__ = "gone_registrations"

    id: Mapped[int] = own_id()
    card_id: Mapped[int] = mapped_column(ForeignKey("cards.id", ondelete="CASCADE"))
    device_library_id: Mapped[str]
    registered_at: Mapped[datetime]
    wanted_version: Mapped[int]
    told_version: Mapped[int]
    told_at: Mapped[datetime | None]
    told_answer: Mapped[str | None]
    listed_at: Mapped[datetime | None]
    fetched_version: Mapped[int]
    fetched_at: Mapped[datetime | None]
    gone_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("card_id", "device_library_id"),
        Index("ix_gone_registrations_gone_at", "gone_at"),
    )
