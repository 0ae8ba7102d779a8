"""What a page has shown is what is done, whoever else is at work; small numbers tell a shop's staff of nobody."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.system import System
from tests.web.console.staff import Staff, sign_in
from tests.web.console.test_offers import add_offer, add_stores
from wallet_service.offers.publishing import require_offer

_SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


def while_a_colleague_widens(system: System, offer: int, staff: Staff, act: str) -> int:
    """Press a button while somebody's change of the same offer is just being written; returns the answer's status."""
    answers: list[int] = []

    def press() -> None:
        data = {"_version": "1"}
        answer = staff.client.post(f"/console/lumiere/offers/{offer}/{act}", data=data, headers=_SAME_ORIGIN)
        answers.append(answer.status_code)

    thread = threading.Thread(target=press)
    with system.services.sessions.begin() as db:
        row = require_offer(db, "lumiere", offer, lock=True)
        row.store_ids, row.title, row.version = ["lyon", "paris"], {"fr": "Tout gratuit"}, 2
        db.flush()
        thread.start()
        thread.join(1.5)  # it waits for the row
        assert thread.is_alive()
    thread.join(20)
    return answers[0]


@pytest.mark.parametrize("act", ["publish", "drop"])
def test_what_a_colleague_has_just_written_is_not_published_nor_dropped(system: System, act: str) -> None:
    add_stores(system)
    manager = sign_in(system, "store", stores=("lyon",))
    offer = add_offer(system, "RACE", store_ids=["lyon"])
    assert while_a_colleague_widens(system, offer, manager, act) in (403, 404, 409)
    assert system.rows("SELECT state, version FROM offers") == [{"state": "draft", "version": 2}]


def test_the_api_looks_at_the_version_at_every_change(system: System) -> None:
    add_stores(system)
    offer = add_offer(system, "VERSIONS")
    system.api.ok("PATCH", f"/offers/{offer}", {"priority": 1})
    for verb in ("publish", "cancel", "copy", "unpublish"):
        assert system.api("POST", f"/offers/{offer}/{verb}", **{"If-Match": "1"}).status_code == 409, verb
    system.api.ok("POST", f"/offers/{offer}/publish", **{"If-Match": '"2"'})
    assert system.api("POST", f"/offers/{offer}/end", **{"If-Match": "2"}).status_code == 409


def test_an_offer_of_a_group_is_read_by_its_stores_clock(system: System) -> None:
    place: dict[str, Any] = {"latitude": -20.9, "longitude": 55.4, "time_zone": "Indian/Reunion"}
    system.api.ok("PUT", "/stores/reunion", place | {"name": "Saint-Denis", "groups": ["outremer"]})
    span = {"starts_at_local": "2027-01-10T10:00", "ends_at_local": "2027-01-10T20:00"}
    offer = system.api.ok("POST", "/offers", {"code": "G", "title": {"fr": "G"}, "groups": ["outremer"]} | span)
    assert offer["starts_at"] == "2027-01-10T06:00:00Z"
    page = sign_in(system, "marketing").get(f"/offers/{offer['id']}")
    assert "10:00" in page.text
    assert "06:00" not in page.text


def test_staff_of_a_shop_are_not_told_of_very_few_people(system: System) -> None:
    add_stores(system)
    for number in range(3):
        system.enrol(f"M-{number}")
    offer = add_offer(system, "FEW", store_ids=["lyon"], publish=True)
    manager, marketing = (
        sign_in(system, role, stores=stores) for role, stores in (("store", ("lyon",)), ("marketing", ()))
    )
    assert "3 without an installed card" in marketing.get(f"/offers/{offer}").text
    shown = manager.get(f"/offers/{offer}").text
    assert "< 5 without an installed card" in shown.replace("\u00a0", " ")
    assert "3 without" not in shown


def test_a_paused_offer_is_said_to_pause(system: System) -> None:
    add_stores(system)
    now = system.clock()
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    other = days[(now.weekday() + 3) % 7]
    offer = add_offer(
        system, "PAUSES", lasts_h=24 * 14, weekly_hours=[{"day": other, "from": "10:00", "to": "11:00"}], publish=True
    )
    system.clock.advance(timedelta(hours=3))
    assert "It pauses now" in sign_in(system, "marketing").get(f"/offers/{offer}").text


def test_a_draft_overlay_stops_no_new_design_and_follows_it(system: System) -> None:
    now = system.clock()
    document = {
        "title": "T", "starts_at": now.isoformat(), "ends_at": (now + timedelta(days=3)).isoformat(),
        "words": {"fr": {"points_label": "P"}},
    }  # fmt: skip
    system.api.ok("PUT", "/overlays/draft", document)
    assert system.api.ok("GET", "/overlays/draft")["template"] is None
    with system.services.sessions.begin() as db:
        found = db.execute(text("SELECT template_id FROM overlays")).scalar_one()
    assert found is None
