"""The clock: the only module that asks the system for the time.

`WALLET_CLOCK` moves the clock of every process, for demos and tests: `offset:+3d2h` adds a span to the real time,
`file:PATH` reads an RFC 3339 instant from a file at each look.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wallet_service.errors import SettingsError

Clock = Callable[[], datetime]
"""Returns the present instant, aware and in UTC."""

_SPAN = re.compile(r"([+-])(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def system_clock() -> datetime:
    """The machine's own time."""
    return datetime.now(UTC)


def clock_from(setting: str | None) -> Clock:
    """Make a clock from the text of `WALLET_CLOCK`; None or empty is the machine's own.

    Raises:
        SettingsError: the text is neither `offset:±1d2h3m4s` nor `file:PATH`.
    """
    if not setting:
        return system_clock
    kind, _, value = setting.partition(":")
    if kind == "offset" and (span := _SPAN.fullmatch(value)) and any(span.groups()[1:]):
        days, hours, minutes, seconds = (int(part or 0) for part in span.groups()[1:])
        offset = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        offset = -offset if span[1] == "-" else offset
        return lambda: system_clock() + offset
    if kind == "file" and value:
        return lambda: _instant_in(Path(value))
    raise SettingsError(f"WALLET_CLOCK is {setting!r}; it should look like offset:+3d2h or file:/path/to/instant")


def _instant_in(path: Path) -> datetime:
    try:
        instant = datetime.fromisoformat(path.read_text(encoding="utf-8").strip())
    except (OSError, ValueError) as error:
        raise SettingsError(f"WALLET_CLOCK names {path}, which holds no RFC 3339 instant: {error}") from error
    if instant.tzinfo is None:
        raise SettingsError(f"WALLET_CLOCK names {path}, whose instant has no offset from UTC")
    return instant.astimezone(UTC)
