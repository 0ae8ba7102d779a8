"""Which phone a download is counted for, what a phone holds that registers again, and how often it is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import requests

from tests.conftest import OpenSystem
from tests.delivery.rounds import PATIENCE, DeliveryRounds
from tests.routes.test_balance_event import iphone_shows
from tests.system import System, eventually
from tests.web.phone_calls import Caller, Pass
from wallet_service.cards.pacing import Pacing
from wallet_service.delivery import ledger
from wallet_service.delivery.policy import Forget, Park, Step, Told

NEW_TOKEN = "cd" * 32


def phones(system: System, one: Pass, *names: str) -> list[Caller]:
    """So many devices, registered for a pass and up to date."""
    callers = [Caller(system, device=name, push_token=name.encode().hex() * 8) for name in names]
    for caller in callers:
        caller.register(one)
        come(caller, one)
    return callers


def come(phone: Caller, one: Pass) -> int:
    """What a phone does when nudged; returns the status of the download, 0 if nothing was listed."""
    listed = phone.changed().json()["serialNumbers"] if phone.changed().status_code == 200 else []
    return phone.fetch(one).status_code if one.serial in listed else 0


def states(system: System, one: Pass) -> dict[str, str]:
    """Device → state."""
    return {end["id"]: end["state"] for end in system.card(one.serial)["far_ends"] if end["kind"] == "apple"}


def row_of(system: System, device: str) -> dict[str, Any]:
    """What is owed to a device, of its first card."""
    return system.rows(
        "SELECT d.* FROM deliveries d JOIN registrations r ON r.id = d.registration_id"
        " JOIN devices v ON v.id = r.device_id WHERE v.device_library_id = :device ORDER BY d.id",
        device=device,
    )[0]


def is_open(system: System, device: str) -> bool:
    row = row_of(system, device)
    return bool(row["wanted_version"] > row["told_version"] and row["parked"] is None)


def settle(system: System, step: Step, claim_id: str) -> int:
    """Claim what is due, tell it, and hear that; returns the rows that were late."""
    with system.services.sessions.begin() as db:
        mine = DeliveryRounds(system).claim(db, claim_id)
    with system.services.sessions.begin() as db:
        return ledger.settle(db, [(row, step) for row in mine], claim_id=claim_id, now=system.clock())


def test_a_second_look_of_one_phone_is_not_counted_for_the_other(system: System) -> None:
    one, rounds = Pass.of(system, system.enrol()), DeliveryRounds(system)
    away, here = phones(system, one, "away", "here")
    system.set_points("M-1", 42, sequence=1)
    assert rounds.tell() == 2
    assert come(here, one) == 200
    modified = here.fetch(one).headers["Last-Modified"]
    assert here.fetch(one, since=modified).status_code == 304
    assert states(system, one) == {"away": "told", "here": "up_to_date"}
    system.clock.advance(timedelta(hours=1))
    assert rounds.remind() == 1
    assert come(away, one) == 200
    assert set(states(system, one).values()) == {"up_to_date"}


def test_of_two_phones_one_that_comes_by_itself_is_told_all_the_same(system: System) -> None:
    """Its visit names nobody: one push too many, and both are known to have the card."""
    one, rounds = Pass.of(system, system.enrol()), DeliveryRounds(system)
    away, here = phones(system, one, "away", "here")
    system.set_points("M-1", 42, sequence=1)
    assert here.fetch(one).status_code == 200
    assert rounds.tell() == 2
    for phone in (here, away):
        assert come(phone, one) == 200
    assert set(states(system, one).values()) == {"up_to_date"}


@pytest.mark.parametrize("token", ["same", "new"])
def test_a_link_that_somebody_opened_closes_no_phones_gap(system: System, token: str) -> None:
    """A mail's scanner downloads the newer pass; then the phone, which has the older one, registers again."""
    one, rounds = Pass.of(system, system.enrol()), DeliveryRounds(system)
    (phone,) = phones(system, one, "phone")
    system.set_points("M-1", 42, sequence=1)
    assert rounds.tell() == 1
    assert requests.get(one.link, timeout=30).ok
    phone.push_token = NEW_TOKEN if token == "new" else phone.push_token
    assert phone.register(one) == 200
    assert states(system, one) == {"phone": "waiting"}
    assert rounds.tell() == 1
    assert come(phone, one) == 200
    assert states(system, one) == {"phone": "up_to_date"}


def test_an_older_copy_that_is_added_late_is_replaced_again(system: System) -> None:
    """Downloaded, then the card changed and the phone fetched that, then the holder taps "Add" on the older one."""
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    older = requests.get(card["links"]["apple"], timeout=30)
    with system.working():
        system.set_points("M-1", 5, sequence=1)
        iphone_shows(phone, "5")
        eventually(lambda: system.card(card["serial_number"])["far_ends"][0]["state"] == "up_to_date")
        phone.add_pass(older.content, last_modified=older.headers["Last-Modified"])
        iphone_shows(phone, "5")
        eventually(lambda: system.card(card["serial_number"])["far_ends"][0]["state"] == "up_to_date")
    newest = system.api.ok("GET", f"/cards/{card['serial_number']}/timeline")["changes"][0]
    assert [end["fetched_ms"] is not None for end in newest["far_ends"]] == [True], "the proof of the change stays"


