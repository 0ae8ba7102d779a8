"""Route (d): a shop's offer appears on the cards it is for, and ends by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.system import System, eventually

STORE = {"latitude": 45.7578, "longitude": 4.8320, "proximity_text": {"fr": "À deux pas", "en": "Round the corner"}}


def publish(system: System, lasts: timedelta, **more: Any) -> dict[str, Any]:
    """An offer that holds from now on."""
    now = system.clock()
    document = {
        "code": "maille",
        "title": {"fr": "−20 % sur la maille", "en": "20% off knitwear"},
        "proximity_text": {"fr": "−20 % aujourd’hui", "en": "20% off today"},
        "store_ids": ["lyon"],
        "starts_at": now.isoformat(),
        "ends_at": (now + lasts).isoformat(),
    }
    offer = system.api.ok("POST", "/offers", document | more)
    answer: dict[str, Any] = system.api.ok("POST", f"/offers/{offer['id']}/publish")
    return answer


def test_item_86_an_offer_comes_and_goes_on_both_phones(system: System) -> None:
    system.api.ok("PUT", "/stores/lyon", STORE | {"name": "Lyon"})
    card = system.enrol(favourite_store_id="lyon")
    iphone, android = system.iphone(), system.android()
    with system.working():
        iphone.open_link(card["links"]["card"])
        android.open_link(card["links"]["card"])
        publish(system, timedelta(hours=1))
        iphone.wait_until(lambda phone: [near.text for near in phone.near(45.7578, 4.832)] == ["−20 % aujourd’hui"], 60)
        android.wait_until(lambda phone: "−20 %" in str(phone.shows().object.get("textModulesData")), 60)
        assert android.shows().merchant_locations == ((45.7578, 4.832),)
        before = len(iphone.notifications)
        system.clock.advance(timedelta(hours=1, seconds=1))
        iphone.wait_until(lambda phone: [near.text for near in phone.near(45.7578, 4.832)] == ["À deux pas"], 60)
        android.wait_until(lambda phone: "−20 %" not in str(phone.shows().object.get("textModulesData")), 60)
    assert len(iphone.notifications) == before, "a geofence-only change is silent (checklist 85)"


def test_an_offer_for_another_tier_changes_no_card(system: System) -> None:
    system.api.ok("PUT", "/stores/lyon", STORE | {"name": "Lyon"})
    card = system.enrol(favourite_store_id="lyon")
    with system.working():
        eventually(lambda: not system.rows("SELECT FROM campaigns WHERE finished_at IS NULL"))
        version = system.card(card["serial_number"])["version"]
        publish(system, timedelta(hours=1), target={"tiers": ["Or"]})
        eventually(lambda: not system.rows("SELECT FROM campaigns WHERE finished_at IS NULL"))
        eventually(lambda: not system.rows("SELECT FROM cards WHERE recompose_at <= :now", now=system.clock()))
        assert system.card(card["serial_number"])["version"] == version
        system.api.ok("PUT", "/members/M-1/balances", {"sequence": 1, "tier": "Or"})
        assert system.card(card["serial_number"])["places"][0]["text"] == "−20 % aujourd’hui"


def test_a_cancelled_offer_leaves_the_cards(system: System) -> None:
    system.api.ok("PUT", "/stores/lyon", STORE | {"name": "Lyon"})
    card = system.enrol(favourite_store_id="lyon")

    def text() -> str:
        return str(system.card(card["serial_number"])["places"][0]["text"])

    with system.working():
        offer = publish(system, timedelta(days=30))
        eventually(lambda: text() == "−20 % aujourd’hui")
        system.api.ok("POST", f"/offers/{offer['id']}/cancel")
        eventually(lambda: text() == "À deux pas")


def test_item_32_ten_of_many_stores_are_chosen(system: System) -> None:
    for number in range(15):
        store = {"name": f"Boutique {number}", "latitude": 45.0 + number / 10, "longitude": 4.8}
        system.api.ok("PUT", f"/stores/s{number:02}", store)
    card = system.enrol(home={"latitude": 45.0, "longitude": 4.8})
    places = [place["store_id"] for place in system.card(card["serial_number"])["places"]]
    assert places == [f"s{number:02}" for number in range(10)]


def composed(system: System) -> None:
    """Let the worker do all that is due."""
    eventually(lambda: not system.rows("SELECT FROM campaigns WHERE finished_at IS NULL"))
    eventually(lambda: not system.rows("SELECT FROM cards WHERE recompose_at <= :now", now=system.clock()))


def test_c32_an_offer_that_is_cancelled_before_its_start_is_announced_to_nobody(system: System) -> None:
    """C32."""
    system.api.ok("PUT", "/stores/lyon", STORE | {"name": "Lyon"})
    card = system.enrol(favourite_store_id="lyon")
    known = "SELECT version, digest FROM cards"
    told = "SELECT wanted_version, told_version FROM deliveries ORDER BY id"
    with system.working():
        system.iphone().open_link(card["links"]["card"])
        eventually(lambda: not system.rows("SELECT FROM deliveries WHERE wanted_version > told_version"))
        composed(system)
        before = system.rows(known), system.rows(told)
        start = (system.clock() + timedelta(hours=1)).isoformat()
        offer = publish(system, timedelta(hours=2), starts_at=start)
        assert offer["state"] == "scheduled"
        composed(system)
        system.api.ok("POST", f"/offers/{offer['id']}/cancel")
        composed(system)
        system.clock.advance(timedelta(hours=1, minutes=1))
        composed(system)
        assert (system.rows(known), system.rows(told)) == before


def test_c33_an_offer_that_is_ended_now_is_gone_and_proven(system: System) -> None:
    """C33."""
    system.api.ok("PUT", "/stores/lyon", STORE | {"name": "Lyon"})
    card = system.enrol(favourite_store_id="lyon")
    iphone = system.iphone()
    with system.working():
        iphone.open_link(card["links"]["card"])
        offer = publish(system, timedelta(hours=1))
        iphone.wait_until(lambda phone: [near.text for near in phone.near(45.7578, 4.832)] == ["−20 % aujourd’hui"], 60)
        system.api.ok("POST", f"/offers/{offer['id']}/end")
        iphone.wait_until(lambda phone: [near.text for near in phone.near(45.7578, 4.832)] == ["À deux pas"], 60)
        ends = system.card(card["serial_number"])["far_ends"]
        assert [end["state"] for end in ends if end["kind"] == "apple"] == ["up_to_date"]
