"""Saves and removals, as Google tells them: late, twice, in any order. Numbers: google-wallet.md, section 25."""

from __future__ import annotations

from typing import Any
from urllib.robotparser import RobotFileParser

import requests

from tests.system import System, eventually
from tests.wallets.google.test_quota import at_rest, saved_card


def the_object(system: System) -> dict[str, Any]:
    """Our row of the only object."""
    return system.rows("SELECT * FROM google_objects")[0]


def settled(system: System) -> None:
    """Wait until Google has been asked about everything."""
    eventually(lambda: the_object(system)["confirm_at"] is None)


def state(system: System, serial_number: str) -> str:
    """How the card stands at Google."""
    return str(system.card(serial_number)["far_ends"][0]["state"])


def test_item_51_a_removal_that_is_not_true_keeps_the_card(system: System) -> None:
    """A `del` that comes late, while the holder has saved the card again."""
    with system.working():
        serial_number = saved_card(system)
        system.google.send_callback("del", the_object(system)["object_id"])
        system.google.wait_for_callbacks(2)
        settled(system)
        assert state(system, serial_number) == "up_to_date"
        assert the_object(system)["removed_at"] is None
        system.set_points("M-1", 9, sequence=1)
        at_rest(system)
    assert system.google.object(the_object(system)["object_id"])["loyaltyPoints"]["balance"] == {"int": 9}


def test_a_true_removal_stops_the_updates_until_the_card_is_saved_again(system: System) -> None:
    card = system.enrol()
    phone = system.android()
    with system.working():
        phone.open_link(card["links"]["card"])
        eventually(lambda: the_object(system)["saved_at"] is not None)
        settled(system)
        phone.remove()
        eventually(lambda: the_object(system)["removed_at"] is not None)
        assert state(system, card["serial_number"]) == "gone"
        before = len(system.google.calls)
        system.set_points("M-1", 9, sequence=1)
        eventually(lambda: system.card(card["serial_number"])["far_ends"][0]["wanted_version"] > 1)
        assert len(system.google.calls) == before
        phone.open_link(card["links"]["card"])
        eventually(lambda: the_object(system)["removed_at"] is None)
        phone.wait_until(lambda one: "9" in [field.text for field in one.shows().fields.values()], 60)


def test_save_and_removal_in_the_wrong_order_end_in_the_truth(system: System) -> None:
    card = system.enrol()
    phone = system.android()
    with system.working():
        system.google.hold_callbacks()
        phone.open_link(card["links"]["card"])
        phone.remove()
        system.google.release_callbacks(reverse=True)
        system.google.wait_for_callbacks(2)
        eventually(lambda: the_object(system)["removed_at"] is not None and the_object(system)["confirm_at"] is None)
    assert state(system, card["serial_number"]) == "gone"


def test_item_47_the_same_message_twice_counts_once(system: System) -> None:
    with system.working():
        saved_card(system)
        system.google.send_callback("save", the_object(system)["object_id"], times=3)
        sent = system.google.wait_for_callbacks(4)
        settled(system)
    assert [one.status for one in sent] == [200] * 4
    assert len(system.rows("SELECT FROM google_callbacks")) == 2


def test_item_49_a_message_while_google_is_down_waits_for_the_answer(system: System) -> None:
    """The worker asks again when its lease is over, not in a hurry."""
    with system.working():
        saved_card(system)
        system.google.fail_next(503, "backendError", method="GET")
        system.google.send_callback("del", the_object(system)["object_id"])
        eventually(lambda: [call for call in system.google.calls if call.status == 503])
        assert the_object(system)["confirm_at"] > system.clock()
        system.clock.advance(system.services.settings.lease * 2)
        settled(system)
    assert the_object(system)["removed_at"] is None


def test_item_50_googles_robot_may_fetch_the_callback_path(system: System) -> None:
    rules = RobotFileParser()
    rules.parse(requests.get(f"{system.url}/robots.txt", timeout=10).text.splitlines())
    assert rules.can_fetch("Googlebot", f"{system.url}/google/callback")
