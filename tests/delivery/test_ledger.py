"""Claim and settle, one case at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.system import System
from wallet_service.delivery import ledger
from wallet_service.delivery.ledger import Claimed
from wallet_service.delivery.policy import Forget, Park, Step, Told

LEASE = timedelta(seconds=30)


@pytest.fixture
def row(system: System) -> dict[str, Any]:
    """One Google row, due."""
    system.enrol()
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE deliveries SET wanted_version = 1"))
    return system.rows("SELECT * FROM deliveries")[0]


def claim(system: System, kind: str, claim_id: str, *, later: timedelta = timedelta(0)) -> list[Claimed]:
    """Claim what is due `later` than now."""
    with system.services.sessions.begin() as db:
        now = datetime.now(UTC) + later
        return ledger.claim(db, kind=kind, program_id="lumiere", now=now, lease=LEASE, batch=10, claim_id=claim_id)


def settle(system: System, rows: list[Claimed], step: Step, claim_id: str) -> int:
    """Settle all rows alike; returns how many were late."""
    with system.services.sessions.begin() as db:
        return ledger.settle(db, [(one, step) for one in rows], claim_id=claim_id, now=datetime.now(UTC))


def test_a_claimed_row_is_nobody_elses_until_its_lease_ends(system: System, row: dict[str, Any]) -> None:
    assert [one.delivery_id for one in claim(system, "google", "a")] == [row["id"]]
    assert claim(system, "google", "b") == []
    assert [one.attempts for one in claim(system, "google", "c", later=LEASE + timedelta(seconds=1))] == [2]


def test_a_change_during_the_push_stays_owed(system: System, row: dict[str, Any]) -> None:
    mine = claim(system, "google", "a")
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE deliveries SET wanted_version = 2"))
    assert settle(system, mine, Told("ok"), "a") == 0
    assert [(one.version, one.attempts) for one in claim(system, "google", "b")] == [(2, 1)]


@pytest.mark.usefixtures("row")
def test_a_late_settle_is_dropped_and_content_is_sent_again(system: System) -> None:
    stalled = claim(system, "google", "a")
    taken_over = claim(system, "google", "b", later=LEASE + timedelta(seconds=1))
    assert settle(system, taken_over, Told("new"), "b") == 0
    assert settle(system, stalled, Told("old"), "a") == 1
    assert system.rows("SELECT told_answer, told_version FROM deliveries") == [
        {"told_answer": "new", "told_version": 0}
    ]


def test_an_older_write_that_lands_after_a_newer_one_is_not_the_end(system: System, row: dict[str, Any]) -> None:
    """One worker stalls past its lease, another tells the newer version, then the first one's call lands after all."""
    stalled = claim(system, "google", "a")
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE deliveries SET wanted_version = 2"))
    taken_over = claim(system, "google", "b", later=LEASE + timedelta(seconds=1))
    assert settle(system, stalled, Told("old"), "a") == 1
    assert claim(system, "google", "c", later=LEASE) == [], "nobody calls while another may be calling"
    assert settle(system, taken_over, Told("new"), "b") == 1, "which of the two landed last, nobody knows"
    once_more = claim(system, "google", "d")
    assert [(one.delivery_id, one.version) for one in once_more] == [(row["id"], 2)]
    assert settle(system, once_more, Told("newest"), "d") == 0
    assert claim(system, "google", "e", later=LEASE) == []


@pytest.mark.usefixtures("row")
def test_a_refused_row_waits_for_a_person(system: System) -> None:
    settle(system, claim(system, "google", "a"), Park("400 invalid"), "a")
    assert claim(system, "google", "b", later=timedelta(days=30)) == []
    assert system.rows("SELECT parked FROM deliveries") == [{"parked": "400 invalid"}]


@pytest.mark.parametrize(("since", "left"), [(timedelta(seconds=5), 0), (timedelta(seconds=-60), 1)])
def test_gone_drops_a_registration_unless_it_is_newer(system: System, since: timedelta, left: int) -> None:
    """Checklist 73: 410 with a timestamp after the registration removes the device, before it keeps the device."""
    card = system.enrol()
    iphone = system.iphone()
    iphone.open_link(card["links"]["card"])
    system.set_points("M-1", 5, sequence=1)
    mine = claim(system, "apple", "a", later=timedelta(seconds=1))
    settle(system, mine, Forget(datetime.now(UTC) + since), "a")
    assert len(system.rows("SELECT FROM registrations")) == left
    assert len(system.rows("SELECT FROM devices")) == left
    assert len(claim(system, "apple", "b", later=timedelta(seconds=1))) == left


def test_who_is_said_to_be_gone_and_registered_again_waits_like_all_that_failed(system: System) -> None:
    """An Apple that goes on saying so, with the same old instant, is not asked as fast as the machine can."""
    system.iphone().open_link(system.enrol()["links"]["card"])
    system.set_points("M-1", 5, sequence=1)
    mine = claim(system, "apple", "a", later=timedelta(seconds=1))
    settle(system, mine, Forget(datetime.now(UTC) - timedelta(days=2), timedelta(minutes=3)), "a")
    assert claim(system, "apple", "b", later=timedelta(minutes=2)) == []
    assert [one.attempts for one in claim(system, "apple", "b", later=timedelta(minutes=4))] == [2]


@pytest.mark.usefixtures("row")
def test_what_is_given_back_was_never_tried_less_than_not_at_all(system: System) -> None:
    """A change in between sets the count to 0 while somebody has claimed the row."""
    mine = claim(system, "google", "a")
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE deliveries SET wanted_version = 2, attempts = 0"))
        ledger.release(db, mine, claim_id="a", now=datetime.now(UTC))
    assert system.rows("SELECT attempts FROM deliveries") == [{"attempts": 0}]
