"""A worker that is killed, or paused, at any line; a database that goes away. Nothing is lost, nothing stale is
committed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.chaos.run import Plan, run
from tests.conftest import OpenSystem
from tests.delivery.crashing_worker import POINTS
from tests.routes.test_balance_event import iphone_shows
from tests.system import System, eventually
from wallet_service.delivery.apple_queue import AppleQueue
from wallet_service.delivery.channels import open_apple

SHORT = {"WALLET_LEASE_S": "2", "WALLET_APNS_TIMEOUT_S": "1", "WALLET_GOOGLE_TIMEOUT_S": "1"}
_PATIENCE_S = 60


@contextmanager
def a_worker_that_dies(system: System, point: str) -> Iterator[None]:
    """It is given something to do in the block, and is dead after it."""
    environment = os.environ | system.environment | {"WALLET_DATABASE_URL": system.services.database.url}
    crashing = subprocess.Popen(
        [sys.executable, "-m", "tests.delivery.crashing_worker", point],
        env=environment,
        cwd=Path(__file__).parent.parent.parent,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
        assert crashing.wait(_PATIENCE_S) == -signal.SIGKILL
    finally:
        crashing.kill()
        crashing.wait()


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_named_point(open_system: OpenSystem, point: str) -> None:
    system = open_system(**SHORT)
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    with a_worker_that_dies(system, point):
        system.set_points("M-1", 5, sequence=1)
    with system.working():
        iphone_shows(phone, "5")
        eventually(lambda: system.card(card["serial_number"])["far_ends"][0]["state"] == "up_to_date")
        eventually(
            lambda: not system.rows("SELECT FROM deliveries WHERE wanted_version > told_version AND kind = 'apple'")
        )
    assert 1 <= len(system.apns.announcements) <= 2


def test_a_paused_worker_commits_nothing_stale(open_system: OpenSystem) -> None:
    """SIGSTOP in the middle of a push, a take-over, a newer change, SIGCONT: the late settle changes nothing."""
    system = open_system(**SHORT)
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    paused = system.worker_process()
    system.apns.during_next_push(lambda: os.kill(paused.pid, signal.SIGSTOP))
    system.set_points("M-1", 5, sequence=1)
    eventually(lambda: len(system.apns.announcements) == 1)
    with system.working():
        system.set_points("M-1", 6, sequence=2)
        iphone_shows(phone, "6")
        eventually(lambda: system.card(card["serial_number"])["far_ends"][0]["state"] == "up_to_date")
        before = system.rows("SELECT wanted_version, told_version, told_answer FROM deliveries WHERE kind = 'apple'")
        os.kill(paused.pid, signal.SIGCONT)
        system.set_points("M-1", 7, sequence=3)
        iphone_shows(phone, "7")
        eventually(lambda: system.card(card["serial_number"])["far_ends"][0]["state"] == "up_to_date")
    paused.terminate()
    assert paused.wait(20) == 0
    after = system.rows("SELECT wanted_version, told_version FROM deliveries WHERE kind = 'apple'")[0]
    assert after["told_version"] == after["wanted_version"] > before[0]["wanted_version"]


def test_a_dead_workers_rows_are_taken_over_when_its_lease_ends(open_system: OpenSystem) -> None:
    """And not before: as long as it lasts, the dead one might be alive and sending."""
    system = open_system(WALLET_LEASE_S="600")
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    with a_worker_that_dies(system, "after claim"):
        system.set_points("M-1", 5, sequence=1)
    line = open_apple("lumiere", system.services.tools(), system.services.keys)
    with closing(AppleQueue("lumiere", line, system.services.tools(), signer=line.signer)) as another:
        assert another.step() == 0
        system.clock.advance(timedelta(seconds=600))
        assert another.step() == 1
    assert len(system.apns.announcements) == 1
    iphone_shows(phone, "5")


def test_chaos_in_short() -> None:
    """The same run as `make chaos`, small: everything goes wrong, and no reachable phone is stale."""
    plan = Plan(cards=60, rounds=3, kills=3, restarts=1, seed=11, bound_s=200, again_after_s=3)
    result = run(plan, lambda _what, _done: None)
    assert result.keeps_the_promise(plan), result
    assert result.restarts == 1
