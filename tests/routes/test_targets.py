"""Targets from the API to the card: who has an offer has it, and loses it when it says so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.routes.test_offer import STORE, publish
from tests.system import System, eventually


@pytest.fixture
def serial_number(system: System) -> str:
    """The card of a member near two stores."""
    system.api.ok("PUT", "/stores/lyon", STORE | {"name": "Lyon"})
    system.api.ok("PUT", "/stores/lille", {"name": "Lille", "latitude": 50.63, "longitude": 3.06})
    serial: str = system.enrol(favourite_store_id="lyon")["serial_number"]
    return serial


def buy(system: System, order_id: str, **more: Any) -> Any:
    """A purchase of the member, as the till reports it."""
    data = {"order_id": order_id, "paid": {"amount": 1000, "currency": "EUR"}} | more
    event = {"specversion": "1.0", "id": f"e-{order_id}", "source": "till", "type": "purchase.completed"}
    return system.api("POST", "/events", event | {"subject": "M-1", "data": data})


def has_offer(system: System, serial_number: str) -> bool:
    """Whether the card shows the offer, once all that is due was composed."""
    with system.working():
        eventually(lambda: not system.rows("SELECT FROM campaigns WHERE finished_at IS NULL"))
        eventually(lambda: not system.rows("SELECT FROM cards WHERE recompose_at <= :now", now=system.clock()))
    places = system.card(serial_number)["places"]
    return "−20 % aujourd’hui" in [place["text"] for place in places]


def test_attributes_consent_and_favourite_store(system: System, serial_number: str) -> None:
    target = {"attributes": {"size": ["36", "38"]}, "consent": True, "favourite_store_ids": ["lyon"]}
    publish(system, timedelta(days=9), target=target)
    assert not has_offer(system, serial_number)
    system.api.ok("PUT", "/members/M-1", {"attributes": {"size": 38}})
    assert not has_offer(system, serial_number)
    system.api.ok("PUT", "/members/M-1", {"consents": {"marketing": True}})
    assert has_offer(system, serial_number)
    system.api.ok("PUT", "/members/M-1", {"favourite_store_id": "lille"})
    assert not has_offer(system, serial_number)


def test_a_last_purchase_at_the_offers_stores_lapses_by_itself(system: System, serial_number: str) -> None:
    publish(system, timedelta(days=90), target={"purchased_within_days": 7, "purchased_at": "offer_stores"})
    assert buy(system, "1", store_id="lille").json()["status"] == "applied"
    assert not has_offer(system, serial_number)
    buy(system, "2", store_id="lyon")
    assert has_offer(system, serial_number)
    system.clock.advance(timedelta(days=7))
    assert not has_offer(system, serial_number)


def test_an_offer_for_a_wallet_waits_for_the_installation(system: System, serial_number: str) -> None:
    publish(system, timedelta(days=9), target={"wallets": ["apple"]})
    assert not has_offer(system, serial_number)
    link = system.api.ok("POST", "/members/M-1/card")["links"]["card"]
    system.iphone().open_link(link)
    assert has_offer(system, serial_number)


def test_uses_per_member_count_orders_once(system: System, serial_number: str) -> None:
    publish(system, timedelta(days=9), uses_per_member=2)
    for event, order in (("a", "1"), ("b", "1")):
        data = {"order_id": order, "paid": {"amount": 1, "currency": "EUR"}, "offers": ["maille", "maille"]}
        envelope = {"specversion": "1.0", "id": event, "source": "till", "type": "purchase.completed"}
        system.api.ok("POST", "/events", envelope | {"subject": "M-1", "data": data})
    assert system.rows("SELECT order_id FROM offer_uses") == [{"order_id": "1"}]
    assert has_offer(system, serial_number)
    buy(system, "2", offers=["maille"])
    assert not has_offer(system, serial_number)


def test_an_offer_that_is_used_up_leaves_every_card(system: System, serial_number: str) -> None:
    other = system.enrol("M-2", favourite_store_id="lyon")["serial_number"]
    offer = publish(system, timedelta(days=9), uses_total=2)
    buy(system, "1", offers=["maille"])
    assert has_offer(system, other)
    buy(system, "2", offers=["maille"])
    assert not has_offer(system, other)
    assert not has_offer(system, serial_number)
    system.api.ok("PATCH", f"/offers/{offer['id']}", {"uses_total": None})
    buy(system, "3", offers=["maille"])
    assert has_offer(system, other)
    system.api.ok("PATCH", f"/offers/{offer['id']}", {"uses_total": 3})
    assert not has_offer(system, other), "uses without a total are counted once there is one"
    system.api.ok("PATCH", f"/offers/{offer['id']}", {"uses_total": 4})
    assert has_offer(system, other)


def test_a_use_of_an_unknown_offer_is_refused_whole(system: System, serial_number: str) -> None:
    publish(system, timedelta(days=9))
    answer = buy(system, "1", store_id="lyon", offers=["maille", "soie"])
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["path"] == "data.offers[1]"
    assert system.rows("SELECT FROM offer_uses") == system.rows("SELECT FROM member_stores") == []
    assert system.card(serial_number)


def test_stores_of_purchases_are_the_members_own(system: System) -> None:
    """Own stores come after the favourite, the last purchase first; another order of the same ten is no new version."""
    for number in range(14):
        store = {"name": f"Boutique {number}", "latitude": 45.0 + number / 10, "longitude": 4.8}
        system.api.ok("PUT", f"/stores/s{number:02}", store)
    serial = system.enrol(home={"latitude": 45.0, "longitude": 4.8})["serial_number"]

    def chosen() -> list[str]:
        return [place["store_id"] for place in system.card(serial)["places"]]

    assert chosen() == [f"s{number:02}" for number in range(10)]
    buy(system, "1", store_id="s12")
    assert chosen() == ["s12", *(f"s{number:02}" for number in range(9))]
    version = system.card(serial)["version"]
    buy(system, "2", store_id="s03")
    assert system.card(serial)["version"] == version, "the same ten in another order"
    buy(system, "3", store_id="s13")
    assert set(chosen()) == {"s12", "s13", *(f"s{number:02}" for number in range(8))}
    system.clock.advance(timedelta(days=366))
    with system.working():
        eventually(lambda: not system.rows("SELECT FROM cards WHERE recompose_at <= :now", now=system.clock()))
    assert set(chosen()) == {f"s{number:02}" for number in range(10)}


def test_an_erased_members_purchases_go_and_uses_stay_nobodys(system: System, serial_number: str) -> None:
    publish(system, timedelta(days=9))
    buy(system, "1", store_id="lyon", offers=["maille"])
    system.api.ok("DELETE", "/members/M-1")
    assert system.rows("SELECT FROM member_stores") == []
    assert system.rows("SELECT member_pk FROM offer_uses") == [{"member_pk": None}]
    assert system.card(serial_number)["state"] == "void"


def test_the_api_says_why_these_places(system: System, serial_number: str) -> None:
    publish(system, timedelta(days=9), target={"tiers": ["Or"]}, store_ids=[])
    buy(system, "1", store_id="lille")
    found = system.api.ok("GET", f"/cards/{serial_number}/places")
    assert [(one["store_id"], one["why"]) for one in found["chosen"]] == [("lyon", "favourite"), ("lille", "purchase")]
    assert found["left_out"] == []
    system.api.ok("PUT", "/members/M-1/balances", {"sequence": 1, "tier": "Or"})
    found = system.api.ok("GET", f"/cards/{serial_number}/places")
    assert [one["offer"] for one in found["chosen"]] == ["maille", "maille"]
    assert [one["store_id"] for one in found["chosen"]] == [
        place["store_id"] for place in system.card(serial_number)["places"]
    ]
    system.api.ok("DELETE", "/members/M-1")
    assert system.api.ok("GET", f"/cards/{serial_number}/places")["chosen"] == []
