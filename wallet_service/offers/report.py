"""What became of an offer: whom it was for, who was told, who has got it, who used it, and what was held back.

Every figure counts members, each once, except uses and revenue. Whether anybody saw the offer no phone tells.

Source: console.md section 11.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.offers.pressure import DECISIONS, Decision
from wallet_service.offers.showings import PROVEN
from wallet_service.offers.states import OfferState, offer_state
from wallet_service.storage.tables import Card, Member, Offer, OfferCount, OfferShowing
from wallet_service.values import Money

KEPT = timedelta(days=400)
"""How long after an offer's end it is known which cards carried it; afterwards uses and revenue remain."""
MANY = 100_000
"""From so many cards on an offer's members are counted by a periodic task, and not for each look."""
COUNTED_FOR = timedelta(minutes=15)
"""How long such a count is good for while the offer runs."""
SETTLED = timedelta(days=1)
"""So long after an offer's end the count is the last one."""
FEWEST = 5
"""Counts of fewer people than this are not shown to roles of a store."""


@dataclass(frozen=True, kw_only=True)
class OfferReport:
    """The figures of one offer at a moment.

    Attributes:
        targeted: members whose card has carried it.
        to_update: of these, with an installed card; the decisions on notifications sum to them.
        announced: of these, those with a far end that was told of a version that carries it.
        proven: of these, those whose iPhone has fetched such a version, or for whom Google has accepted one.
        uses: purchases that named it; `holders` the members who did, as far as they are not erased.
        revenue: what these purchases came to, less what of them was given back, by currency.
        decisions: what became of the notifications, by member.
        counted_at: when members were counted; uses are those of now.
        is_forgotten: the members' rows are gone (see `KEPT`): figures before the uses say nothing.
    """

    state: OfferState
    targeted: int
    to_update: int
    announced: int
    proven: int
    uses: int
    holders: int
    revenue: tuple[Money, ...]
    uses_without_amount: int
    decisions: Mapping[Decision, int]
    counted_at: datetime
    is_forgotten: bool = False

    @property
    def held_back(self) -> int:
        """Members who were not notified because of the cap, the quiet hours or the missing consent."""
        return sum(self.decisions[name] for name in ("held", "capped", "no_consent", "expired"))


def counts_of_people(report: OfferReport, *, hides: bool) -> dict[str, int | None]:
    """A report's counts by name, those of the decisions included; None where it `hides` fewer than `FEWEST`."""
    names = ("targeted", "to_update", "announced", "proven", "uses", "holders", "uses_without_amount", "held_back")
    counts = {name: int(getattr(report, name)) for name in names} | dict(report.decisions)
    return {name: None if hides and count < FEWEST else count for name, count in counts.items()}


_DECISION = """
    CASE WHEN s.decision = 'held' AND (f.state <> 'published' OR f.ends_at <= :now) THEN 'expired' ELSE s.decision END
"""
_REACHED = text(
    """
SELECT decision, count(*), count(*) FILTER (WHERE announced), count(*) FILTER (WHERE proven) FROM (
    SELECT {decision} AS decision,
        s.announced OR s.gone_at IS NULL AND bool_or(d.told_version >= s.version) AS announced,
        s.proven OR s.gone_at IS NULL
            AND bool_or(CASE WHEN d.kind = 'apple' THEN r.fetched_version ELSE d.told_version END >= s.version)
            AS proven
    FROM offer_showings s
    JOIN offers f ON f.id = s.offer_id
    LEFT JOIN deliveries d ON d.card_id = s.card_id
    LEFT JOIN registrations r ON r.id = d.registration_id
    WHERE s.offer_id = :offer
    GROUP BY s.card_id, s.offer_id, f.id
) AS shown
GROUP BY 1
""".replace("{decision}", _DECISION)
)
_USED = text("""
SELECT currency, count(*), count(DISTINCT member_pk), coalesce(sum(amount - returned), 0)
FROM offer_uses WHERE offer_id = :offer GROUP BY GROUPING SETS ((currency), ())
ORDER BY GROUPING(currency) DESC, currency
""")


def report_of(db: Session, offer: Offer, *, now: datetime) -> OfferReport:
    """The report of an offer in whatever state, as of now."""
    known = db.get(OfferCount, offer.id)
    if known is not None and (now - known.counted_at < COUNTED_FOR or known.counted_at >= offer.ends_at + SETTLED):
        return _report(db, offer, known, now=now)
    return _report(db, offer, _counted(db, offer, now=now), now=now)


def _counted(db: Session, offer: Offer, *, now: datetime) -> OfferCount:
    """The showings of an offer, counted now."""
    decisions: dict[str, int] = {}
    announced = proven = 0
    for name, members, told, got in db.execute(_REACHED, {"offer": offer.id, "now": now}):
        decisions[name] = members
        if name != "not_installed":
            announced, proven = announced + told, proven + got
    return OfferCount(
        offer_id=offer.id,
        counted_at=now,
        targeted=sum(decisions.values()),
        announced=announced,
        proven=proven,
        decisions=decisions,
    )


