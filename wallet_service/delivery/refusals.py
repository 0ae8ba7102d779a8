"""Telling refused phones from a refused channel.

A token that is said to be bad may be the phone's fault or ours: a wrong environment or certificate is answered with
the same words, for every phone. What phones registered for one card is one person's word, so it is cards that are
counted (spec apple-wallet 5.3; section 8, check 74).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from wallet_service.cards.pacing import Pacing, paced
from wallet_service.wallets.protocol import Accepted, ChannelDown, Outcome, Refused

MANY_CARDS, SHARE_OF_CARDS = 5, 0.1
PROBES = 5
"""How many phones that were told before are asked, when it is in doubt whether the channel is right."""


class Refusals:
    """The refusals on one channel, counted by card. `in_doubt`: so much was refused that it may be our own fault."""

    def __init__(self) -> None:
        self.in_doubt = False
        self.cards: set[int] = set()
        self._trusted_until: datetime | None = None

    def trust(self, until: datetime) -> None:
        """The channel has proved itself: what is refused until then is the phones' fault."""
        self.in_doubt, self._trusted_until = False, until
        self.cards.clear()

    def forget(self) -> None:
        """Start anew: the channel is another one."""
        self.in_doubt, self._trusted_until = False, None
        self.cards.clear()

    def judged(self, answers: Sequence[tuple[int, Outcome]], *, now: datetime) -> list[Outcome]:
        """The outcomes of one page, each given with the card that it is about.

        Many cards refused since anybody was last accepted, or more than a share of the cards among which somebody was:
        then the channel is in doubt, and nothing is held against the phones.
        """
        outcomes = [outcome for _, outcome in answers]
        refused = {card for card, outcome in answers if isinstance(outcome, Refused)}
        if self._trusted_until is not None and now < self._trusted_until:
            return outcomes
        least = MANY_CARDS
        if any(isinstance(outcome, Accepted) for outcome in outcomes):
            least = max(least, int(SHARE_OF_CARDS * len({card for card, _ in answers})) + 1)
            self.cards.clear()
        self.cards |= refused
        if not refused or len(self.cards) < least:
            return outcomes
        self.in_doubt = True
        return [self._doubtful(outcome) for outcome in outcomes]

    def _doubtful(self, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Refused):
            return outcome
        return ChannelDown(
            f"{outcome.reason}: said of {len(self.cards)} cards; wrong environment, certificate or topic?"
        )


_UNPARK = text("""
WITH parked AS (
    SELECT id FROM deliveries WHERE program_id = :program AND kind = 'apple' AND parked IS NOT NULL
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE deliveries d SET parked = NULL, attempts = 0, next_attempt_at = :now FROM parked WHERE d.id = parked.id
RETURNING d.id
""")
_PROBE_CANDIDATES = paced(
    """
SELECT d.id, d.card_id, v.push_token
FROM deliveries d JOIN registrations r ON r.id = d.registration_id JOIN devices v ON v.id = r.device_id
WHERE d.program_id = :program AND d.kind = 'apple' AND d.told_at IS NOT NULL AND d.parked IS NULL
  AND d.card_id <> ALL(:besides) AND GREATEST({paced}) <= :now
ORDER BY d.told_at DESC LIMIT 100
""",
    urgency="1",
)
_COUNT_PROBE = text("""
UPDATE deliveries SET announced_at = (CAST(:now AS timestamptz) || announced_at)[1 : :per_hour] WHERE id = :id
""")


def unpark(db: Session, program_id: str, *, now: datetime) -> int:
    """Let every phone that Apple refused have another try at once; returns how many."""
    return len(db.scalars(_UNPARK, {"program": program_id, "now": now}).all())


def choose_probes(
    db: Session, program_id: str, *, besides: Collection[int], pacing: Pacing, now: datetime
) -> list[str]:
    """Push tokens that Apple has taken, the last first, of a few cards other than `besides`, each of a phone that may
    be announced something now; that it is, is written down.
    """
    values = {"program": program_id, "besides": list(besides), "now": now}
    of_card = {row.card_id: row for row in reversed(db.execute(_PROBE_CANDIDATES, values | pacing.values()).all())}
    called = list(reversed(of_card.values()))[:PROBES]
    for row in sorted(called, key=lambda row: row.id):
        db.execute(_COUNT_PROBE, {"id": row.id, "now": now, "per_hour": pacing.per_hour})
    return [row.push_token for row in called]