def test_a_new_push_token_wakes_all_cards_of_the_device(system: System) -> None:
    cards = [Pass.of(system, system.enrol(f"M-{number}")) for number in range(4)]
    phone = Caller(system)
    for one in cards[:3]:
        phone.register(one)
        come(phone, one)
    for number in range(2):
        system.set_points(f"M-{number}", 5, sequence=1)
    assert settle(system, Park("BadDeviceToken"), "a") == 0
    phone.push_token = NEW_TOKEN
    assert phone.register(cards[3]) == 201
    assert system.rows("SELECT FROM deliveries WHERE parked IS NOT NULL") == []
    states = [system.card(one.serial)["far_ends"][0]["state"] for one in cards]
    assert states == ["waiting", "waiting", "up_to_date", "up_to_date"]
    assert DeliveryRounds(system).tell() == 1, "one push for both"


def test_the_same_push_token_wakes_the_card_alone(system: System) -> None:
    cards = [Pass.of(system, system.enrol(f"M-{number}")) for number in range(2)]
    phone = Caller(system)
    for one in cards:
        phone.register(one)
        come(phone, one)
    for number in range(2):
        system.set_points(f"M-{number}", 5, sequence=1)
    assert settle(system, Park("BadDeviceToken"), "a") == 0
    assert phone.register(cards[0]) == 200
    assert [system.card(one.serial)["far_ends"][0]["state"] for one in cards] == ["waiting", "refused"]


@pytest.mark.parametrize("step", [Park("BadDeviceToken"), Told("ok", timedelta(hours=6))])
def test_the_answer_to_an_older_push_token_is_of_no_account(system: System, step: Step) -> None:
    """The phone registers anew while an announcement to its old token is under way."""
    one = Pass.of(system, system.enrol())
    (phone,) = phones(system, one, "phone")
    system.set_points("M-1", 5, sequence=1)
    with system.services.sessions.begin() as db:
        mine = DeliveryRounds(system).claim(db, "a")
    phone.push_token = NEW_TOKEN
    assert phone.register(one) == 200
    with system.services.sessions.begin() as db:
        assert ledger.settle(db, [(row, step) for row in mine], claim_id="a", now=system.clock()) == 1
    assert is_open(system, "phone")
    assert DeliveryRounds(system).tell() == 1


def test_registering_again_and_again_keeps_to_the_devices_ceiling(open_system: OpenSystem) -> None:
    spacing, per_hour = timedelta(seconds=60), 3
    system = open_system(WALLET_ANNOUNCE_SPACING_S="60", WALLET_ANNOUNCE_PER_HOUR=str(per_hour))
    one, rounds = Pass.of(system, system.enrol()), DeliveryRounds(system, pacing=Pacing(spacing, per_hour))
    (phone,) = phones(system, one, "phone")
    system.set_points("M-1", 5, sequence=1)
    pushes = rounds.tell()
    for number in range(40):
        system.clock.advance(timedelta(seconds=20))
        phone.push_token = f"{number:064x}"
        assert phone.register(one) == 200
        pushes += rounds.tell()
        assert pushes <= 1 + 20 * (number + 1) // 60
    assert pushes == per_hour
    system.clock.advance(timedelta(hours=1))
    assert rounds.tell() == 1, "and it is not forgotten"


def test_a_phone_that_registers_again_is_not_reminded_before_it_is_told(system: System) -> None:
    one, rounds = Pass.of(system, system.enrol()), DeliveryRounds(system)
    (phone,) = phones(system, one, "phone")
    system.set_points("M-1", 5, sequence=1)
    assert settle(system, Told("ok", PATIENCE.first), "a") == 0
    phone.register(one)
    assert row_of(system, "phone")["again_at"] is None
    assert settle(system, Park("BadDeviceToken"), "b") == 0
    system.clock.advance(timedelta(days=2))
    assert rounds.remind() == 0
    assert system.rows("SELECT FROM devices WHERE cardinality(reminded_at) > 0") == []


def test_a_phone_whose_download_failed_is_listed_the_card_again(system: System) -> None:
    """It has taken the tag, and would hear "nothing new" for ever. Item 57: never a list under the tag that it sent."""
    one, rounds = Pass.of(system, system.enrol()), DeliveryRounds(system)
    (phone,) = phones(system, one, "A")
    system.set_points("M-1", 42, sequence=1)
    assert rounds.tell() == 1
    tag = phone.changed().json()["lastUpdated"]
    assert phone.changed(tag).status_code == 204, "the download may be on its way"
    system.clock.advance(timedelta(hours=1))
    assert rounds.remind() == 1
    listed = phone.changed(tag).json()
    assert listed["serialNumbers"] == [one.serial]
    assert int(listed["lastUpdated"]) > int(tag)
    assert phone.changed(listed["lastUpdated"]).status_code == 204, "that download may be on its way, too"
    system.clock.advance(timedelta(hours=2))
    assert rounds.remind() == 1
    again = phone.changed(listed["lastUpdated"]).json()
    assert int(again["lastUpdated"]) > int(listed["lastUpdated"]), "each reminder has a number of its own"
    assert phone.fetch(one).status_code == 200
    assert states(system, one) == {"A": "up_to_date"}
    assert phone.changed(again["lastUpdated"]).status_code == 204
    assert phone.changed(listed["lastUpdated"]).status_code == 204, "it has what it was reminded of"


