"""Everybody locks in one order, so nobody waits in a circle: whom a deadlock would fail is a CRM's request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tests.delivery.brands import add_phones, owe_campaign
from tests.system import System, eventually
from tests.wallets.google.test_quota import at_rest
from wallet_service.cards.erasure import forget_tombstones
from wallet_service.delivery import ledger
from wallet_service.delivery.ledger import Claimed
from wallet_service.delivery.policy import Forget, Retry, Step, Told
from wallet_service.errors import Invalid
from wallet_service.simulators.phones.android import Android
from wallet_service.storage.tables import Card, GoogleObject
from wallet_service.wallets.apple import devices
from wallet_service.wallets.google.linked_objects import link_objects
from wallet_service.wallets.google.maintenance import settle_holder

LEASE, SECOND = timedelta(seconds=40), timedelta(seconds=1)
CLAIM = "a"


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Two others, who work at the same time."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


def waiting(system: System) -> int:
    """How many sessions wait for a lock."""
    query = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return len(system.rows(query))


def claim(system: System) -> list[Claimed]:
    """Take every Apple row that is due, by number."""
    with system.services.sessions.begin() as db:
        now = system.clock() + SECOND
        return ledger.claim(db, kind="apple", program_id="lumiere", now=now, lease=LEASE, batch=10, claim_id=CLAIM)


def settle(system: System, *results: tuple[Claimed, Step]) -> int:
    """Write down, in this order; whoever waits for a lock for longer than a moment gives up."""
    with system.services.sessions.begin() as db:
        db.execute(text("SET LOCAL lock_timeout = '5s'"))
        return ledger.settle(db, results, claim_id=CLAIM, now=system.clock())


def test_a_batch_of_events_and_a_page_of_answers(system: System, threads: ThreadPoolExecutor) -> None:
    """The batch has the first row and waits for the second; the answers are about the third, and then the first."""
    add_phones(system, "lumiere", 3)
    owe_campaign(system, "lumiere")
    first, second, third = claim(system)
    batch = [
        {
            "specversion": "1.0",
            "id": f"e-{number}",
            "source": "crm",
            "type": "balances.set",
            "subject": f"P-{number}",
            "data": {"sequence": 1, "points": 5},
        }
        for number in (1, 2, 3)
    ]
    with system.services.sessions() as holding:
        holding.execute(text("SELECT FROM deliveries WHERE id = :id FOR UPDATE"), {"id": second.delivery_id})
        posted = threads.submit(system.api, "POST", "/events", batch, Content_Type="application/cloudevents-batch+json")
        eventually(lambda: waiting(system) == 1)
        settled = threads.submit(settle, system, (third, Told("ok")), (first, Retry(SECOND, "503")))
        eventually(lambda: waiting(system) == 2)
        holding.rollback()
        assert posted.result().ok, posted.result().text
        assert settled.result() == 0


def test_what_has_gone_waits_for_no_registration(system: System) -> None:
    """A phone adds another card while Apple says of the first that the phone has gone."""
    phone = system.iphone()
    phone.open_link(system.enrol("M-1")["links"]["card"])
    another = system.enrol("M-2")["serial_number"]
    system.set_points("M-1", 5, sequence=1)
    (row,) = claim(system)
    device = system.rows("SELECT device_library_id AS id, push_token FROM devices")[0]
    gone = Forget(system.clock())
    with system.services.sessions() as registering:
        card = registering.scalars(select(Card).where(Card.serial_number == another)).one()
        devices.register(registering, card, device["id"], device["push_token"], now=system.clock())
        assert settle(system, (row, gone)) == 0
        registering.commit()
    assert len(system.rows("SELECT FROM registrations")) == 2
    system.clock.advance(LEASE)
    again = claim(system)
    settle(system, *((one, gone) for one in again if one.delivery_id == row.delivery_id))
    left = system.rows("SELECT c.serial_number FROM registrations r JOIN cards c ON c.id = r.card_id, devices")
    assert left == [{"serial_number": another}], "and the device stays for its other card"


def test_a_tombstone_goes_while_its_card_is_voided(system: System, threads: ThreadPoolExecutor) -> None:
    system.enrol()
    system.api.ok("DELETE", "/members/M-1")
    ids = system.rows("SELECT m.id AS member, c.id AS card FROM members m JOIN cards c ON c.member_pk = m.id")[0]

    def forget() -> int:
        days = timedelta(days=40)
        sessions = system.services.sessions
        return forget_tombstones(sessions, longest=days / 2, now=system.clock() + days, stopping=lambda: False)

    with system.services.sessions() as voiding:
        _lock(voiding, "members", ids["member"])
        forgotten = threads.submit(forget)
        eventually(lambda: waiting(system) == 1)
        _lock(voiding, "cards", ids["card"])
        voiding.rollback()
    assert forgotten.result() == 1


def _lock(db: Session, table: str, row_id: int) -> None:
    """As whoever changes a member's card: the member first (`cards.members`)."""
    db.execute(text(f"SELECT FROM {table} WHERE id = :id FOR NO KEY UPDATE"), {"id": row_id})


def _confirm(system: System, _android: Android) -> None:
    with system.services.sessions.begin() as db:
        (pk,) = db.scalars(select(GoogleObject.id))
        settle_holder(db, pk, True, asked_at=system.clock(), now=system.clock())


def _link(system: System, _android: Android) -> None:
    with system.services.sessions.begin() as db, suppress(Invalid):
        (object_id,) = db.scalars(select(GoogleObject.object_id))
        link_objects(db, object_id, object_id, now=system.clock())


def _call_back(_system: System, android: Android) -> None:
    android.remove()


@pytest.mark.parametrize("write", [_confirm, _link, _call_back])
def test_the_delivery_is_locked_before_the_object(
    system: System, threads: ThreadPoolExecutor, write: Callable[[System, Android], None]
) -> None:
    """Settling has the delivery and is about to write down what Google holds; so has an erasure."""
    android, card = system.android(), system.enrol()
    with system.working():
        android.open_link(card["links"]["card"])
        at_rest(system)
    with system.services.sessions() as settling:
        settling.execute(text("SELECT FROM deliveries WHERE kind = 'google' FOR NO KEY UPDATE"))
        writing = threads.submit(write, system, android)
        eventually(lambda: waiting(system) == 1)
        settling.execute(text("SELECT FROM google_objects FOR NO KEY UPDATE NOWAIT"))
        settling.rollback()
    writing.result()
    eventually(lambda: waiting(system) == 0)
