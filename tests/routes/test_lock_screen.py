"""What offers may put on a lock screen (checklist 85 and 87)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.routes.test_offer import STORE, publish
from tests.system import System


def test_item_85_a_geofence_update_changes_no_notifying_field(system: System) -> None:
    """An offer moves places and texts; no field whose value changed has words for the lock screen."""
    system.api.ok("PUT", "/stores/lyon", STORE | {"name": "Lyon"})
    card = system.enrol(favourite_store_id="lyon")
    phone = system.iphone()
    with system.working():
        phone.open_link(card["links"]["card"])
        before = len(phone.notifications)
        publish(system, timedelta(hours=1))
        phone.wait_until(lambda it: [near.text for near in it.near(45.7578, 4.832)] == ["−20 % aujourd’hui"], 60)
        assert len(phone.notifications) == before


def test_the_first_voucher_is_heard(system: System) -> None:
    """C12: the most wanted news of all is of a field that had no value. And it is the voucher's, not the points'."""
    card = system.enrol(locale="en")
    phone = system.iphone()
    with system.working():
        phone.open_link(card["links"]["card"])
        assert phone.shows().text("voucher") == "None at the moment"
        voucher = {"code": "BA-1", "amount": {"amount": 1000, "currency": "EUR"}}
        system.api.ok("PUT", "/members/M-1/balances", {"sequence": 1, "vouchers": [voucher]})
        phone.wait_until(lambda it: len(it.notifications) == 1, 60)
        (heard,) = phone.notifications
        assert (heard.field_keys, heard.generic) == (("voucher",), False)
        assert heard.text.startswith("A voucher of ")
        system.api.ok("PUT", "/members/M-1/balances", {"sequence": 2, "vouchers": []})
        phone.wait_until(lambda it: it.shows().text("voucher") == "None at the moment", 60)
        assert len(phone.notifications) == 1, "that it is used up is no news"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x" * 101, "a lock screen takes 100"),
        ("Une ligne\nune autre", "has a line break"),
        ("Maison Lumière vous attend", "names the brand"),
    ],
)
def test_item_87_texts_that_a_lock_screen_cannot_show(system: System, text: str, words: str) -> None:
    system.api.ok("PUT", "/stores/lyon", STORE | {"name": "Lyon"})
    document = {
        "code": "maille", "title": "Maille", "proximity_text": {"fr": text}, "store_ids": ["lyon"],
        "starts_at": "2026-12-01T00:00:00Z", "ends_at": "2026-12-02T00:00:00Z",
    }  # fmt: skip
    answer = system.api("POST", "/offers", document)
    assert answer.status_code == 422
    assert words in answer.text
