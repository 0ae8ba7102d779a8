"""A loop works while there is work, and does not spin where there is some that it cannot have."""

from __future__ import annotations

import time
from datetime import timedelta
from threading import Event

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from tests.delivery.brands import add_phones, owe_campaign
from tests.house import House, eventually
from wallet_service.delivery import worker
from wallet_service.delivery.apple_lane import AppleLane
from wallet_service.delivery.channels import open_apple
from wallet_service.delivery.google_lane import GoogleLane
from wallet_service.delivery.worker import Loop
from wallet_service.programs.document import GoogleDocument
from wallet_service.wallets.google.renewal import Account, RenewingGoogleChannel
from wallet_service.wallets.google.rest import GoogleChannel

STEPS = 6


def _never(_account: Account, _document: GoogleDocument) -> GoogleChannel:
    raise AssertionError("dialled without an account")


def seconds_for_steps(lane: AppleLane | GoogleLane, house: House) -> float:
    """How long a loop takes for so many steps in which it gets nothing done."""
    begun, enough, steps = time.monotonic(), Event(), 0

    def step() -> int:
        nonlocal steps
        steps += 1
        if steps == STEPS:
            enough.set()
        done = lane.step()
        assert done == 0
        return done

    loop = Loop("idle", step, lane.next_due_at, house.services.tools())
    loop.start()
    assert enough.wait(20)
    took = time.monotonic() - begun
    loop.stop()
    loop.join()
    return took


def test_a_row_in_anothers_hands_is_waited_for(house: House) -> None:
    add_phones(house, "lumiere", 1)
    owe_campaign(house, "lumiere")
    tools = house.services.tools()
    lane = AppleLane("lumiere", open_apple("lumiere", tools, house.services.keys), tools)
    with house.services.sessions() as another:
        another.execute(text("SELECT FROM deliveries FOR UPDATE"))
        assert seconds_for_steps(lane, house) >= (STEPS - 1) * 0.1
    lane.close()


def test_without_a_channel_to_google_the_lane_polls(house: House) -> None:
    house.enrol()
    with house.services.sessions.begin() as db:
        db.execute(
            text("UPDATE deliveries SET wanted_version = 1, next_attempt_at = :due"),
            {"due": house.clock() - timedelta(minutes=1)},
        )
    tools = house.services.tools()
    line: RenewingGoogleChannel[GoogleDocument] = RenewingGoogleChannel(lambda: None, _never)
    lane = GoogleLane("lumiere", line, tools, house.services.keys.sealer)
    assert seconds_for_steps(lane, house) >= (STEPS - 1) * tools.settings.poll_s
    lane.close()


def test_a_worker_with_a_loop_that_hangs_does_not_count_as_alive(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "STUCK", timedelta(seconds=0.5))
    sessions = house.services.sessions
    with house.working():
        eventually(lambda: house.rows("SELECT FROM worker_heartbeats"))
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
            assert house.rows("SELECT FROM worker_heartbeats") == []
        eventually(lambda: house.rows("SELECT FROM worker_heartbeats"))
