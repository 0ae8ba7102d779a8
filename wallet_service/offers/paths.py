"""A path as people write it: a line for each point, a store or coordinates, and when the phone is there. Pure.

lyon-bellecour
45.7570, 4.8320 @ 2026-11-27 10:00
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from wallet_service.documents.coordinates import coordinates_in
from wallet_service.errors import Fault, Invalid
from wallet_service.offers.choosing_places import Point
from wallet_service.offers.places import LiveStore
from wallet_service.offers.relevance import MOST_POINTS, Stop
from wallet_service.offers.windows import instant_of

_LINE = re.compile(r"(?P<where>.*?)(?:\s+@\s*(?P<at>.*))?", re.DOTALL)
"""The space before @ is needed: links of maps have an @ of their own."""
_DAY_FIRST = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(.*)", re.DOTALL)


def path_of(
    lines: Collection[str], stores: Mapping[str, LiveStore], *, zone: str, at: datetime, path: str = "path"
) -> tuple[Stop, ...]:
    """The stops of a path.

    Args:
        lines: blank ones count for nothing.
        stores: those that a line may name.
        zone: of times without an offset.
        at: when the first point is reached, where its line does not say; the others follow the line before.
        path: of the faults.

    Raises:
        Invalid: no point, too many, one that is nowhere, or times that do not rise.
    """
    written = [line.strip() for line in lines if line.strip()]
    if not written:
        raise Invalid.at(path, "names no point", "no_point")
    if len(written) > MOST_POINTS:
        raise Invalid.at(path, f"has more than {MOST_POINTS} points", "too_many_points", limit=MOST_POINTS)
    stops: list[Stop] = []
    faults: list[Fault] = []
    for line in written:
        found = _LINE.fullmatch(line)
        assert found is not None  # noqa: S101  (the pattern takes anything)
        point = _point(found["where"].strip(), stores)
        if point is None:
            faults.append(Fault(path, f"{line!r} is neither a store nor coordinates", "nowhere", {"line": line}))
        then = at if found["at"] is None else _instant(found["at"].strip(), zone)
        if then is None:
            faults.append(Fault(path, f"{line!r} has no time that can be read", "unreadable_time", {"line": line}))
        elif stops and then < at:
            faults.append(Fault(path, f"{line!r} is before the point above it", "before_previous", {"line": line}))
        if point is not None and then is not None:
            stops.append(Stop(point, then))
            at = then
    if faults:
        raise Invalid(*faults)
    return tuple(stops)


def _point(where: str, stores: Mapping[str, LiveStore]) -> Point | None:
    if where in stores:
        return stores[where].point
    found = coordinates_in(where)
    return Point(*found) if found is not None else None


def _instant(text: str, zone: str) -> datetime | None:
    if day := _DAY_FIRST.fullmatch(text):
        text = f"{day[3]}-{int(day[2]):02}-{int(day[1]):02}{day[4]}"
    try:
        read = datetime.fromisoformat(text.strip())
        return read.astimezone(UTC) if read.tzinfo is not None else instant_of(read, zone)
    except (ValueError, Invalid, OverflowError):
        return None
