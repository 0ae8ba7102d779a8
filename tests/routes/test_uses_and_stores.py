"""Uses of offers, and offers whose stores are gone: nothing is counted too little, nothing waits for ever."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import orjson

from tests.system import Api, System

STORE = {"latitude": 45.7578, "longitude": 4.8320}


def make(system: System, code: str, *, publish: bool = True, **more: Any) -> dict[str, Any]:
    """An offer that holds from now on."""
    now = system.clock()
    document = {"code": code, "title": {"fr": code}, "store_ids": ["lyon"], "starts_at": now.isoformat()}
    document |= {"ends_at": (now + timedelta(days=2)).isoformat()} | more
    offer: dict[str, Any] = system.api.ok("POST", "/offers", document)
    if publish:
        system.api.ok("POST", f"/offers/{offer['id']}/publish")
    return offer


def purchase(event: str, member: str, order: str, *offers: str, store: str | None = "lyon") -> dict[str, Any]:
    """A purchase that used offers."""
    data = {"order_id": order, "paid": {"amount": 1000, "currency": "EUR"}, "offers": list(offers)}
    data |= {"store_id": store} if store else {}
    head = {"specversion": "1.0", "id": event, "source": "tills", "type": "purchase.completed", "subject": member}
    return head | {"data": data}


def uses(system: System, code: str) -> int:
    """How many uses are written down."""
    rows = system.rows(
        "SELECT count(*) AS n FROM offer_uses u JOIN offers o ON o.id = u.offer_id WHERE o.code = :code", code=code
    )
    return int(rows[0]["n"])


def test_two_tills_may_give_the_same_number(system: System) -> None:
    for name in ("lyon", "paris"):
        system.api.ok("PUT", f"/stores/{name}", STORE | {"name": name})
    for member in ("M-1", "M-2"):
        system.enrol(member)
    make(system, "ONCE", uses_total=3, store_ids=["lyon", "paris"])
    system.api.ok("POST", "/events", purchase("a", "M-1", "0001", "ONCE"))
    system.api.ok("POST", "/events", purchase("b", "M-2", "0001", "ONCE", store="paris"))
    system.api.ok("POST", "/events", purchase("c", "M-2", "0001", "ONCE", store="paris"))  # the same order again
    assert uses(system, "ONCE") == 2
    assert system.rows("SELECT uses FROM offers") == [{"uses": 2}]


def test_an_offer_whose_store_is_gone_is_on_no_card(system: System) -> None:
    for name in ("lyon", "paris"):
        system.api.ok("PUT", f"/stores/{name}", STORE | {"name": name})
    card = system.enrol(favourite_store_id="paris")
    offer = make(system, "GONE")
    with system.working():
        system.api.ok("DELETE", "/stores/lyon")
        system.set_points("M-1", 5, sequence=1)
        assert "offer" not in system.card(card["serial_number"])["face"]
    audience = system.api.ok("GET", f"/offers/{offer['id']}/audience")
    assert (audience["receives"], audience["not_for"]) == (0, {"no_store": 1})
    draft = make(system, "NOBODY", publish=False, store_ids=[], groups=["typo"])
    refused = system.api("POST", f"/offers/{draft['id']}/publish")
    assert (refused.status_code, refused.json()["faults"][0]["path"]) == (422, "groups")


def test_changing_an_offer_while_others_are_used_up_is_no_deadlock(system: System) -> None:
    system.api.ok("PUT", "/stores/lyon", STORE | {"name": "Lyon"})
    members = [f"M-{number}" for number in range(20)]
    for member in members:
        system.enrol(member)
    plain = make(system, "PLAIN")
    done, answers = threading.Event(), []

    def change() -> None:
        api, number = Api(system.api.base, system.api.key), 0
        while not done.is_set():
            number += 1
            answers.append(api("PATCH", f"/offers/{plain['id']}", {"title": {"fr": f"t{number}"}}).status_code)
        api.session.close()

    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(8):
            make(system, f"C{turn}", uses_total=1)
            events = [
                purchase(f"e{turn}-{number}", member, f"o{turn}-{number}", f"C{turn}" if number == 0 else "PLAIN")
                for number, member in enumerate(members)
            ]
            answer = system.api(
                "POST", "/events", orjson.dumps(events), **{"Content-Type": "application/cloudevents-batch+json"}
            )
            assert answer.status_code in (200, 202), answer.text
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert set(answers) <= {200, 409}, answers
    assert uses(system, "PLAIN") == 8 * 19
