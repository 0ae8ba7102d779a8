"""What is said of a far end stays true: reminders do not unsay it, and a dead worker does not hide what is due."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.delivery.brands import add_phones, owe_campaign
from tests.delivery.postroom import MOST, PER_DAY, Postroom
from tests.house import House
from wallet_service.delivery import ledger
from wallet_service.delivery.policy import Told
from wallet_service.delivery.status import lane_statuses

HOUR = timedelta(hours=1)


def told_of(house: House, serial_number: str) -> list[tuple[str | None, str | None]]:
    """When each change was told and with which answer, newest first."""
    changes = house.api.ok("GET", f"/cards/{serial_number}/timeline")["changes"]
    return [(end["told_at"], end["told_answer"]) for change in changes for end in change["far_ends"]]


def test_a_reminder_does_not_erase_the_proof_that_a_change_was_told(house: House) -> None:
    postroom = Postroom(house)
    card = house.enrol()
    serial_number = card["serial_number"]
    house.iphone().open_link(card["links"]["card"])
    house.set_points("M-1", 5, sequence=1)
    assert tell(house, "first") == 1
    proof = told_of(house, serial_number)[:1]
    assert proof[0][1] == "first"
    house.clock.advance(7 * HOUR)
    with house.services.sessions.begin() as db:
        assert ledger.remind(db, now=house.clock(), most=MOST, per_day=PER_DAY).programs == {"lumiere"}
    assert told_of(house, serial_number)[:1] == proof, "the reminder is due"
    assert tell(house, "reminder") == 1
    assert told_of(house, serial_number)[:1] == proof, "the reminder was sent"
    house.clock.advance(7 * HOUR)
    with house.services.sessions.begin() as db:
        ledger.remind(db, now=house.clock(), most=MOST, per_day=PER_DAY)
    house.set_points("M-1", 6, sequence=2)
    assert told_of(house, serial_number)[:2] == [(None, None), *proof], "a newer change is not told yet"
    assert postroom.tell() == 1
    (_, answer), before = told_of(house, serial_number)[:2]
    assert (answer, before) == ("ok", proof[0])


def tell(house: House, answer: str) -> int:
    """Announce what is due; returns how much that was."""
    postroom, now = Postroom(house), house.clock()
    with house.services.sessions.begin() as db:
        rows = postroom.claim(db, answer)
        ledger.settle(db, [(row, Told(answer, HOUR)) for row in rows], claim_id=answer, now=now)
    return len(rows)


def test_what_a_phone_came_for_by_itself_was_never_told(house: House) -> None:
    card = house.enrol()
    phone = house.iphone()
    phone.open_link(card["links"]["card"])
    house.set_points("M-1", 5, sequence=1)
    assert tell(house, "first") == 1
    phone.refresh()
    house.set_points("M-1", 6, sequence=2)
    phone.refresh()
    answers = [answer for _, answer in told_of(house, card["serial_number"])]
    assert answers[:2] == [None, "first"]


def test_what_a_dead_worker_held_is_overdue(house: House) -> None:
    add_phones(house, "lumiere", 3)
    owe_campaign(house, "lumiere")
    with house.services.sessions.begin() as db:
        assert len(Postroom(house).claim(db, "of one who dies")) == 3  # for an hour
    overdue = []
    for _ in range(2):
        house.clock.advance(59 * timedelta(minutes=1))
        with house.services.sessions() as db:
            (lane,) = [one for one in lane_statuses(db, now=house.clock()) if one.kind == "apple"]
        overdue.append(lane.oldest_due_s)
    assert overdue == [0, pytest.approx(58 * 60, abs=10)]