@pytest.mark.parametrize("token", ["same", "new"])
def test_a_phone_that_registers_again_is_listed_what_it_did_not_fetch(system: System, token: str) -> None:
    """It listed the change, its download failed, and the holder switched the updates off and on (item 57)."""
    one, rounds = Pass.of(system, system.enrol()), DeliveryRounds(system)
    (phone,) = phones(system, one, "A")
    system.set_points("M-1", 42, sequence=1)
    assert rounds.tell() == 1
    tag = phone.changed().json()["lastUpdated"]
    phone.push_token = NEW_TOKEN if token == "new" else phone.push_token
    assert phone.register(one) == 200
    assert rounds.tell() == 1
    listed = phone.changed(tag).json()
    assert listed["serialNumbers"] == [one.serial]
    assert int(listed["lastUpdated"]) > int(tag)
    assert phone.fetch(one).status_code == 200
    assert states(system, one) == {"A": "up_to_date"}


def test_a_reminder_is_newer_than_every_tag_of_the_pass_type(system: System) -> None:
    """The phone has two cards and heard of the second one's newer change before it is reminded of the first."""
    one, other = (Pass.of(system, system.enrol(member)) for member in ("M-1", "M-2"))
    rounds, phone = DeliveryRounds(system), Caller(system)
    for card in (one, other):
        phone.register(card)
    system.set_points("M-1", 1, sequence=1)
    system.set_points("M-2", 2, sequence=1)
    rounds.tell()
    tag = phone.changed().json()["lastUpdated"]
    assert phone.fetch(other).status_code == 200
    system.clock.advance(timedelta(hours=1))
    assert rounds.remind() == 1
    listed = phone.changed(tag).json()
    assert listed["serialNumbers"] == [one.serial], "only what it did not fetch"
    assert int(listed["lastUpdated"]) > int(tag)


def test_a_phone_that_apple_calls_gone_stays_visible_until_it_is_back(system: System) -> None:
    """C10: with its time, and with what it had."""
    one = Pass.of(system, system.enrol())
    phone, stays = phones(system, one, "A", "B")
    system.set_points("M-1", 42, sequence=1)
    since = system.clock() + timedelta(seconds=1)
    with system.services.sessions.begin() as db:
        (row, *rest) = DeliveryRounds(system).claim(db, "a")
    results: list[tuple[ledger.Claimed, Step]] = [(row, Forget(since)), *((each, Told("ok")) for each in rest)]
    with system.services.sessions.begin() as db:
        assert ledger.settle(db, results, claim_id="a", now=system.clock()) == 0
    assert states(system, one) == {"A": "gone", "B": "told"}
    ends = system.card(one.serial)["far_ends"]
    assert [end["id"] for end in ends] == ["B", "A"], "what is gone comes last"
    assert datetime.fromisoformat(ends[1]["gone_at"]) == since
    assert (ends[0]["gone_at"], ends[1]["installed_at"] is not None) == (None, True)
    assert phone.register(one) == 201
    assert states(system, one)["A"] == "waiting"
    assert stays.unregister(one) == 200
    assert set(states(system, one)) == {"A"}, "who unregistered is not gone: it said so itself"
    system.api.ok("DELETE", "/members/M-1")
    assert system.rows("SELECT FROM gone_registrations") == []


def test_a_second_listing_is_not_the_proof(system: System) -> None:
    one = Pass.of(system, system.enrol())
    (phone,) = phones(system, one, "A")
    system.set_points("M-1", 42, sequence=1)
    assert come(phone, one) == 200

    def proof() -> Any:
        return system.api.ok("GET", f"/cards/{one.serial}/timeline")["changes"][0]["far_ends"][0]

    before = proof()
    system.clock.advance(timedelta(hours=5))
    assert phone.changed().status_code == 200
    assert proof() == before


def test_a_phone_that_unregistered_is_not_taken_for_the_one_that_stayed(system: System) -> None:
    """Its holder has turned its updates off, and pulls to refresh."""
    one, rounds = Pass.of(system, system.enrol()), DeliveryRounds(system)
    _, leaves = phones(system, one, "stays", "leaves")
    assert leaves.unregister(one) == 200
    system.set_points("M-1", 42, sequence=1)
    assert rounds.tell() == 1
    assert leaves.fetch(one).status_code == 200
    assert states(system, one) == {"stays": "told"}
    system.clock.advance(timedelta(hours=1))
    assert rounds.remind() == 1
