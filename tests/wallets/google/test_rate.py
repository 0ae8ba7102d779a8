"""One pace for all workers. Numbers: google-wallet.md, section 25."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.storage.engine import Database
from wallet_service.wallets.google.client.calls import Answer
from wallet_service.wallets.google.client.rate import PART_USED, RECOVERY_S, SharedRate

START = datetime(2026, 11, 20, tzinfo=UTC)


class Clockwork:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def sessions(new_database: Callable[[], Database]) -> Iterator[sessionmaker[Session]]:
    database = new_database()
    yield sessionmaker(database.engine)
    database.close()


def most_in_a_second(sent: list[float]) -> int:
    """The fullest window of one second."""
    ordered = sorted(sent)
    return max(sum(1 for other in ordered if start <= other <= start + 1.0) for start in ordered)


issuers = iter(range(10**6))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 2), st.floats(0, 0.2)), min_size=30, max_size=60), st.sampled_from([5, 20, 50])
)
def test_item_35_no_second_holds_more_whoever_asks(
    sessions: sessionmaker[Session], asked: list[tuple[int, float]], per_s: int
) -> None:
    """Three processes, each asking when it likes; what is given out never crowds."""
    clock, issuer = Clockwork(), str(next(issuers))
    workers = [SharedRate(sessions, issuer, per_s=per_s, clock=clock) for _ in range(3)]
    sent = []
    for worker, pause in asked:
        clock.advance(pause)
        sent.append((clock() - START).total_seconds() + workers[worker].take(1))
    assert most_in_a_second(sent) <= per_s


def test_item_35_equal_batches_keep_to_the_limit_too(sessions: sessionmaker[Session]) -> None:
    clock = Clockwork()
    rate = SharedRate(sessions, "1", per_s=20, clock=clock)
    sent: list[float] = []
    for _ in range(20):
        wait = rate.take(5)
        clock.advance(wait)
        sent += [(clock() - START).total_seconds()] * 5
    assert most_in_a_second(sent) <= 20


def test_item_35_the_full_rate_is_used(sessions: sessionmaker[Session]) -> None:
    clock = Clockwork()
    rate = SharedRate(sessions, "1", per_s=20, clock=clock)
    for _ in range(200):
        clock.advance(rate.take(1))
    assert 199 / (clock() - START).total_seconds() >= 0.95 * 20


def test_item_35_threads_on_real_time_share_one_pace(sessions: sessionmaker[Session]) -> None:
    """Four workers of two threads each, the database's own clock: nobody is early, and little is lost."""
    sent: list[float] = []
    per_s, count = 100, 120

    def work(rate: SharedRate) -> None:
        while len(sent) < count:
            wait = rate.take(1)
            sent.append(time.monotonic() + wait)

    rates = [SharedRate(sessions, "1", per_s=per_s) for _ in range(4)]
    threads = [threading.Thread(target=work, args=(rate,)) for rate in rates for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gaps = sorted(sent)
    assert (gaps[-1] - gaps[0]) >= (len(sent) - 1) / per_s - 0.02


def test_item_34_too_fast_halves_the_rate_for_all_and_it_comes_back(sessions: sessionmaker[Session]) -> None:
    clock = Clockwork()
    one, other = (SharedRate(sessions, "1", per_s=20, clock=clock) for _ in range(2))
    one.take(1)
    full = 20 * PART_USED
    assert other.now_per_s() == pytest.approx(full)
    one.note(Answer(429, "rateLimitExceeded"))
    assert other.now_per_s() == pytest.approx(full / 2)
    one.note(Answer(429))
    assert other.now_per_s() == pytest.approx(full / 2), "answers of one burst count once"
    clock.advance(RECOVERY_S / 2)
    assert other.now_per_s() == pytest.approx(full * 0.75)
    clock.advance(RECOVERY_S)
    assert other.now_per_s() == pytest.approx(full)


def test_single_errors_do_not_slow_anyone_down_but_many_do(sessions: sessionmaker[Session]) -> None:
    clock = Clockwork()
    rate = SharedRate(sessions, "1", per_s=20, clock=clock)
    rate.take(1)
    chance = Random(7)
    for _ in range(20_000):
        rate.note(Answer(503 if chance.random() < 0.05 else 200))
    assert rate.now_per_s() == pytest.approx(20 * PART_USED)
    for _ in range(20):
        rate.note(Answer(503))
    assert rate.now_per_s() == pytest.approx(10 * PART_USED)


def test_a_missing_permission_is_no_reason_to_slow_down(sessions: sessionmaker[Session]) -> None:
    rate = SharedRate(sessions, "1", per_s=20)
    rate.take(1)
    rate.note(Answer(403, "permissionDenied"))
    rate.note(Answer(403, "quotaExceeded"))
    assert rate.now_per_s() == pytest.approx(20 * PART_USED)
    rate.note(Answer(403, "rateLimitExceeded"))
    assert rate.now_per_s() == pytest.approx(10 * PART_USED, rel=0.05)
