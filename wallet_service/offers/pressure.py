"""How much marketing a member's phone may hear: quiet hours, a cap over all offers, and the consent. Pure.

Cards are always updated at once and silently; this is about whether a phone makes itself heard of an offer besides.
News of points, tiers, vouchers and orders is not marketing, and knows no quiet hours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any, Literal, get_args
from zoneinfo import available_timezones

from wallet_service.documents.programs import PressureDocument
from wallet_service.offers.weekly_hours import WeeklySpan, in_weekly_hours, weekly_hours_change_at

Decision = Literal["sent", "held", "capped", "no_consent", "silent", "expired", "not_installed"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)
ZONE_ATTRIBUTE = "time_zone"
"""The attribute of a member that may name their time zone."""
_DAY_ENDS = 24 * 60


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Hours of every day in which nothing notifies, by the clock where the member lives. None: there are none."""

    spans: tuple[WeeklySpan, ...] = ()

    @property
    def is_always(self) -> bool:
        """Whether they never end. New documents are refused with such hours; older ones are as they were stored."""
        return {span.day for span in self.spans if (span.begins, span.ends) == (0, _DAY_ENDS)} == set(range(7))

    def until(self, zone: str, now: datetime) -> datetime | None:
        """When the quiet hours end that it is in now; None: it is in none. Hours that never end are looked at again
        after a day, for the rules may be others by then.
        """
        if not self.spans or not in_weekly_hours(self.spans, zone, now):
            return None
        return weekly_hours_change_at(self.spans, zone, now) or now + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pressure:
    """A programme's rules.

    Attributes:
        most: marketing notifications of a member in any `period`, over all offers and both wallets; None: any number.
    """

    most: int | None = None
    period: timedelta = timedelta(days=7)
    quiet: QuietHours = field(default_factory=QuietHours)

    def since(self, now: datetime) -> datetime:
        """The instant after which notifications count against the cap."""
        return now - self.period


def pressure_of(document: PressureDocument) -> Pressure:
    """The rules as the programme's document has them."""
    return Pressure(
        most=document.marketing_per_week,
        period=timedelta(days=document.marketing_days),
        quiet=quiet_hours(document.quiet_from, document.quiet_until),
    )


def quiet_hours(begin: time | None, end: time | None) -> QuietHours:
    """Quiet hours from one time of the day to another, over midnight where the end lies before the beginning. A lone
    beginning lasts until midnight, a lone end from midnight on; two times that are the same are no hours.
    """
    if begin is None and end is None:
        return QuietHours()
    begins = _minutes(begin) if begin is not None else 0
    ends = _minutes(end) if end is not None else _DAY_ENDS
    if begins == ends:
        return QuietHours()
    parts = [(begins, ends)] if begins < ends else [(begins, _DAY_ENDS), (0, ends)]
    return QuietHours(tuple(WeeklySpan(day, *part) for day in range(7) for part in parts if part[0] < part[1]))


def zone_of_member(attributes: Mapping[str, Any], favourite_zone: str | None, program_zone: str) -> str:
    """Where a member's clock is: what the CRM says, else their favourite store's zone, else the programme's."""
    said = attributes.get(ZONE_ATTRIBUTE)
    return said if isinstance(said, str) and said in _ZONES else favourite_zone or program_zone


@dataclass(frozen=True, slots=True)
class Recipient:
    """A member with an installed card who receives an offer, as far as pressure asks.

    Attributes:
        recently: marketing notifications within the period until now.
        can_notify: whether a wallet that the card is in can notify of an offer at all.
    """

    zone: str
    has_consented: bool
    recently: int = 0
    can_notify: bool = True


def decision_for(
    rules: Pressure, recipient: Recipient, *, notify: bool, now: datetime
) -> tuple[Decision, datetime | None]:
    """What becomes of an offer's notification for one recipient, and until when it is held. The cap is asked about when
    it would notify, so not of what is held.
    """
    if not notify or not recipient.can_notify:
        return "silent", None
    if not recipient.has_consented:
        return "no_consent", None
    until = rules.quiet.until(recipient.zone, now)
    if until is not None:
        return "held", until
    return ("capped" if rules.most is not None and recipient.recently >= rules.most else "sent"), None


def forecast(
    rules: Pressure, recipients: Iterable[Recipient], *, notify: bool, starts_at: datetime, ends_at: datetime
) -> Counter[Decision]:
    """How many notifications an offer would send, hold and leave out if it began at `starts_at`; before publishing.

    Who would be held beyond the offer's end counts as expired. The counts sum to the recipients.
    """
    counts: Counter[Decision] = Counter()
    for recipient in recipients:
        decision, until = decision_for(rules, recipient, notify=notify, now=starts_at)
        is_over = until is not None and (until >= ends_at or rules.quiet.is_always)
        counts["expired" if is_over else decision] += 1
    return counts


def _minutes(at: time) -> int:
    return at.hour * 60 + at.minute


_ZONES = frozenset(available_timezones())
