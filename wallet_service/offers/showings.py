"""Which cards carry which offers, and what becomes of each notification: decided, counted and written in one statement.

Whoever calls holds the locks of the cards, so that two workers never count for one member at the same time: what one
has decided, the other reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import text
from sqlalchemy.orm import Session

from wallet_service.offers.pressure import Decision, Pressure

Showing = tuple[int, int]
"""A card's number and an offer's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An offer that comes onto a locked card, or whose quiet hours are over.

    Attributes:
        why_not: why it is not to notify, if that is known already.
        held_until: the end of the quiet hours that it comes in.
        on_iphone: whether the card's design can notify of it on an iPhone.
    """

    card_id: int
    offer_id: int
    why_not: Decision | None
    held_until: datetime | None
    on_iphone: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a notification, now or (not `is_new`) when the offer was on the card before. `held_until` only
    where it is held.
    """

    decision: Decision
    held_until: datetime | None
    is_new: bool


_DECIDE = text("""
WITH asked AS (
    SELECT a.*, s.decision AS known
    FROM unnest(CAST(:cards AS bigint[]), CAST(:offers AS bigint[]), CAST(:whys AS text[]),
            CAST(:untils AS timestamptz[]), CAST(:iphones AS boolean[]))
        WITH ORDINALITY AS a(card_id, offer_id, why, until, iphone, place)
    LEFT JOIN offer_showings s ON s.offer_id = a.offer_id AND s.card_id = a.card_id
), installed AS (
    SELECT asked.*,
        EXISTS (SELECT FROM deliveries d WHERE d.card_id = asked.card_id AND d.kind = 'apple') AS on_apple,
        EXISTS (
            SELECT FROM google_objects o
            WHERE o.card_id = asked.card_id AND o.saved_at IS NOT NULL AND o.removed_at IS NULL
        ) AS on_google
    FROM asked WHERE known IS NULL OR known = 'held'
), judged AS (
    SELECT installed.*, CASE
        WHEN NOT on_apple AND NOT on_google THEN 'not_installed'
        WHEN NOT on_google AND NOT iphone THEN 'silent'
        ELSE why END AS refused
    FROM installed
), counted AS (
    SELECT judged.*,
        (SELECT count(*) FROM offer_showings s WHERE s.card_id = judged.card_id AND s.notified_at > :since)
        + row_number() OVER (PARTITION BY card_id, refused IS NULL AND until IS NULL ORDER BY place) AS nth
    FROM judged
), decided AS (
    SELECT card_id, offer_id, until, CASE
        WHEN refused IS NOT NULL THEN refused
        WHEN until IS NOT NULL THEN 'held'
        WHEN nth > CAST(:most AS bigint) THEN 'capped'
        ELSE 'sent' END AS decision
    FROM counted
), written AS (
    INSERT INTO offer_showings AS s (offer_id, card_id, first_at, decision, decided_at, held_until, notified_at)
    SELECT offer_id, card_id, :now, decision, :now, CASE WHEN decision = 'held' THEN until END,
        CASE WHEN decision = 'sent' THEN CAST(:now AS timestamptz) END
    FROM decided ORDER BY card_id, offer_id
    ON CONFLICT (offer_id, card_id) DO UPDATE
    SET decision = excluded.decision, decided_at = excluded.decided_at, held_until = excluded.held_until,
        notified_at = excluded.notified_at
    WHERE s.decision = 'held'
    RETURNING s.card_id, s.offer_id, s.decision, s.held_until
)
SELECT card_id, offer_id, decision, held_until, TRUE FROM written
UNION ALL SELECT card_id, offer_id, known, NULL, FALSE FROM asked WHERE known <> 'held'
""")


def decide(db: Session, rules: Pressure, arrivals: Sequence[Arrival], *, now: datetime) -> dict[Showing, Decided]:
    """Decide for each arrival whether phones may notify of it, and write that down. An offer that was on the card
    before keeps what was decided then, unless it was held. What is held uses up nothing of the cap, which is asked when
    it is released.

    Args:
        arrivals: of one card in the order in which they may use up the cap.
    """
    rows = db.execute(
        _DECIDE,
        {
            "cards": [one.card_id for one in arrivals],
            "offers": [one.offer_id for one in arrivals],
            "whys": [one.why_not for one in arrivals],
            "untils": [one.held_until for one in arrivals],
            "iphones": [one.on_iphone for one in arrivals],
            "since": rules.since(now),
            "most": rules.most,
            "now": now,
        },
    )
    return {(row[0], row[1]): Decided(cast("Decision", row[2]), row[3], row[4]) for row in rows}


