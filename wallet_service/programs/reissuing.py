"""Sending installed passes anew after their certificate was renewed, spread as a campaign.

A pass that was signed with an older certificate stays valid; one that is signed anew is so for the new one's time.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from wallet_service.errors import NotFound, SettingsError
from wallet_service.offers.campaigns import start_campaign
from wallet_service.storage.tables import AppleIdentity, Card, Program, Registration
from wallet_service.wallets.apple.devices import CURRENT_IDENTITY

_CURRENT = text(CURRENT_IDENTITY.format(program=":program", now=":now"))


def reissue(db: Session, program_id: str, *, now: datetime) -> int:
    """Have every pass of a programme that is installed on an iPhone signed and sent anew; returns how many cards that
    concerns. The workers walk over them once the caller's transaction is committed.

    Raises:
        NotFound: there is no such programme.
        SettingsError: no certificate of its own signs now.
    """
    if db.get(Program, program_id) is None:
        raise NotFound(f"there is no programme {program_id!r}")
    identity = _signing_now(db, program_id, now=now)
    if identity is None:
        raise SettingsError(f"no Apple certificate of {program_id} signs now: import one first")
    identity.reissued_at = now
    start_campaign(db, program_id, reason="certificate renewed", now=now, reissue=True)
    installed = select(Registration.card_id).distinct().join(Card, Card.id == Registration.card_id)
    cards = installed.where(Card.program_id == program_id).subquery()
    return db.scalar(select(func.count()).select_from(cards)) or 0


def reissue_where_renewed(db: Session, *, now: datetime) -> list[str]:
    """Reissue for every programme that wants it by itself (`[apple] reissue_after_renewal`) and whose passes another
    certificate signs than before; returns the programmes. A programme's first certificate renews nothing.
    """
    wanting = select(Program.program_id).where(
        Program.document["apple"]["reissue_after_renewal"].as_boolean().is_(True)
    )
    renewed = []
    for program_id in db.scalars(wanting.order_by(Program.program_id)).all():
        identity = _signing_now(db, program_id, now=now)
        if identity is None or identity.reissued_at is not None:
            continue
        if _has_earlier(db, identity):
            reissue(db, program_id, now=now)
            renewed.append(program_id)
        else:
            db.execute(update(AppleIdentity).where(AppleIdentity.id == identity.id).values(reissued_at=now))
    return renewed


def _signing_now(db: Session, program_id: str, *, now: datetime) -> AppleIdentity | None:
    digest = db.scalar(_CURRENT, {"program": program_id, "now": now})
    row = select(AppleIdentity).where(AppleIdentity.program_id == program_id, AppleIdentity.digest == digest)
    identity = db.scalar(row.with_for_update())
    return identity if identity is not None and identity.not_before <= now <= identity.not_after else None


def _has_earlier(db: Session, identity: AppleIdentity) -> bool:
    others = (AppleIdentity.program_id == identity.program_id, AppleIdentity.id < identity.id)
    return db.scalar(select(AppleIdentity.id).where(*others).limit(1)) is not None
