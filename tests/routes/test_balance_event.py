"""Route (a): a CRM's balance event becomes a new card on the phones. Nothing is patched."""

from __future__ import annotations

import orjson
import pytest

from tests.conftest import OpenSystem
from tests.system import System, eventually
from wallet_service.simulators.phones.android import Android
from wallet_service.simulators.phones.iphone import Iphone

PURCHASE = {
    "specversion": "1.0",
    "id": "order-1",
    "source": "https://shop.example",
    "type": "purchase.completed",
    "subject": "M-1",
    "data": {"order_id": "order-1", "paid": {"amount": 7990, "currency": "EUR"}},
}


def balances(sequence: int, points: int, event_id: str | None = None) -> dict[str, object]:
    """A `balances.set` event."""
    return {
        "specversion": "1.0",
        "id": event_id or f"e-{sequence}",
        "source": "crm",
        "type": "balances.set",
        "subject": "M-1",
        "data": {"sequence": sequence, "points": points},
    }


def iphone_shows(phone: Iphone, points: str) -> None:
    """Wait for the points on the iPhone."""
    phone.wait_until(lambda one: "points" in one.shows().fields and one.shows().text("points") == points, 60)


def android_shows(phone: Android, points: str) -> None:
    """Wait for the points on the Android phone."""

    def holds(one: Android) -> bool:
        field = one.shows().fields.get("loyaltyPoints")
        return field is not None and field.text == points

    phone.wait_until(holds, 60)


def test_a_balance_reaches_both_phones_and_is_proved(system: System) -> None:
    card = system.enrol()
    iphone, android = system.iphone(), system.android()
    with system.working():
        iphone.open_link(card["links"]["card"])
        android.open_link(card["links"]["card"])
        system.api.ok("POST", "/events", balances(1, 120))
        iphone_shows(iphone, "120")
        android_shows(android, "120")
        eventually(lambda: {end["state"] for end in system.card(card["serial_number"])["far_ends"]} == {"up_to_date"})
    ends = {end["kind"]: end for end in system.card(card["serial_number"])["far_ends"]}
    assert ends["apple"]["fetched_version"] == ends["apple"]["wanted_version"] == ends["apple"]["told_version"]
    assert ends["apple"]["listed_at"] <= ends["apple"]["fetched_at"]
    assert ends["apple"]["told_at"] <= ends["apple"]["fetched_at"]  # a phone may ask before APNs' answer is read
    assert ends["google"]["installed_at"] is not None


def test_a_purchase_earns_where_we_keep_the_books(open_system: OpenSystem) -> None:
    system = open_system(master="builtin")
    card = system.enrol()
    iphone = system.iphone()
    with system.working():
        iphone.open_link(card["links"]["card"])
        system.api.ok("POST", "/events", PURCHASE)
        iphone_shows(iphone, "79")
    assert [note.text for note in iphone.notifications] == ["Votre nouveau solde : 79 points"]


def test_the_same_event_twice_changes_nothing(open_system: OpenSystem) -> None:
    system = open_system(master="builtin")
    card = system.enrol()
    first, second = (system.api.ok("POST", "/events", PURCHASE)["status"] for _ in range(2))
    assert (first, second) == ("applied", "repeated")
    state = system.card(card["serial_number"])
    assert state["face"]["points"]["value"] == "79"
    assert state["version"] == 2


def test_the_same_event_twice_in_one_batch_counts_once(open_system: OpenSystem) -> None:
    system = open_system(master="builtin")
    card = system.enrol()
    answer = system.api.ok("POST", "/events", [PURCHASE, PURCHASE], Content_Type="application/cloudevents-batch+json")
    assert [result["status"] for result in answer["results"]] == ["applied", "repeated"]
    assert system.card(card["serial_number"])["face"]["points"]["value"] == "79"


def test_older_news_is_ignored(system: System) -> None:
    card = system.enrol()
    for sequence, points, status in ((5, 50, "applied"), (4, 40, "ignored"), (5, 55, "ignored"), (6, 60, "applied")):
        event = balances(sequence, points, event_id=f"{sequence}-{points}")
        assert system.api.ok("POST", "/events", event)["status"] == status
    assert system.card(card["serial_number"])["face"]["points"]["value"] == "60"


def test_a_change_that_nobody_can_see_tells_nobody(system: System) -> None:
    card = system.enrol()
    system.set_points("M-1", 10, sequence=1)
    before = system.card(card["serial_number"])["version"]
    system.set_points("M-1", 10, sequence=2)
    system.api.ok("PUT", "/members/M-1", {"phone": "+33 1 99 00 12 34"})
    assert system.card(card["serial_number"])["version"] == before


def test_a_burst_in_one_request_is_one_version(system: System) -> None:
    card = system.enrol()
    before = system.card(card["serial_number"])["version"]
    lines = b"\n".join(orjson.dumps(balances(n, n)) for n in range(1, 51))
    answer = system.api.ok("POST", "/events", lines, Content_Type="application/x-ndjson")
    assert answer["refused"] == 0
    assert system.card(card["serial_number"])["version"] == before + 1
    assert system.card(card["serial_number"])["face"]["points"]["value"] == "50"


@pytest.mark.parametrize("killed_at", ["before the push", "during the push"])
def test_a_worker_killed_between_event_and_push_loses_nothing(open_system: OpenSystem, killed_at: str) -> None:
    system = open_system(WALLET_LEASE_S="2", WALLET_APNS_TIMEOUT_S="1", WALLET_GOOGLE_TIMEOUT_S="1")
    card = system.enrol()
    iphone, android = system.iphone(), system.android()
    worker = system.worker_process()
    iphone.open_link(card["links"]["card"])
    android.open_link(card["links"]["card"])
    eventually(lambda: system.rows("SELECT FROM google_objects WHERE saved_at IS NOT NULL"))
    if killed_at == "before the push":
        worker.kill()
        worker.wait()
    else:
        system.apns.during_next_push(worker.kill)
    system.set_points("M-1", 75, sequence=1)
    worker.wait(20)
    assert system.rows("SELECT FROM deliveries WHERE wanted_version > told_version")
    system.worker_process()
    iphone_shows(iphone, "75")
    android_shows(android, "75")
    eventually(lambda: {end["state"] for end in system.card(card["serial_number"])["far_ends"]} == {"up_to_date"})
