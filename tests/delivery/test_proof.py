"""What is said of a far end stays true: reminders do not unsay it, and a dead worker does not hide what is due."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.delivery.brands import add_phones, owe_campaign
from tests.delivery.rounds import MOST, PER_DAY, DeliveryRounds
from tests.system import System
from wallet_service.delivery import ledger
from wallet_service.delivery.policy import Told
from wallet_service.delivery.status import queue_statuses

HOUR = timedelta(hours=1)


def told_of(system: System, serial_number: str) -> list[tuple[str | None, str | None]]:
    """When each change was told and with which answer, newest first."""
    changes = system.api.ok("GET", f"/cards/{serial_number}/timeline")["changes"]
    return [(end["told_at"], end["told_answer"]) for change in changes for end in change["far_ends"]]


def test_a_reminder_does_not_erase_the_proof_that_a_change_was_told(system: System) -> None:
    rounds = DeliveryRounds(system)
    card = system.enrol()
    serial_number = card["serial_number"]
    system.iphone().open_link(card["links"]["card"])
    system.set_points("M-1", 5, sequence=1)
    assert tell(system, "first") == 1
    proof = told_of(system, serial_number)[:1]
    assert proof[0][1] == "first"
    system.clock.advance(7 * HOUR)
    with system.services.sessions.begin() as db:
        assert ledger.remind(db, now=system.clock(), most=MOST, per_day=PER_DAY).programs == {"lumiere"}
    assert told_of(system, serial_number)[:1] == proof, "the reminder is due"
    assert tell(system, "reminder") == 1
    assert told_of(system, serial_number)[:1] == proof, "the reminder was sent"
    system.clock.advance(7 * HOUR)
    with system.services.sessions.begin() as db:
        ledger.remind(db, now=system.clock(), most=MOST, per_day=PER_DAY)
    system.set_points("M-1", 6, sequence=2)
    assert told_of(system, serial_number)[:2] == [(None, None), *proof], "a newer change is not told yet"
    assert rounds.tell() == 1
    (_, answer), before = told_of(system, serial_number)[:2]
    assert (answer, before) == ("ok", proof[0])


def tell(system: System, answer: str) -> int:
    """Announce what is due; returns how much that was."""
    rounds, now = DeliveryRounds(system), system.clock()
    with system.services.sessions.begin() as db:
        rows = rounds.claim(db, answer)
        ledger.settle(db, [(row, Told(answer, HOUR)) for row in rows], claim_id=answer, now=now)
    return len(rows)


def test_what_a_phone_came_for_by_itself_was_never_told(system: System) -> None:
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    system.set_points("M-1", 5, sequence=1)
    assert tell(system, "first") == 1
    phone.refresh()
    system.set_points("M-1", 6, sequence=2)
    phone.refresh()
    answers = [answer for _, answer in told_of(system, card["serial_number"])]
    assert answers[:2] == [None, "first"]


def test_what_a_dead_worker_held_is_overdue(system: System) -> None:
    add_phones(system, "lumiere", 3)
    owe_campaign(system, "lumiere")
    with system.services.sessions.begin() as db:
        assert len(DeliveryRounds(system).claim(db, "of one who dies")) == 3  # for an hour
    overdue = []
    for _ in range(2):
        system.clock.advance(59 * timedelta(minutes=1))
        with system.services.sessions() as db:
            (queue,) = [one for one in queue_statuses(db, now=system.clock()) if one.kind == "apple"]
        overdue.append(queue.oldest_due_s)
    assert overdue == [0, pytest.approx(58 * 60, abs=10)]
