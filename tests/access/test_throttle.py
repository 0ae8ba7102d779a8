"""Limits: a burst, then one for each step, whoever asks and however many at once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from tests.access.conftest import NOW, Access
from wallet_service.access.throttle import (
    SIGN_IN_BY_ADDRESS,
    SIGN_IN_BY_NETWORK,
    Limit,
    forget_throttle,
    give_back,
    take,
    take_of,
    throttle_key,
)
from wallet_service.storage.encryption import KeyedDigester

HOURLY = Limit("test", 10, timedelta(hours=1))


def tries(access: Access, times: int, *, at: timedelta = timedelta(0), subject: str = "lea") -> list[bool]:
    """That many tries in a row."""
    answers = []
    for _ in range(times):
        with access.sessions.begin() as db:
            answers.append(take_of(db, access.digester, HOURLY, subject, now=NOW + at).is_allowed)
    return answers


def test_a_burst_and_then_a_wait(access: Access) -> None:
    assert tries(access, 12) == [True] * 10 + [False] * 2
    with access.sessions.begin() as db:
        taken = take_of(db, access.digester, HOURLY, "lea", now=NOW + timedelta(minutes=1))
    assert taken.wait == timedelta(minutes=5)
    assert tries(access, 2, at=timedelta(minutes=6)) == [True, False]
    assert tries(access, 11, at=timedelta(hours=2)) == [True] * 10 + [False]


def test_one_callers_limit_is_not_anothers(access: Access) -> None:
    assert tries(access, 11)[-1] is False
    assert tries(access, 1, subject="paul") == [True]
    with access.sessions.begin() as db:
        other = Limit("another", 10, timedelta(hours=1))
        assert take_of(db, access.digester, other, "lea", now=NOW).is_allowed


def test_a_try_that_did_not_count_is_given_back(access: Access) -> None:
    assert tries(access, 11)[-1] is False
    with access.sessions.begin() as db:
        give_back(db, access.digester, HOURLY, "lea")
    assert tries(access, 2) == [True, False]


def test_a_clock_that_goes_back_gives_no_more(access: Access) -> None:
    assert tries(access, 10) == [True] * 10
    assert tries(access, 1, at=-timedelta(minutes=5)) == [False]


@pytest.mark.parametrize("known", [True, False])
def test_six_connections_at_once_get_exactly_the_burst(access: Access, known: bool) -> None:
    key = throttle_key(access.digester, HOURLY, "shop")
    burst = 10
    if known:
        with access.sessions.begin() as db:
            take(db, key, rate=HOURLY.step, burst=burst, now=NOW - timedelta(days=1))
    allowed, start = [], threading.Barrier(6)

    def ask() -> None:
        with access.sessions() as db:
            start.wait()
            for _ in range(50):
                taken = take(db, key, rate=HOURLY.step, burst=burst, now=NOW)
                db.commit()
                allowed.append(taken.is_allowed)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(allowed) == 300
    assert sum(allowed) == burst


def test_c97_no_address_is_at_rest(access: Access) -> None:
    with access.sessions.begin() as db:
        take_of(db, access.digester, SIGN_IN_BY_NETWORK, "203.0.113.0/24", now=NOW)
        take_of(db, access.digester, SIGN_IN_BY_ADDRESS, "lea@example.com", now=NOW)
    keys = [bytes(row["key"]) for row in access.rows("SELECT key FROM throttle")]
    assert [len(key) for key in keys] == [32, 32]
    assert throttle_key(access.digester, SIGN_IN_BY_NETWORK, "203.0.113.0/24") in keys
    stranger = KeyedDigester("another installation's secret", "throttle")
    assert throttle_key(stranger, SIGN_IN_BY_NETWORK, "203.0.113.0/24") not in keys, "guessing needs our secret"
    columns = access.rows(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND (data_type IN ('inet', 'cidr') OR column_name ~ '(^|_)(ip|client_address|remote)(_|$)')"
        " AND table_name !~ '^procrastinate'"
    )
    assert columns == []


def test_c97_what_is_whole_again_is_deleted(access: Access) -> None:
    tries(access, 3)
    assert forget_throttle(access.sessions, now=NOW + timedelta(minutes=17), stopping=lambda: False) == 0
    assert forget_throttle(access.sessions, now=NOW + timedelta(minutes=19), stopping=lambda: True) == 0
    assert forget_throttle(access.sessions, now=NOW + timedelta(minutes=19), stopping=lambda: False) == 1
    assert access.rows("SELECT FROM throttle") == []


def test_the_table_is_not_logged(access: Access) -> None:
    assert access.rows("SELECT relpersistence::text AS kind FROM pg_class WHERE relname = 'throttle'") == [
        {"kind": "u"}
    ]
