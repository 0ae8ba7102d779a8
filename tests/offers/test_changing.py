"""Offers change as far as their state allows, and each change is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from tests.system import System
from wallet_service.documents.offers import OfferDocument
from wallet_service.offers.changing import changed_fields, document_of, free_code
from wallet_service.offers.listing import offers_by_state, state_at
from wallet_service.offers.states import CHANGEABLE, OFFER_STATES, offer_state
from wallet_service.storage.tables import Offer

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
STORE = {"name": "Lyon", "latitude": 45.7578, "longitude": 4.8320}


@dataclass(frozen=True)
class Spanned:
    state: str
    starts_at: datetime
    ends_at: datetime


def draft(system: System, *, starts: timedelta = timedelta(days=1), **more: Any) -> dict[str, Any]:
    now = system.clock()
    document = {
        "code": "maille",
        "title": {"fr": "−20 %"},
        "starts_at": (now + starts).isoformat(),
        "ends_at": (now + starts + timedelta(days=1)).isoformat(),
    }
    made: dict[str, Any] = system.api.ok("POST", "/offers", document | more)
    return made


def in_state(system: System, state: str) -> dict[str, Any]:
    offer = draft(system, starts=timedelta(days=-1, hours=1) if state == "running" else timedelta(days=1))
    address = f"/offers/{offer['id']}"
    if state != "draft":
        system.api.ok("POST", f"{address}/publish")
    if state == "cancelled":
        system.api.ok("POST", f"{address}/cancel")
    if state == "ended":
        system.clock.advance(timedelta(days=3))
    made: dict[str, Any] = system.api.ok("GET", address)
    assert made["state"] == state
    return made


@pytest.mark.parametrize(
    ("state", "at", "expected"),
    [
        ("draft", 0, "draft"),
        ("draft", 99, "draft"),
        ("cancelled", 5, "cancelled"),
        ("published", -1, "scheduled"),
        ("published", 0, "running"),
        ("published", 9, "running"),
        ("published", 10, "ended"),
    ],
)
def test_the_state_follows_the_clock(state: str, at: int, expected: str) -> None:
    offer = Spanned(state, NOON, NOON + timedelta(hours=10))
    assert offer_state(offer, NOON + timedelta(hours=at)) == expected


@given(st.text(min_size=1, max_size=128), st.sets(st.text(max_size=130), max_size=5), st.integers(1, 9))
def test_a_copys_code_is_free_and_an_identifiers_length(code: str, taken: set[str], times: int) -> None:
    known = {code, *taken}
    for _ in range(times):
        made = free_code(code, known)
        assert made not in known
        assert len(made) <= 128
        known.add(made)


def test_a_copy_of_a_copy_counts_on() -> None:
    assert free_code("maille-2", {"maille", "maille-2"}) == "maille-3"


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)),
)
def test_changed_fields_lead_from_one_to_the_other(before: dict[str, int], after: dict[str, int]) -> None:
    changes = changed_fields(before, after)
    assert {**before, **{name: to for name, (_, to) in changes.items()}} == {
        name: after.get(name) for name in {**before, **after}
    }
    assert all(came != went for came, went in changes.values())


CHANGES: dict[str, Any] = {
    "code": "soie",
    "title": {"fr": "−30 %"},
    "text": {"fr": "Sur tout"},
    "proximity_text": {"fr": "Entrez"},
    "store_ids": ["lyon"],
    "groups": ["sud"],
    "target": {"tiers": ["Or"]},
    "radius_m": 80,
    "uses_per_member": 2,
    "uses_total": 9,
    "priority": 3,
    "notify": True,
    "weekly_hours": [{"day": "sat", "from": "10:00", "to": "24:00"}],
    "only_when_open": True,
}


@pytest.mark.parametrize("state", OFFER_STATES)
def test_what_may_change_in_each_state(system: System, state: Any) -> None:
    system.api.ok("PUT", "/stores/lyon", STORE)
    offer = in_state(system, state)
    shift = timedelta(minutes=7)
    moved = {name: (datetime.fromisoformat(offer[name]) + shift).isoformat() for name in ("starts_at", "ends_at")}
    assert (CHANGES | moved).keys() == OfferDocument.model_fields.keys() - {"starts_at_local", "ends_at_local"}
    for name, value in (CHANGES | moved).items():
        before = system.api.ok("GET", f"/offers/{offer['id']}")
        answer = system.api("PATCH", f"/offers/{offer['id']}", {name: value})
        after = system.api.ok("GET", f"/offers/{offer['id']}")
        if name in CHANGEABLE[state]:
            assert answer.status_code == 200, (name, answer.text)
            assert changed_fields(before, after).keys() == {name, "version"}
        else:
            assert answer.status_code == 409
            assert name in answer.text
            assert after == before


def test_an_unknown_member_and_a_wrong_whole_are_refused_as_in_a_new_offer(system: System) -> None:
    offer = draft(system)
    for patch, path in (
        ({"colour": "red"}, "colour"),
        ({"title": None}, "title"),
        ({"store_ids": ["nowhere"]}, "store_ids[0]"),
        ({"proximity_text": {"fr": "x" * 101}}, "proximity_text.fr"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "ends_at"),
    ):
        answer = system.api("PATCH", f"/offers/{offer['id']}", patch)
        assert answer.status_code == 422, answer.text
        assert answer.json()["faults"][0]["path"] == path
    assert system.api.ok("GET", f"/offers/{offer['id']}") == offer


def test_a_local_time_takes_the_place_of_an_instant(system: System) -> None:
    offer = draft(system)
    changed = system.api.ok("PATCH", f"/offers/{offer['id']}", {"ends_at_local": "2900-12-01T10:00"})
    assert (changed["starts_at"], changed["ends_at"]) == (offer["starts_at"], "2900-12-01T09:00:00Z")


def test_null_clears_what_may_be_empty(system: System) -> None:
    offer = draft(system, radius_m=80, text={"fr": "Sur tout"})
    cleared = system.api.ok("PATCH", f"/offers/{offer['id']}", {"radius_m": None, "text": None})
    assert (cleared["radius_m"], cleared["text"]) == (None, {})


def test_the_second_of_two_editors_is_told_both_sides(system: System) -> None:
    offer = draft(system)
    address, version = f"/offers/{offer['id']}", str(offer["version"])
    system.api.ok("PATCH", address, {"priority": 5}, If_Match=version)
    answer = system.api("PATCH", address, {"priority": 7}, If_Match=version)
    assert answer.status_code == 409
    assert "version 2" in answer.text
    assert "priority is 5, you want 7" in answer.text
    assert system.api.ok("GET", address)["priority"] == 5
    assert system.api("PATCH", address, {"priority": 7}, If_Match="x").status_code == 422
    assert system.api.ok("PATCH", address, {"priority": 7}, If_Match='"2"')["version"] == 3


def test_the_same_once_more_is_no_change(system: System) -> None:
    offer = draft(system)
    same = system.api.ok("PATCH", f"/offers/{offer['id']}", {"title": offer["title"], "ends_at": offer["ends_at"]})
    assert same == offer


def test_a_published_offer_does_not_end_in_the_past(system: System) -> None:
    offer = in_state(system, "running")
    past = (system.clock() - timedelta(minutes=1)).isoformat()
    assert system.api("PATCH", f"/offers/{offer['id']}", {"ends_at": past}).status_code == 409


def test_only_changes_of_published_offers_are_walked_to_the_cards(system: System) -> None:
    def walks() -> int:
        return len(system.rows("SELECT FROM campaigns"))

    offer = draft(system)
    address, before = f"/offers/{offer['id']}", walks()
    system.api.ok("PATCH", address, {"priority": 5})
    copy = system.api.ok("POST", f"{address}/copy")
    system.api.ok("POST", f"/offers/{copy['id']}/cancel")
    assert walks() == before
    revision = "SELECT places_revision FROM programs"
    for method, path, body in (
        ("POST", f"{address}/publish", None),
        ("PATCH", address, {"priority": 6}),
        ("POST", f"{address}/unpublish", None),
    ):
        known = system.rows(revision)
        system.api.ok(method, path, body)
        assert walks() == before + 1, "one that has not left yet takes all along"
        assert system.rows(revision) != known


def test_c33_an_offer_ends_now(system: System) -> None:
    """C33: the offer is over at this instant, and counts as held until now."""
    offer = in_state(system, "running")
    ended = system.api.ok("POST", f"/offers/{offer['id']}/end")
    assert ended["state"] == "ended"
    assert datetime.fromisoformat(ended["ends_at"]) <= system.clock()
    assert system.api("POST", f"/offers/{offer['id']}/end").status_code == 409
    assert system.api("POST", f"/offers/{offer['id']}/cancel").status_code == 409


@pytest.mark.parametrize("state", ["draft", "scheduled", "ended", "cancelled"])
def test_only_a_running_offer_is_ended(system: System, state: str) -> None:
    assert system.api("POST", f"/offers/{in_state(system, state)['id']}/end").status_code == 409


@pytest.mark.parametrize("state", ["running", "ended", "cancelled"])
def test_only_an_offer_that_has_not_begun_becomes_a_draft_again(system: System, state: str) -> None:
    assert system.api("POST", f"/offers/{in_state(system, state)['id']}/unpublish").status_code == 409


def test_a_copy_is_a_draft_with_a_code_of_its_own(system: System) -> None:
    offer = in_state(system, "cancelled")
    first = system.api.ok("POST", f"/offers/{offer['id']}/copy")
    second = system.api.ok("POST", f"/offers/{first['id']}/copy")
    assert [first["code"], second["code"]] == ["maille-2", "maille-3"]
    assert first["state"] == "draft"
    assert first["version"] == 1
    assert changed_fields(offer, first).keys() <= {"id", "code", "state", "version"}


def test_offers_are_listed_by_state(system: System) -> None:
    scheduled = in_state(system, "scheduled")
    copy = system.api.ok("POST", f"/offers/{scheduled['id']}/copy")
    for state, ids in (("scheduled", [scheduled["id"]]), ("draft", [copy["id"]]), ("running", [])):
        assert [offer["id"] for offer in system.api.ok("GET", f"/offers?state={state}")["items"]] == ids
    assert system.api("GET", "/offers?state=published").status_code == 422
    with system.services.sessions() as db:
        counts = offers_by_state(db, "lumiere", now=system.clock())
    assert counts == {"draft": 1, "scheduled": 1, "running": 0, "ended": 0, "cancelled": 0}


@pytest.mark.parametrize("state", OFFER_STATES)
def test_the_database_and_the_function_agree_on_states(system: System, state: str) -> None:
    in_state(system, state)
    with system.services.sessions() as db:
        for offer in db.scalars(select(Offer)):
            for now in (offer.starts_at, offer.ends_at, system.clock()):
                assert db.scalar(select(state_at(now)).where(Offer.id == offer.id)) == offer_state(offer, now)
            assert document_of(offer).code == offer.code


def test_each_change_is_in_the_journal_with_its_fields(system: System) -> None:
    offer = draft(system)
    address = f"/offers/{offer['id']}"
    system.api.ok("PATCH", address, {"priority": 5})
    system.api.ok("PATCH", address, {"priority": 5})
    system.api.ok("POST", f"{address}/publish")
    system.api.ok("POST", f"{address}/publish")
    rows = system.rows("SELECT action, changes FROM journal WHERE object_kind = 'offer' ORDER BY id")
    assert [row["action"] for row in rows] == ["offer_drafted", "offer_changed", "offer_published"]
    assert rows[1]["changes"] == {"priority": {"from": 0, "to": 5}}
    assert rows[2]["changes"] == {"state": {"from": "draft", "to": "published"}}


def test_c7_a_stores_key_cannot_move_its_offer_elsewhere(system: System) -> None:
    """C7 at the API: neither to a group, nor to another store, nor to all."""
    for store in ("lyon", "lille"):
        system.api.ok("PUT", f"/stores/{store}", STORE)
    offer, other = draft(system, store_ids=["lyon"]), draft(system, code="soie", store_ids=["lille"])
    with system.services.sessions.begin() as db:
        db.connection().exec_driver_sql("UPDATE api_keys SET store_id = 'lyon', role = 'store'")
    elsewhere: tuple[dict[str, Any], ...] = (
        {"store_ids": ["lille"]},
        {"store_ids": ["lyon", "lille"]},
        {"store_ids": []},
        {"groups": ["sud"]},
    )
    for patch in elsewhere:
        assert system.api("PATCH", f"/offers/{offer['id']}", patch).status_code == 403
    for act in ("publish", "unpublish", "cancel", "end", "copy"):
        assert system.api("POST", f"/offers/{other['id']}/{act}").status_code == 403
    assert system.api("PATCH", f"/offers/{other['id']}", {"priority": 1}).status_code == 403
    assert system.api.ok("PATCH", f"/offers/{offer['id']}", {"priority": 1})["store_ids"] == ["lyon"]
