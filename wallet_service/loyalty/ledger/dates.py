"""When points become available, and when they expire, by a programme's rules and its time zone. Pure.

"Valid through" a day means expiry at the midnight that ends it. Source: loyalty-mechanics 2.5.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import assert_never
from zoneinfo import ZoneInfo

from wallet_service.documents.programs import ExpiryDocument


def available_at(earned_at: datetime, pending_days: int, zone: str) -> datetime | None:
    """The midnight after so many whole days that follow the day of earning; None: at once."""
    if pending_days == 0:
        return None
    return _midnight_after(_day_of(earned_at, zone) + timedelta(days=pending_days), zone)


def expires_at(expiry: ExpiryDocument, counted_from: datetime, zone: str) -> datetime | None:
    """When points expire that become available at `counted_from`; None: never."""
    day = _day_of(counted_from, zone)
    match expiry.kind:
        case "none":
            return None
        case "rolling":
            through = _months_later(day, expiry.months or 0) + timedelta(days=expiry.days or 0)
        case "calendar":
            through = min(
                found for year in (day.year, day.year + 1) for one in expiry.on if (found := _in_year(one, year)) >= day
            )
        case _:
            assert_never(expiry.kind)
    return _midnight_after(through, zone)


def _day_of(instant: datetime, zone: str) -> date:
    return instant.astimezone(ZoneInfo(zone)).date()


def _midnight_after(day: date, zone: str) -> datetime:
    return datetime.combine(day + timedelta(days=1), time.min, ZoneInfo(zone)).astimezone(UTC)


def _months_later(day: date, months: int) -> date:
    """31 January and a month is the last day of February."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _in_year(month_day: str, year: int) -> date:
    """A day of every year, `MM-DD`; 29 February is the 28th in a common one."""
    month, day = int(month_day[:2]), int(month_day[3:])
    return date(year, month, min(day, monthrange(year, month)[1]))
