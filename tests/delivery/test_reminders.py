"""Phones that do not come are reminded a few times a day at most, whatever changes on however many of their cards."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.conftest import OpenHouse
from tests.delivery.brands import add_phones
from tests.delivery.postroom import HOUR, MOST, PER_DAY, TICK, Postroom, fullest
from tests.house import House
from wallet_service.delivery import ledger
from wallet_service.delivery.policy import Told
from wallet_service.delivery.worker import REMINDING_ROUNDS

DAY = timedelta(days=1)


@pytest.fixture
def postroom(house: House) -> Postroom:
    """The house's postroom, without a worker."""
    return Postroom(house)


def test_a_change_every_hour_does_not_begin_the_days_reminders_anew(house: House, postroom: Postroom) -> None:
    card = house.enrol()
    phone = house.iphone()
    phone.open_link(card["links"]["card"])
    for number in range(1, 61):
        house.set_points("M-1", number, sequence=number)
        assert postroom.tell() == 1, "a change is told at once; it is no reminder"
        for _ in postroom.let_pass(HOUR):
            pass
    assert fullest(postroom.reminded_at, DAY) == PER_DAY
    assert len(postroom.reminded_at) == MOST + 1, "and then it is stale: changes do not begin that count anew either"
    assert [one["state"] for one in house.api.ok("GET", "/deliveries?state=stale")["items"]] == ["stale"]
    assert postroom.stale == 1
    phone.refresh()
    assert phone.shows().text("points") == "60"
    assert house.card(card["serial_number"])["far_ends"][0]["state"] == "up_to_date"
    assert not any(postroom.remind() for _ in postroom.let_pass(DAY))


def test_two_cards_on_one_phone_are_reminded_of_together(house: House, postroom: Postroom) -> None:
    phone = house.iphone()
    for member in ("M-1", "M-2"):
        phone.open_link(house.enrol(member)["links"]["card"])
    for member in ("M-1", "M-2"):
        house.set_points(member, 5, sequence=1)
    assert postroom.tell() == 1
    for _ in range(5):
        house.clock.advance(DAY)
        assert postroom.remind() == 1
    # Now each card at its own hour; the device has one allowance for both.
    for number in range(6, 24):
        house.set_points(f"M-{number % 2 + 1}", number, sequence=number)
        postroom.tell()
        for _ in postroom.let_pass(3 * HOUR):
            pass
    assert fullest(postroom.reminded_at, DAY) == PER_DAY


def test_what_is_too_much_today_is_said_when_the_oldest_reminder_is_a_day_old(house: House, postroom: Postroom) -> None:
    phone = house.iphone()
    phone.open_link(house.enrol()["links"]["card"])
    house.set_points("M-1", 1, sequence=1)
    postroom.tell()
    while len(postroom.reminded_at) < PER_DAY:
        house.clock.advance(TICK)
        postroom.remind()
    house.set_points("M-1", 2, sequence=2)
    postroom.tell()
    house.clock.advance(postroom.reminded_at[0] + DAY - timedelta(minutes=1) - house.clock())
    assert postroom.remind() == 0
    (row,) = house.rows("SELECT again_at, repeats FROM deliveries WHERE kind = 'apple'")
    assert row["again_at"] == postroom.reminded_at[0] + DAY
    house.clock.advance(timedelta(minutes=1))
    assert postroom.remind() == 1
    assert len(house.rows("SELECT FROM devices WHERE cardinality(reminded_at) = :most", most=PER_DAY)) == 1


def test_who_came_before_the_answer_of_apple_is_forgotten_about(house: House, postroom: Postroom) -> None:
    phone = house.iphone()
    phone.open_link(house.enrol()["links"]["card"])
    house.set_points("M-1", 5, sequence=1)
    now = house.clock()
    with house.services.sessions.begin() as db:
        rows = ledger.claim(db, kind="apple", program_id="lumiere", now=now, lease=HOUR, batch=1, claim_id="a")
    phone.refresh()
    with house.services.sessions.begin() as db:
        ledger.settle(db, [(row, Told("ok", HOUR)) for row in rows], claim_id="a", now=now)
    house.clock.advance(2 * HOUR)
    assert postroom.remind() == 0
    assert house.rows("SELECT FROM deliveries WHERE again_at IS NOT NULL") == []


@pytest.mark.parametrize("state", ["parked = 'BadDeviceToken'", "told_version = 0"])
def test_who_cannot_be_told_or_will_be_told_anyway_is_not_reminded(
    house: House, postroom: Postroom, state: str
) -> None:
    phone = house.iphone()
    phone.open_link(house.enrol()["links"]["card"])
    house.set_points("M-1", 5, sequence=1)
    assert postroom.tell() == 1
    house.clock.advance(DAY)
    with house.services.sessions.begin() as db:
        db.execute(text(f"UPDATE deliveries SET {state} WHERE kind = 'apple'"))
        assert ledger.remind(db, now=house.clock(), most=MOST, per_day=PER_DAY).programs == frozenset()
    (row,) = house.rows("SELECT again_at, repeats, missed FROM deliveries WHERE kind = 'apple'")
    assert row == {"again_at": None, "repeats": 0, "missed": 0}
    assert house.rows("SELECT reminded_at FROM devices") == [{"reminded_at": []}]


def test_a_million_reminders_do_not_silence_the_worker(open_a_house: OpenHouse) -> None:
    """It says that it lives after so many rounds, and then goes on."""
    house = open_a_house(WALLET_BATCH="1")
    add_phones(house, "lumiere", REMINDING_ROUNDS + 5)
    with house.services.sessions.begin() as db:
        db.execute(text("UPDATE registrations SET fetched_version = 0"))
        db.execute(text("UPDATE deliveries SET told_at = :now, again_at = :now"), {"now": house.clock()})
    house.clock.advance(DAY)
    worker = house.services.worker()
    left = []
    for _ in range(2):
        worker.remind_step()
        left.append(len(house.rows("SELECT FROM deliveries WHERE again_at IS NOT NULL")))
    worker.stop()
    worker.run()  # comes and goes at once, and so closes what it has opened
    assert left == [5, 0]


def test_several_workers_remind_each_device_once(house: House, postroom: Postroom) -> None:
    phones = 12
    for number in range(phones):
        phone = house.iphone()
        members = (f"M-{number}-a", f"M-{number}-b")
        for member in members:
            phone.open_link(house.enrol(member)["links"]["card"])
        for member in members:
            house.set_points(member, 5, sequence=1)
    assert postroom.tell() == phones
    house.clock.advance(DAY)
    now, ready, failures = house.clock(), threading.Barrier(4), []

    def work() -> None:
        try:
            ready.wait()
            more = True
            while more:
                with house.services.sessions.begin() as db:
                    more = ledger.remind(db, now=now, most=MOST, per_day=PER_DAY, batch=3).more
        except Exception as error:
            failures.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    with house.services.sessions.begin() as db:
        assert not ledger.remind(db, now=now, most=MOST, per_day=PER_DAY).more
    rows = house.rows("SELECT repeats FROM deliveries WHERE kind = 'apple'")
    assert [row["repeats"] for row in rows] == [1] * 2 * phones
    assert postroom.tell() == phones
