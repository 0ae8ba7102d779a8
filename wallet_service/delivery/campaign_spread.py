"""The time over which a campaign is announced, so that not every phone fetches its card in the same minute.

Source: apple-wallet.md, section 5.4.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from wallet_service.storage.tables import Device

COUNTED_FOR = timedelta(minutes=5)
"""How long a count of a programme's devices is good for."""
_DEVICES = 10_000


@dataclass(frozen=True)
class CampaignSpread:
    """One for each process, used by one thread; it remembers how many devices each programme has.

    Attributes:
        each: the time for every 10 000 devices; 0 announces at once.
    """

    each: timedelta
    _counted: dict[str, tuple[datetime, int]] = field(default_factory=dict, init=False, repr=False)

    def of(self, db: Session, program_id: str, *, now: datetime) -> timedelta:
        """The time over which a campaign of this programme is to be announced."""
        return self.each * (self._devices(db, program_id, now=now) / _DEVICES) if self.each else self.each

    def _devices(self, db: Session, program_id: str, *, now: datetime) -> int:
        counted_at, devices = self._counted.get(program_id, (now - COUNTED_FOR, 0))
        if now - counted_at >= COUNTED_FOR:
            devices = db.scalar(select(func.count()).select_from(Device).where(Device.program_id == program_id)) or 0
            self._counted[program_id] = now, devices
        return devices
