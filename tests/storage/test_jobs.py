"""Periodic tasks, on Procrastinate."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import orjson
import psycopg
import pytest

from tests.conftest import OpenSystem
from tests.storage.silent_line import SilentLine
from tests.system import System, eventually
from tests.wallets.google.test_quota import at_rest, saved_card
from wallet_service.delivery.maintenance import audit_google, maintenance_tasks
from wallet_service.metrics import GOOGLE_AUDIT_FINDINGS, GOOGLE_AUDITS
from wallet_service.storage import jobs
from wallet_service.storage.jobs import KEEP, JobRunner, Jobs, forget_history


def test_history_is_kept_for_its_time_and_no_longer(system: System) -> None:
    system.enrol()
    for points in (1, 2):
        system.set_points("M-1", points, sequence=points)
    assert len(system.rows("SELECT FROM card_versions")) == 3
    now = system.clock()
    assert set(forget_history(system.services.sessions, now=now).values()) == {0}
    later = now + max(kept for _, kept in KEEP.values()) + timedelta(seconds=1)
    assert forget_history(system.services.sessions, now=later)["card_versions"] == 3
    assert system.rows("SELECT FROM card_versions") == []


def test_a_task_that_takes_long_ends_early(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PORTION", 1)
    for member in ("M-1", "M-2", "M-3"):
        system.enrol(member)
    asked = iter([False, True])
    system.clock.advance(timedelta(days=91))
    tasks = maintenance_tasks(system.services.tools(), system.services.keys, lambda: next(asked, True))
    assert sum(tasks["forget_history"]().values()) == 1
    assert len(system.rows("SELECT FROM card_versions")) == 2


@pytest.fixture
def runners() -> Iterator[list[JobRunner]]:
    """What a test starts has ended after it."""
    before = set(threading.enumerate())
    started: list[JobRunner] = []
    yield started
    left = [thread for thread in threading.enumerate() if thread not in before and thread.name == "jobs"]
    assert started
    assert left == []


@pytest.mark.parametrize("after_s", [0, 0.005, 0.02, 0.05, 0.1, 0.2])
def test_the_jobs_stop_whenever_they_are_asked_to(system: System, runners: list[JobRunner], after_s: float) -> None:
    runners.append(JobRunner(system.services.database.libpq_url, Jobs()))
    runners[0].start()
    time.sleep(after_s)
    runners[0].stop()


def test_the_jobs_stop_while_the_database_does_not_answer(runners: list[JobRunner]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        runners.append(JobRunner(f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/nothing", Jobs()))
        runners[0].start()
        with silent.accept()[0]:
            runners[0].stop()


def test_the_jobs_stop_though_their_worker_cannot_sign_off(system: System, runners: list[JobRunner]) -> None:
    """The database goes away while they are stopping, and does not come back."""
    with ThreadPoolExecutor(1) as asking:
        with SilentLine(system.services.database) as line:
            runners.append(JobRunner(line.url, Jobs()))
            runners[0].start()
            eventually(lambda: system.rows("SELECT FROM procrastinate_workers"))
            line.fail("black hole")
            stopping = asking.submit(runners[0].stop)
            eventually(lambda: runners[0]._stopped)
        stopping.result()


def run_tonight(system: System, task: str) -> None:
    """Let a worker do a periodic task now."""
    with psycopg.connect(system.services.database.libpq_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args) VALUES ('default', %s, '{\"timestamp\": 0}')",
            (task,),
        )
        connection.execute("NOTIFY procrastinate_any_queue_v1")


def test_a_worker_runs_the_task_when_it_is_due(system: System) -> None:
    system.enrol()
    system.clock.advance(timedelta(days=91))
    with system.working():
        run_tonight(system, "forget_history")
        eventually(lambda: not system.rows("SELECT FROM card_versions"))


def test_a_worker_forgets_the_cards_of_erased_members(system: System) -> None:
    system.enrol()
    system.api.ok("DELETE", "/members/M-1")
    system.clock.advance(timedelta(days=1))
    with system.working():
        run_tonight(system, "forget_erased")
        eventually(lambda: not system.rows("SELECT FROM members"))


def test_a_worker_audits_google_and_counts_what_it_finds(system: System) -> None:
    found = GOOGLE_AUDIT_FINDINGS.labels("lumiere", "different")
    before = found._value.get()
    with system.working():
        saved_card(system)
        at_rest(system)
        (row,) = system.rows("SELECT object_id FROM google_objects")
        kind, _ = system.google.resources.find(row["object_id"], is_class=False) or pytest.fail("no object")
        system.google.resources.patch(kind, row["object_id"], {"accountName": "Personne"})
        run_tonight(system, "audit_google")
        eventually(lambda: system.google.object(row["object_id"])["accountName"] == "Claire Moreau")
    assert found._value.get() == before + 1


def test_an_audit_that_fails_or_is_interrupted_says_so(system: System) -> None:
    tools, keys = system.services.tools(), system.services.keys
    with system.working():
        saved_card(system)
        at_rest(system)
    looks = iter([False, True])
    assert audit_google(tools, keys, lambda: next(looks)) == {"programs": 1}
    assert GOOGLE_AUDITS.labels("lumiere", "interrupted")._value.get() == 1
    system.google.withdraw_service_account(orjson.loads((system.folder / "account.json").read_bytes())["client_email"])
    assert audit_google(tools, keys, lambda: False) == {"programs": 0}
    assert GOOGLE_AUDITS.labels("lumiere", "failed")._value.get() == 1


def test_periodic_tasks_follow_a_moved_clock(open_system: OpenSystem) -> None:
    """E17: with `WALLET_CLOCK`, the night that comes is that clock's; Procrastinate goes by the machine's."""
    system = open_system(WALLET_CLOCK="offset:+0s")
    system.enrol()
    with system.working():
        eventually(lambda: system.rows("SELECT FROM worker_heartbeats"))
        system.clock.advance(timedelta(days=91))
        eventually(lambda: not system.rows("SELECT FROM card_versions"))
    defers = system.rows("SELECT task_name FROM procrastinate_periodic_defers WHERE periodic_id = 'moved'")
    assert sorted({row["task_name"] for row in defers}) == [
        "audit_google",
        "audit_points",
        "book_due_points",
        "count_offers",
        "forget_access",
        "forget_erased",
        "forget_history",
        "forget_showings",
        "reissue_renewed",
        "resume_imports",
        "send_due_mails",
    ]
