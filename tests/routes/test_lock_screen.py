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
        phone.wait_until(lambda it: [near.text for near in it.near(45.7578, 4.832)] == ["−20 % aujourd’hui"], 20)
        assert len(phone.notifications) == before


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
