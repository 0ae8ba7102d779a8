"""Why a phone was told of the same change more than once. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from wallet_service.simulators.apns.simulator import Announcement


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Announcements beyond the first of a change to a phone, by what had become of the one before."""

    lost: int
    """APNs said 200 and lost it: the phone never came, so it was reminded."""
    asleep: int
    """The phone got it and slept on, or was switched off: reminded."""
    unsettled: int
    """It arrived, and its worker or the database was gone before that was written down (or the phone's own visit failed
    in that moment): told once more."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.lost + self.asleep + self.unsettled


def explain(
    announcements: Sequence[Announcement], rounds: Sequence[datetime], *, slept: Collection[str], off: Collection[str]
) -> Repeats:
    """Sort the repeats by their reasons.

    Args:
        announcements: oldest first.
        rounds: when each round of changes began; every phone is told of one before the next begins. What was told
            before the first was told for the registration.
        slept: apns ids of pushes that phones slept through.
        off: push tokens of phones that are switched off for good.
    """
    before: dict[tuple[str, int], Announcement] = {}
    why: Counter[str] = Counter()
    for one in announcements:
        number = sum(began <= one.arrived_at for began in rounds)
        previous = before.get((one.push_token, number))
        if previous is not None:
            why[_reason(previous, slept, off)] += 1
        before[one.push_token, number] = one
    return Repeats(lost=why["lost"], asleep=why["asleep"], unsettled=why["unsettled"])


def _reason(previous: Announcement, slept: Collection[str], off: Collection[str]) -> str:
    if previous.lost:
        return "lost"
    if previous.apns_id in slept or previous.push_token in off:
        return "asleep"
    return "unsettled"
