"""A campaign: a resumable walk over a programme's cards that asks each to be composed again.

It only sets `recompose_at`, a page for each transaction, and keeps its place with the page; whoever composes decides
whether a face has changed at all. Where passes are to be signed anew it forgets what was last published, too, so that
the cards on iPhones get a new version in any case.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import case, exists, select, update
from sqlalchemy.orm import Session

from wallet_service.storage.notify import wake_workers
from wallet_service.storage.tables import Campaign, Card, Registration

PAGE = 1000


def start_campaign(db: Session, program_id: str, *, reason: str, now: datetime, reissue: bool = False) -> None:
    """Begin a walk with the caller's transaction; the workers take it up at commit.

    Args:
        reissue: what is installed on iPhones is sent anew, changed or not.

    A walk that has not left yet takes the new reason along: it is held back until this transaction ends.
    """
    waiting = (
        select(Campaign)
        .where(Campaign.program_id == program_id, Campaign.finished_at.is_(None), Campaign.cursor == 0)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    known = db.scalar(waiting)
    if known is None:
        db.add(Campaign(program_id=program_id, reason=reason, reissue=reissue, created_at=now))
    elif reissue:
        known.reissue = True
    wake_workers(db, program_id, "walk")


def walk_one_page(db: Session, *, now: datetime, page: int = PAGE) -> bool:
    """Take one unfinished walk a page further, each in its turn; returns whether there was one that nobody else
    holds.
    """
    campaign = db.scalar(
        select(Campaign)
        .where(Campaign.finished_at.is_(None))
        .order_by(Campaign.walked_at.nulls_first(), Campaign.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if campaign is None:
        return False
    ids = db.scalars(
        select(Card.id)
        .where(Card.program_id == campaign.program_id, Card.id > campaign.cursor)
        .order_by(Card.id)
        .limit(page)
    ).all()
    if ids:
        values: dict[str, object] = {"recompose_at": now}
        if campaign.reissue:
            installed = exists().where(Registration.card_id == Card.id)
            values["digest"] = case((installed, ""), else_=Card.digest)
        db.execute(
            update(Card).where(Card.id.in_(ids)).values(values), execution_options={"synchronize_session": False}
        )
        campaign.cursor = ids[-1]
    campaign.walked_at = now
    if len(ids) < page:
        campaign.finished_at = now
    return True
