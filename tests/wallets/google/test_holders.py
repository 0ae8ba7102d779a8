"""Saves and removals, as Google tells them: late, twice, in any order. Numbers: google-wallet.md, section 25."""

from __future__ import annotations

from typing import Any
from urllib.robotparser import RobotFileParser

import requests

from tests.house import House, eventually
from tests.wallets.google.test_budget import at_rest, saved_card


def the_object(house: House) -> dict[str, Any]:
    """Our row of the only object."""
    return house.rows("SELECT * FROM google_objects")[0]


def settled(house: House) -> None:
    """Wait until Google has been asked about everything."""
    eventually(lambda: the_object(house)["confirm_at"] is None)


def state(house: House, serial_number: str) -> str:
    """How the card stands at Google."""
    return str(house.card(serial_number)["far_ends"][0]["state"])


def test_item_51_a_removal_that_is_not_true_keeps_the_card(house: House) -> None:
    """A `del` that comes late, while the holder has saved the card again."""
    with house.working():
        serial_number = saved_card(house)
        house.google.send_callback("del", the_object(house)["object_id"])
        house.google.wait_for_callbacks(2)
        settled(house)
        assert state(house, serial_number) == "up_to_date"
        assert the_object(house)["removed_at"] is None
        house.set_points("M-1", 9, sequence=1)
        at_rest(house)
    assert house.google.object(the_object(house)["object_id"])["loyaltyPoints"]["balance"] == {"int": 9}


def test_a_true_removal_stops_the_updates_until_the_card_is_saved_again(house: House) -> None:
    card = house.enrol()
    phone = house.android()
    with house.working():
        phone.open_link(card["links"]["card"])
        eventually(lambda: the_object(house)["saved_at"] is not None)
        settled(house)
        phone.remove()
        eventually(lambda: the_object(house)["removed_at"] is not None)
        assert state(house, card["serial_number"]) == "gone"
        before = len(house.google.calls)
        house.set_points("M-1", 9, sequence=1)
        eventually(lambda: house.card(card["serial_number"])["far_ends"][0]["wanted_version"] > 1)
        assert len(house.google.calls) == before
        phone.open_link(card["links"]["card"])
        eventually(lambda: the_object(house)["removed_at"] is None)
        phone.wait_until(lambda one: "9" in [field.text for field in one.shows().fields.values()], 20)


def test_save_and_removal_in_the_wrong_order_end_in_the_truth(house: House) -> None:
    card = house.enrol()
    phone = house.android()
    with house.working():
        house.google.hold_callbacks()
        phone.open_link(card["links"]["card"])
        phone.remove()
        house.google.release_callbacks(reverse=True)
        house.google.wait_for_callbacks(2)
        eventually(lambda: the_object(house)["removed_at"] is not None and the_object(house)["confirm_at"] is None)
    assert state(house, card["serial_number"]) == "gone"


def test_item_47_the_same_message_twice_counts_once(house: House) -> None:
    with house.working():
        saved_card(house)
        house.google.send_callback("save", the_object(house)["object_id"], times=3)
        sent = house.google.wait_for_callbacks(4)
        settled(house)
    assert [one.status for one in sent] == [200] * 4
    assert len(house.rows("SELECT FROM google_callbacks")) == 2


def test_item_49_a_message_while_google_is_down_waits_for_the_answer(house: House) -> None:
    """The worker asks again when its lease is over, not in a hurry."""
    with house.working():
        saved_card(house)
        house.google.fail_next(503, "backendError", method="GET")
        house.google.send_callback("del", the_object(house)["object_id"])
        eventually(lambda: [call for call in house.google.calls if call.status == 503])
        assert the_object(house)["confirm_at"] > house.clock()
        house.clock.advance(house.services.settings.lease * 2)
        settled(house)
    assert the_object(house)["removed_at"] is None


def test_item_50_googles_robot_may_fetch_the_callback_path(house: House) -> None:
    rules = RobotFileParser()
    rules.parse(requests.get(f"{house.url}/robots.txt", timeout=10).text.splitlines())
    assert rules.can_fetch("Googlebot", f"{house.url}/google/callback")