_NOTIFIED = text("""
SELECT card_id, count(*) FROM offer_showings
WHERE card_id = ANY(:cards) AND notified_at > :since GROUP BY card_id
""")


def notified_since(db: Session, card_ids: Sequence[int], since: datetime) -> dict[int, int]:
    """How many notifications of offers these cards have had after an instant; cards without any are left out."""
    return {row[0]: row[1] for row in db.execute(_NOTIFIED, {"cards": list(card_ids), "since": since})}


_ANNOUNCED = "EXISTS (SELECT FROM deliveries d WHERE d.card_id = s.card_id AND d.told_version >= s.version)"
PROVEN = """EXISTS (
    SELECT FROM deliveries d LEFT JOIN registrations r ON r.id = d.registration_id
    WHERE d.card_id = s.card_id
      AND CASE WHEN d.kind = 'apple' THEN r.fetched_version ELSE d.told_version END >= s.version
)"""
"""Whether a far end has got a version that shows the offer of a showing `s`, as the deliveries of now say."""
_SETTLE = text(
    """
WITH here AS (
    UPDATE offer_showings s SET version = c.version, gone_at = NULL
    FROM unnest(CAST(:cards AS bigint[]), CAST(:offers AS bigint[])) AS a(card_id, offer_id)
    JOIN cards c ON c.id = a.card_id
    WHERE s.offer_id = a.offer_id AND s.card_id = a.card_id
), gone AS (
    UPDATE offer_showings s SET gone_at = :now,
        announced = s.announced OR {announced}, proven = s.proven OR {proven},
        decision = CASE WHEN s.decision = 'held' AND (o.state <> 'published' OR o.ends_at <= :now)
            THEN 'expired' ELSE s.decision END
    FROM unnest(CAST(:gone_cards AS bigint[]), CAST(:gone_offers AS bigint[])) AS g(card_id, offer_id)
    JOIN offers o ON o.id = g.offer_id
    WHERE s.offer_id = g.offer_id AND s.card_id = g.card_id
    RETURNING s.card_id, s.offer_id, s.notified_at
), reopened AS (
    UPDATE google_messages m SET ends_at = f.ends_at
    FROM unnest(CAST(:cards AS bigint[]), CAST(:offers AS bigint[])) AS a(card_id, offer_id)
    JOIN offers f ON f.id = a.offer_id
    JOIN google_objects o ON o.card_id = a.card_id
    WHERE m.google_object_id = o.id AND m.message_id = 'offer-' || a.offer_id
      AND m.sent_at IS NULL AND m.removed_at IS NULL AND m.ends_at <= :now
)
UPDATE google_messages m SET ends_at = :now
FROM gone JOIN google_objects o ON o.card_id = gone.card_id
WHERE gone.notified_at IS NOT NULL AND m.google_object_id = o.id AND m.message_id = 'offer-' || gone.offer_id
  AND m.ends_at > :now
""".replace("{announced}", _ANNOUNCED).replace("{proven}", PROVEN)
)


def settle(db: Session, come: Sequence[Showing], gone: Sequence[Showing], *, now: datetime) -> None:
    """Write down in which version offers came, and which have left their cards; call it when the cards have their
    versions. What has left needs no message at Google any more, unless it comes back before that was sent: a
    notification that counts goes out. What was held until the end has expired.
    """
    db.execute(
        _SETTLE,
        {
            "cards": [card_id for card_id, _ in come],
            "offers": [offer_id for _, offer_id in come],
            "gone_cards": [card_id for card_id, _ in gone],
            "gone_offers": [offer_id for _, offer_id in gone],
            "now": now,
        },
    )


_KEEP_REACH = text(
    """
UPDATE offer_showings s SET announced = s.announced OR {announced}, proven = s.proven OR {proven}
FROM (
    SELECT offer_id, card_id FROM offer_showings
    WHERE card_id = ANY(:cards) AND gone_at IS NULL AND NOT (announced AND proven)
    ORDER BY card_id, offer_id FOR NO KEY UPDATE SKIP LOCKED
) AS mine
WHERE s.offer_id = mine.offer_id AND s.card_id = mine.card_id
""".replace("{announced}", _ANNOUNCED).replace("{proven}", PROVEN)
)


def keep_reach(db: Session, card_ids: Sequence[int]) -> None:
    """Write down how far the offers on these cards have come, before a delivery of theirs is deleted or begins anew:
    what was announced and proven once stays so. Who holds the cards' locks misses none; without them a card that is
    being published is left out, for who publishes may wait for the deliveries.
    """
    db.execute(_KEEP_REACH, {"cards": list(card_ids)})
