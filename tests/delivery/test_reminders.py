"""Phones that do not come are reminded a few times a day at most, whatever changes on however many of their cards."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.conftest import OpenSystem
from tests.delivery.brands import add_phones
from tests.delivery.rounds import HOUR, MOST, PER_DAY, TICK, DeliveryRounds, fullest
from tests.system import System
from wallet_service.delivery import ledger
from wallet_service.delivery.policy import Told
from wallet_service.delivery.worker import REMINDING_ROUNDS

DAY = timedelta(days=1)


@pytest.fixture
def rounds(system: System) -> DeliveryRounds:
    """The system's rounds, without a worker."""
    return DeliveryRounds(system)


def test_a_change_every_hour_does_not_begin_the_days_reminders_anew(system: System, rounds: DeliveryRounds) -> None:
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    for number in range(1, 61):
        system.set_points("M-1", number, sequence=number)
        assert rounds.tell() == 1, "a change is told at once; it is no reminder"
        for _ in rounds.let_pass(HOUR):
            pass
    assert fullest(rounds.reminded_at, DAY) == PER_DAY
    assert len(rounds.reminded_at) == MOST + 1, "and then it is stale: changes do not begin that count anew either"
    assert [one["state"] for one in system.api.ok("GET", "/deliveries?state=stale")["items"]] == ["stale"]
    assert rounds.stale == 1
    phone.refresh()
    assert phone.shows().text("points") == "60"
    assert system.card(card["serial_number"])["far_ends"][0]["state"] == "up_to_date"
    assert not any(rounds.remind() for _ in rounds.let_pass(DAY))


def test_two_cards_on_one_phone_are_reminded_of_together(system: System, rounds: DeliveryRounds) -> None:
    phone = system.iphone()
    for member in ("M-1", "M-2"):
        phone.open_link(system.enrol(member)["links"]["card"])
    for member in ("M-1", "M-2"):
        system.set_points(member, 5, sequence=1)
    assert rounds.tell() == 1
    for _ in range(5):
        system.clock.advance(DAY)
        assert rounds.remind() == 1
    # Now each card at its own hour; the device has one allowance for both.
    for number in range(6, 24):
        system.set_points(f"M-{number % 2 + 1}", number, sequence=number)
        rounds.tell()
        for _ in rounds.let_pass(3 * HOUR):
            pass
    assert fullest(rounds.reminded_at, DAY) == PER_DAY


def test_what_is_too_much_today_is_said_when_the_oldest_reminder_is_a_day_old(
    system: System, rounds: DeliveryRounds
) -> None:
    phone = system.iphone()
    phone.open_link(system.enrol()["links"]["card"])
    system.set_points("M-1", 1, sequence=1)
    rounds.tell()
    while len(rounds.reminded_at) < PER_DAY:
        system.clock.advance(TICK)
        rounds.remind()
    system.set_points("M-1", 2, sequence=2)
    rounds.tell()
    system.clock.advance(rounds.reminded_at[0] + DAY - timedelta(minutes=1) - system.clock())
    assert rounds.remind() == 0
    (row,) = system.rows("SELECT again_at, repeats FROM deliveries WHERE kind = 'apple'")
    assert row["again_at"] == rounds.reminded_at[0] + DAY
    system.clock.advance(timedelta(minutes=1))
    assert rounds.remind() == 1
    assert len(system.rows("SELECT FROM devices WHERE cardinality(reminded_at) = :most", most=PER_DAY)) == 1


def test_who_came_before_the_answer_of_apple_is_forgotten_about(system: System, rounds: DeliveryRounds) -> None:
    phone = system.iphone()
    phone.open_link(system.enrol()["links"]["card"])
    system.set_points("M-1", 5, sequence=1)
    now = system.clock()
    with system.services.sessions.begin() as db:
        rows = ledger.claim(db, kind="apple", program_id="lumiere", now=now, lease=HOUR, batch=1, claim_id="a")
    phone.refresh()
    with system.services.sessions.begin() as db:
        ledger.settle(db, [(row, Told("ok", HOUR)) for row in rows], claim_id="a", now=now)
    system.clock.advance(2 * HOUR)
    assert rounds.remind() == 0
    assert system.rows("SELECT FROM deliveries WHERE again_at IS NOT NULL") == []


@pytest.mark.parametrize("state", ["parked = 'BadDeviceToken'", "told_version = 0"])
def test_who_cannot_be_told_or_will_be_told_anyway_is_not_reminded(
    system: System, rounds: DeliveryRounds, state: str
) -> None:
    phone = system.iphone()
    phone.open_link(system.enrol()["links"]["card"])
    system.set_points("M-1", 5, sequence=1)
    assert rounds.tell() == 1
    system.clock.advance(DAY)
    with system.services.sessions.begin() as db:
        db.execute(text(f"UPDATE deliveries SET {state} WHERE kind = 'apple'"))
        assert ledger.remind(db, now=system.clock(), most=MOST, per_day=PER_DAY).programs == frozenset()
    (row,) = system.rows("SELECT again_at, repeats, missed FROM deliveries WHERE kind = 'apple'")
    assert row == {"again_at": None, "repeats": 0, "missed": 0}
    assert system.rows("SELECT reminded_at FROM devices") == [{"reminded_at": []}]


def test_a_million_reminders_do_not_silence_the_worker(open_system: OpenSystem) -> None:
    """It says that it lives after so many rounds, and then goes on."""
    system = open_system(WALLET_BATCH="1")
    add_phones(system, "lumiere", REMINDING_ROUNDS + 5)
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE registrations SET fetched_version = 0"))
        db.execute(text("UPDATE deliveries SET told_at = :now, again_at = :now"), {"now": system.clock()})
    system.clock.advance(DAY)
    worker = system.services.worker()
    left = []
    for _ in range(2):
        worker.remind_step()
        left.append(len(system.rows("SELECT FROM deliveries WHERE again_at IS NOT NULL")))
    worker.stop()
    worker.run()  # comes and goes at once, and so closes what it has opened
    assert left == [5, 0]


def test_several_workers_remind_each_device_once(system: System, rounds: DeliveryRounds) -> None:
    phones = 12
    for number in range(phones):
        phone = system.iphone()
        members = (f"M-{number}-a", f"M-{number}-b")
        for member in members:
            phone.open_link(system.enrol(member)["links"]["card"])
        for member in members:
            system.set_points(member, 5, sequence=1)
    assert rounds.tell() == phones
    system.clock.advance(DAY)
    now, ready, failures = system.clock(), threading.Barrier(4), []

    def work() -> None:
        try:
            ready.wait()
            more = True
            while more:
                with system.services.sessions.begin() as db:
                    more = ledger.remind(db, now=now, most=MOST, per_day=PER_DAY, batch=3).more
        except Exception as error:
            failures.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    with system.services.sessions.begin() as db:
        assert not ledger.remind(db, now=now, most=MOST, per_day=PER_DAY).more
    rows = system.rows("SELECT repeats FROM deliveries WHERE kind = 'apple'")
    assert [row["repeats"] for row in rows] == [1] * 2 * phones
    assert rounds.tell() == phones
