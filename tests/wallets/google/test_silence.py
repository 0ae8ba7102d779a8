"""A Google that takes connections and answers nothing holds nobody up for longer than one time-out for each task."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

from sqlalchemy import text

from tests.conftest import OpenSystem
from tests.system import System, eventually
from tests.wallets.google.test_quota import at_rest
from wallet_service.delivery.channels import renewing_google_channel
from wallet_service.delivery.google_queue import GoogleQueue
from wallet_service.wallets.google import maintenance

SHORT = {"WALLET_LEASE_S": "3", "WALLET_GOOGLE_TIMEOUT_S": "1", "WALLET_APNS_TIMEOUT_S": "1"}
MANY = 8


@contextmanager
def a_queue(system: System) -> Iterator[GoogleQueue]:
    """Google's, with some cards there and nothing left to do."""
    with system.working():
        for number in range(MANY):
            card = system.enrol(f"M-{number}")
            system.api.session.get(card["links"]["google"], allow_redirects=False, timeout=10)
        at_rest(system)
    tools, keys = system.services.tools(), system.services.keys
    line = renewing_google_channel("lumiere", tools, keys)
    with closing(GoogleQueue("lumiere", line, tools, keys.sealer)) as queue:
        while queue.step():
            pass
        yield queue


def make_tasks_due(system: System) -> None:
    """As many messages to everybody, and callbacks to be confirmed."""
    now = system.clock()
    with system.services.sessions.begin() as db:
        for number in range(MANY):
            message = {"id": f"m-{number}", "header": "Soldes", "body": "Ce soir"}
            maintenance.queue_class_messages(
                db, "lumiere", message, notify=False, ends_at=now + timedelta(days=1), now=now
            )
        db.execute(text("UPDATE google_objects SET confirm_at = :now"), {"now": now})


def tried(system: System) -> tuple[int, int]:
    """Messages and callbacks."""
    messages = system.rows("SELECT FROM google_messages WHERE attempted_at IS NOT NULL")
    asked = system.rows("SELECT FROM google_objects WHERE confirm_at IS NULL OR confirm_at > now()")
    return len(messages), len(asked)


def test_the_first_silence_is_enough(open_system: OpenSystem) -> None:
    system = open_system(**SHORT)
    with a_queue(system) as queue:
        make_tasks_due(system)
        system.google.delay(2)
        assert queue.step() == 2
        assert tried(system) == (1, 1), "each would have cost a time-out"
        system.google.delay(0)
        system.clock.advance(system.services.settings.lease * 2)
        while queue.step():
            pass
    assert tried(system) == (MANY, MANY)
    assert len(system.rows("SELECT FROM google_messages WHERE sent_at IS NOT NULL")) == MANY


def test_a_queue_that_stops_begins_no_task(open_system: OpenSystem) -> None:
    system = open_system(**SHORT)
    with a_queue(system) as queue:
        make_tasks_due(system)
        queue.stop()
        assert queue.step() == 0
    assert tried(system) == (0, 0)


def test_a_queue_that_stops_gives_back_what_waits_for_its_turn(open_system: OpenSystem) -> None:
    """Others have taken all turns for the next five minutes, half of this queue's lease."""
    system = open_system(WALLET_LEASE_S="600")
    with a_queue(system) as queue:
        for number in range(MANY):
            system.set_points(f"M-{number}", 5, sequence=1)
        sent = len(system.google.calls)
        with system.services.sessions.begin() as db:
            ahead = "UPDATE google_rates SET next_at = clock_timestamp() + interval '300 seconds' RETURNING next_at"
            next_at = db.scalar(text(ahead))
        step = threading.Thread(target=queue.step)
        step.start()
        eventually(lambda: system.rows("SELECT FROM google_rates WHERE next_at > :next_at", next_at=next_at))
        queue.stop()
        step.join(20)
        assert not step.is_alive()
    assert len(system.google.calls) == sent
    waiting = "kind = 'google' AND told_version < wanted_version"
    as_before = "claim IS NULL AND attempts = 0 AND next_attempt_at <= now()"
    assert len(system.rows(f"SELECT FROM deliveries WHERE {waiting} AND {as_before}")) == MANY
