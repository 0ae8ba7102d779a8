"""Lists of offers by their state at a moment, and how many there are in each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from wallet_service.offers.states import OFFER_STATES, OfferState
from wallet_service.storage.tables import Offer


def offers_page(
    db: Session, program_id: str, *, state: OfferState | None = None, after: int = 0, limit: int, now: datetime
) -> Sequence[Offer]:
    """Up to `limit` offers of a programme, oldest first, with ids after `after`."""
    query = select(Offer).where(Offer.program_id == program_id, Offer.id > after).order_by(Offer.id).limit(limit)
    if state is not None:
        query = query.where(state_at(now) == state)
    return db.scalars(query).all()


def offers_by_state(db: Session, program_id: str, *, now: datetime) -> dict[OfferState, int]:
    """How many offers a programme has in each state; every state is named."""
    state = state_at(now)
    rows = db.execute(select(state, func.count()).where(Offer.program_id == program_id).group_by(state))
    counted = {cast("OfferState", row[0]): int(row[1]) for row in rows}
    return {name: counted.get(name, 0) for name in OFFER_STATES}


def state_at(now: datetime) -> ColumnElement[str]:
    """`states.offer_state` for the database."""
    return case(
        (Offer.state != "published", Offer.state),
        (Offer.starts_at > now, "scheduled"),
        (Offer.ends_at > now, "running"),
        else_="ended",
    )