def _report(db: Session, offer: Offer, counted: OfferCount, *, now: datetime) -> OfferReport:
    decisions: Counter[str] = Counter(counted.decisions)
    total, *by_currency = db.execute(_USED, {"offer": offer.id}).all()
    revenue = [Money(amount=int(row[3]), currency=row[0]) for row in by_currency if row[0] is not None]
    return OfferReport(
        state=offer_state(offer, now),
        targeted=decisions.total(),
        to_update=decisions.total() - decisions["not_installed"],
        announced=counted.announced,
        proven=counted.proven,
        uses=total[1],
        holders=total[2],
        revenue=tuple(revenue),
        uses_without_amount=sum(row[1] for row in by_currency if row[0] is None),
        decisions={name: decisions[name] for name in DECISIONS},
        counted_at=counted.counted_at,
        is_forgotten=offer.ends_at < now - KEPT and counted.counted_at == now,
    )


_FIGURES = text(
    """
SELECT f.id,
    CASE WHEN c.offer_id IS NOT NULL THEN c.targeted
        ELSE (SELECT count(*) FROM offer_showings s WHERE s.offer_id = f.id) END,
    CASE WHEN c.offer_id IS NOT NULL THEN c.proven ELSE (SELECT count(*) FROM offer_showings s
        WHERE s.offer_id = f.id AND s.decision <> 'not_installed' AND (s.proven OR s.gone_at IS NULL AND {proven})) END,
    (SELECT count(*) FROM offer_uses u WHERE u.offer_id = f.id)
FROM offers f LEFT JOIN offer_counts c ON c.offer_id = f.id WHERE f.id = ANY(:offers)
""".replace("{proven}", PROVEN)
)


def figures_of(db: Session, offer_ids: Collection[int]) -> dict[int, tuple[int, int, int]]:
    """The figures of a list: offer → (targeted, proven, uses), in one statement. Those of offers on very many cards are
    as they were last counted.
    """
    rows = db.execute(_FIGURES, {"offers": list(offer_ids)})
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


_TO_COUNT = text("""
SELECT f.id FROM offers f LEFT JOIN offer_counts c ON c.offer_id = f.id
WHERE f.state <> 'draft' AND f.starts_at <= :now
  AND (c.offer_id IS NULL OR c.counted_at < LEAST(f.ends_at + :settled, :now - CAST(:pause AS interval)))
  AND (c.offer_id IS NOT NULL OR EXISTS (SELECT FROM offer_showings s WHERE s.offer_id = f.id OFFSET :many))
ORDER BY f.id
""")


def count_offers(
    sessions: sessionmaker[Session], *, now: datetime, stopping: Callable[[], bool], many: int = MANY
) -> int:
    """Count the members of each offer on very many cards, each in a transaction of its own; returns how many offers."""
    values = {"now": now, "settled": SETTLED, "pause": timedelta(minutes=4), "many": many}
    with sessions() as db:
        ids = db.scalars(_TO_COUNT, values).all()
    for offer_id in ids:
        if stopping():
            break
        with sessions.begin() as db:
            offer = db.get_one(Offer, offer_id)
            db.merge(_counted(db, offer, now=now))
    return len(ids)


@dataclass(frozen=True, slots=True)
class Notification:
    """What became of one member's notification of an offer. `key`: the row, for the page after it."""

    key: int
    member_id: str
    decision: Decision
    decided_at: datetime
    held_until: datetime | None
    notified_at: datetime | None


_COUNTED = text(
    """
SELECT {decision}, count(*) FROM offer_showings s JOIN offers f ON f.id = s.offer_id
WHERE s.offer_id = :offer GROUP BY 1
""".replace("{decision}", _DECISION)
)


def notification_counts(db: Session, offer: Offer, *, now: datetime) -> dict[Decision, int]:
    """How many members an offer's notifications have which decision; all are named."""
    found = {row[0]: row[1] for row in db.execute(_COUNTED, {"offer": offer.id, "now": now})}
    return {name: found.get(name, 0) for name in DECISIONS}


def notifications_page(
    db: Session, offer: Offer, *, decision: Decision | None = None, after: int = 0, limit: int, now: datetime
) -> Sequence[Notification]:
    """Up to `limit` members of an offer with what became of their notification, in a fixed order after `after`."""
    is_over = offer_state(offer, now) in ("ended", "cancelled")
    query = (
        select(OfferShowing, Member.member_id)
        .join(Card, Card.id == OfferShowing.card_id)
        .join(Member, Member.id == Card.member_pk)
        .where(OfferShowing.offer_id == offer.id, OfferShowing.card_id > after)
        .order_by(OfferShowing.card_id)
        .limit(limit)
    )
    if decision is not None:
        stored = {"held": [] if is_over else ["held"], "expired": ["expired", *(["held"] if is_over else [])]}
        query = query.where(OfferShowing.decision.in_(stored.get(decision, [decision])))
    return [_notification(row, member_id, is_over) for row, member_id in db.execute(query)]


def _notification(row: OfferShowing, member_id: str, is_over: bool) -> Notification:
    decision = "expired" if is_over and row.decision == "held" else row.decision
    until = row.held_until if decision == "held" else None
    return Notification(row.card_id, member_id, cast("Decision", decision), row.decided_at, until, row.notified_at)


_FORGET = text("""
DELETE FROM offer_showings WHERE ctid = ANY(ARRAY(
    SELECT s.ctid FROM offers f JOIN offer_showings s ON s.offer_id = f.id
    WHERE f.ends_at < :before AND s.first_at < :before LIMIT 10000
))
""")


def forget_showings(db: Session, *, now: datetime) -> int:
    """Forget some of which cards carried offers that are long over; returns how many rows."""
    done: Any = db.execute(_FORGET, {"before": now - KEPT})
    return int(done.rowcount)
