"""Which channels have stopped, and why: written by workers, read by `/readyz` and the API."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from wallet_service.storage.tables import StoppedChannel
from wallet_service.values import Value


class StoppedChannelState(Value):
    """A channel that announces nothing since `since`, for `reason`, and is tried again at `until`."""

    kind: str
    since: datetime
    until: datetime
    reason: str


def write_stop(db: Session, program_id: str, kind: str, *, reason: str, until: datetime, now: datetime) -> None:
    """A channel has stopped, or is still stopped."""
    db.execute(
        insert(StoppedChannel)
        .values(program_id=program_id, kind=kind, since=now, until=until, reason=reason)
        .on_conflict_do_update(index_elements=["program_id", "kind"], set_={"until": until, "reason": reason})
    )


def write_works(db: Session, program_id: str, kind: str) -> None:
    """A channel works."""
    mine = (StoppedChannel.program_id == program_id, StoppedChannel.kind == kind)
    db.execute(delete(StoppedChannel).where(*mine))


def stopped_channels(db: Session) -> dict[str, list[StoppedChannelState]]:
    """The stopped channels of each programme that has any."""
    found: dict[str, list[StoppedChannelState]] = {}
    for row in db.scalars(select(StoppedChannel).order_by(StoppedChannel.program_id, StoppedChannel.kind)):
        state = StoppedChannelState(kind=row.kind, since=row.since, until=row.until, reason=row.reason)
        found.setdefault(row.program_id, []).append(state)
    return found


def stopped_channels_of(db: Session, program_id: str) -> list[StoppedChannelState]:
    """The stopped channels of one programme."""
    return stopped_channels(db).get(program_id, [])
