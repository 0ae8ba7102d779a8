"""When a store is open, as staff write it: seven rows, exceptions, public holidays; or OpenStreetMap's own text. Pure.

Source: OpenStreetMap wiki, "Key:opening_hours/specification"; read by `opening-hours-py`.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import Annotated, Self

from opening_hours import validate
from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from wallet_service.documents.types import Truth
from wallet_service.parsing import OBJECT, OBJECT_OR_PLAIN, PLAIN, refusal
from wallet_service.values import Value

DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
MOST_EXCEPTIONS = 100
_MIDNIGHT = time(0, 0)
_A_DAY = timedelta(days=1)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _whole_minutes(at: time) -> time:
    if at.second or at.microsecond or at.tzinfo is not None:
        raise refusal("clock_time", "should be a time of the store's clock such as 14:30")
    return at


Clock = Annotated[time, AfterValidator(_whole_minutes)]


class Span(Value):
    """Open from one time to another; `to` at or before `from` is on the next day, `00:00` is midnight."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    opens: Clock = Field(alias="from")
    closes: Clock = Field(alias="to")

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.opens == self.closes != _MIDNIGHT:
            raise refusal("empty_span", "closes when it opens", path="to")
        return self

    def as_text(self) -> str:
        """As OpenStreetMap writes it."""
        closes = "24:00" if self.closes == _MIDNIGHT else f"{self.closes:%H:%M}"
        return f"{self.opens:%H:%M}-{closes}"


Spans = Annotated[tuple[Span, ...], Field(max_length=2)]


class WeeklyHours(Value):
    """Seven rows of at most two spans, and what differs from them. A day without spans is closed."""

    mo: Spans = ()
    tu: Spans = ()
    we: Spans = ()
    th: Spans = ()
    fr: Spans = ()
    sa: Spans = ()
    su: Spans = ()
    closed_on_public_holidays: Truth = False
    exceptions: Annotated[dict[date, Spans], Field(max_length=MOST_EXCEPTIONS)] = {}
    """Days that are not as usual; no spans: closed."""

    @property
    def is_blank(self) -> bool:
        """Whether nobody has said anything yet: no open day, no exception."""
        return not self.exceptions and not any(getattr(self, day) for day in DAYS)

    def as_text(self) -> str:
        """The same in OpenStreetMap's form. What comes later overrides what came before, or is added after a comma: so
        a night that begins on one day goes on into the next, whatever that has of its own. Around a public holiday
        that is closed the day itself is closed, from midnight to midnight, and no more.
        """
        weekdays = [f"{day.capitalize()} {_spans(getattr(self, day))}" for day in DAYS if getattr(self, day)]
        rules = [", ".join(weekdays) or "closed"]
        following = {day + _A_DAY for day in self.exceptions} - self.exceptions.keys()
        rules += [self._rule_of(day) for day in sorted(following) if self._has_night_before(day)]
        if self.closed_on_public_holidays:
            rules.append("PH closed")
        return "; ".join([*rules, *(self._rule_of(day) for day in sorted(self.exceptions))])

    def _rule_of(self, day: date) -> str:
        """One date with all that it has: what goes on into its morning, and its own."""
        own, night = self._on(day), _nights(self._on(day - _A_DAY))
        return f"{_date(day)} {','.join((*night, *([_spans(own)] if own or not night else [])))}"

    def _has_night_before(self, day: date) -> bool:
        """Whether the evening before an exception, or instead of it, would go on into the morning."""
        before = day - _A_DAY
        return bool(_nights(self._on(before)) or _nights(self._usual(before)))

    def _on(self, day: date) -> tuple[Span, ...]:
        return self.exceptions.get(day, self._usual(day))

    def _usual(self, day: date) -> tuple[Span, ...]:
        spans: tuple[Span, ...] = getattr(self, DAYS[day.weekday()])
        return spans


def _nights(spans: tuple[Span, ...]) -> tuple[str, ...]:
    """The mornings of the spans that end on the day after."""
    return tuple(f"00:00-{span.closes:%H:%M}" for span in spans if _MIDNIGHT != span.closes < span.opens)


def _date(day: date) -> str:
    return f"{day.year:04} {_MONTHS[day.month - 1]} {day.day:02}"


def _spans(spans: tuple[Span, ...]) -> str:
    return ",".join(span.as_text() for span in spans) or "closed"


def _readable(text: str) -> str:
    if not validate(text):
        raise refusal("opening_hours", "should be opening hours such as Mo-Sa 10:00-19:00; PH off")
    return text


HoursText = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_readable)]
OpeningHoursField = Annotated[Annotated[WeeklyHours, OBJECT] | Annotated[HoursText, PLAIN], OBJECT_OR_PLAIN]
"""Seven rows, or OpenStreetMap's text, which is kept as it was written."""


def hours_text(hours: WeeklyHours | str | None) -> str | None:
    """Opening hours in OpenStreetMap's form; None where nobody has said them."""
    if isinstance(hours, WeeklyHours):
        return None if hours.is_blank else hours.as_text()
    return hours or None


def stored_hours(stored: object) -> WeeklyHours | str | None:
    """Opening hours as a row keeps them; None where there are none, or none that can be read."""
    if isinstance(stored, str):
        return stored if validate(stored) else None
    try:
        hours = WeeklyHours.model_validate(stored or {})
    except ValidationError:
        return None
    return None if hours.is_blank else hours
