"""Paths as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.offers.test_reasons import NOW, store
from wallet_service.errors import Invalid
from wallet_service.offers.choosing_places import Point
from wallet_service.offers.paths import path_of
from wallet_service.offers.relevance import MOST_POINTS, Stop

STORES = {"lyon": store("lyon", 45.757, 4.832)}
TEN = datetime(2026, 12, 24, 9, tzinfo=UTC)


def path(*lines: str) -> tuple[Stop, ...]:
    return path_of(lines, STORES, zone="Europe/Paris", at=NOW)


def test_stores_coordinates_and_times() -> None:
    link = "https://www.example.com/maps/@45.5,4.5,17z"
    assert path("lyon", " ", "45.76, 4.85 @ 2026-12-24 10:00", "45,1; 4,2", f"{link} @ 24/12/2026 10:30") == (
        Stop(Point(45.757, 4.832), NOW),
        Stop(Point(45.76, 4.85), TEN),
        Stop(Point(45.1, 4.2), TEN),
        Stop(Point(45.5, 4.5), TEN + timedelta(minutes=30)),
    )
    assert path("lyon @ 2026-12-24T10:00+03:00")[0].at == datetime(2026, 12, 24, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        ((), ["no_point"]),
        ((" ", ""), ["no_point"]),
        (("nantes",), ["nowhere"]),
        (("95.0, 4.0",), ["nowhere"]),
        (("lyon @ demain",), ["unreadable_time"]),
        (("lyon @ 2026-03-29 02:30",), ["unreadable_time"]),  # the clocks jump over it
        (("lyon @ 2026-12-24 10:00", "lyon @ 2026-12-24 09:59"), ["before_previous"]),
        (("nantes", "lyon @ ?"), ["nowhere", "unreadable_time"]),
        (("lyon",) * (MOST_POINTS + 1), ["too_many_points"]),
    ],
)
def test_what_is_refused(lines: tuple[str, ...], codes: list[str]) -> None:
    with pytest.raises(Invalid) as refused:
        path(*lines)
    assert [fault.code for fault in refused.value.faults] == codes
    assert {fault.path for fault in refused.value.faults} == {"path"}
