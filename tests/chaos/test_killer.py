"""The chaos run's own promise: it ends, also where what it tests has failed."""

from __future__ import annotations

import threading
from random import Random

import pytest

from tests.chaos.killer import Killer

PATIENCE_S = 20.0


def alive() -> bool:
    """Whether a killer is about."""
    return any(thread.name == "killer" for thread in threading.enumerate())


def test_every_kill_that_is_planned_happens() -> None:
    killed = threading.Semaphore(0)
    killer = Killer(killed.release, 3, Random(1))
    with killer.at_work(patience_s=PATIENCE_S):
        for number in (1, 2):
            killer.round_begins(number, 2)
    assert killer.kills == 3
    assert [killed.acquire(blocking=False) for _ in range(4)] == [True, True, True, False]
    assert not alive()


@pytest.mark.timeout(60)
def test_a_round_that_fails_ends_the_killing() -> None:
    killer = Killer(lambda: None, 50, Random(1))

    def fail() -> None:
        with killer.at_work(patience_s=PATIENCE_S):
            killer.round_begins(1, 25)
            raise AssertionError("not every phone was told")

    with pytest.raises(AssertionError, match="not every phone was told"):
        fail()
    assert not alive()
    assert killer.kills <= 2


@pytest.mark.timeout(60)
def test_a_kill_that_does_not_end_holds_nobody_up() -> None:
    stuck, leave = threading.Event(), threading.Event()

    def kill() -> None:
        stuck.set()
        leave.wait()

    killer = Killer(kill, 1, Random(1))
    with killer.at_work(patience_s=0.1):
        killer.round_begins(1, 1)
        assert stuck.wait(PATIENCE_S)
    assert killer.kills == 0
    leave.set()
