"""A loop works while there is work, and does not spin where there is some that it cannot have."""

from __future__ import annotations

import time
from datetime import timedelta
from threading import Event

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from tests.delivery.brands import add_phones, owe_campaign
from tests.system import System, eventually
from wallet_service.delivery import worker
from wallet_service.delivery.apple_queue import AppleQueue
from wallet_service.delivery.channels import open_apple
from wallet_service.delivery.google_queue import GoogleQueue
from wallet_service.delivery.worker import Loop
from wallet_service.documents.programs import GoogleDocument
from wallet_service.wallets.google.channel import GoogleChannel
from wallet_service.wallets.google.renewing_channel import Account, RenewingGoogleChannel

STEPS = 6


def _never(_account: Account, _document: GoogleDocument) -> GoogleChannel:
    raise AssertionError("dialled without an account")


def seconds_for_steps(queue: AppleQueue | GoogleQueue, system: System) -> float:
    """How long a loop takes for so many steps in which it gets nothing done."""
    begun, enough, steps = time.monotonic(), Event(), 0

    def step() -> int:
        nonlocal steps
        steps += 1
        if steps == STEPS:
            enough.set()
        done = queue.step()
        assert done == 0
        return done

    loop = Loop("idle", step, queue.next_due_at, system.services.tools())
    loop.start()
    assert enough.wait(20)
    took = time.monotonic() - begun
    loop.stop()
    loop.join()
    return took


def test_a_row_that_another_has_claimed_is_waited_for(system: System) -> None:
    add_phones(system, "lumiere", 1)
    owe_campaign(system, "lumiere")
    tools = system.services.tools()
    queue = AppleQueue("lumiere", open_apple("lumiere", tools, system.services.keys), tools)
    with system.services.sessions() as another:
        another.execute(text("SELECT FROM deliveries FOR UPDATE"))
        assert seconds_for_steps(queue, system) >= (STEPS - 1) * 0.1
    queue.close()


def test_without_a_channel_to_google_the_queue_polls(system: System) -> None:
    system.enrol()
    with system.services.sessions.begin() as db:
        db.execute(
            text("UPDATE deliveries SET wanted_version = 1, next_attempt_at = :due"),
            {"due": system.clock() - timedelta(minutes=1)},
        )
    tools = system.services.tools()
    line: RenewingGoogleChannel[GoogleDocument] = RenewingGoogleChannel(lambda: None, _never)
    queue = GoogleQueue("lumiere", line, tools, system.services.keys.sealer)
    assert seconds_for_steps(queue, system) >= (STEPS - 1) * tools.settings.poll_s
    queue.close()


def test_a_worker_with_a_loop_that_hangs_does_not_count_as_alive(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "STUCK", timedelta(seconds=0.5))
    sessions = system.services.sessions
    with system.working():
        eventually(lambda: system.rows("SELECT FROM worker_heartbeats"))
        with capture_logs() as logs, sessions() as another:
            another.execute(text("LOCK TABLE campaigns"))

            def said() -> list[list[str]]:
                return [line["loops"] for line in logs if line["event"] == "loops_stuck"]

            eventually(said)
            with sessions.begin() as db:
                db.execute(text("DELETE FROM worker_heartbeats"))
            rounds = len(said())
            eventually(lambda: len(said()) > rounds + 2)
            assert said()[-1] == ["composing"]
            assert system.rows("SELECT FROM worker_heartbeats") == []
        eventually(lambda: system.rows("SELECT FROM worker_heartbeats"))
