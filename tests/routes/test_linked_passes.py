"""A second pass beside the card: on Google with the card, on iPhones by itself. google-wallet.md, check 52."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.cards.linked_designs import apply_linked, linked_system
from tests.conftest import OpenSystem
from tests.system import System, eventually
from tests.wallets.google.conftest import card_view
from wallet_service.cards.erasure import forget_tombstones
from wallet_service.cards.linked_cards import MOST_LINKS
from wallet_service.errors import Conflict, Invalid, NotFound
from wallet_service.wallets.google.linked_objects import link_told
from wallet_service.wallets.google.updates import ObjectUpdate

TICKET = {"key": "gala", "template": "ticket", "lines": {"seat": "B 7"}, "expires_at": "2031-05-04T20:00:00Z"}


@pytest.fixture
def linking(open_system: OpenSystem, tmp_path: Path) -> System:
    """A system whose cards may have linked passes."""
    return linked_system(open_system, tmp_path)


def link(system: System, card: dict[str, Any], **said: Any) -> dict[str, Any]:
    """Link a pass; returns the API's answer."""
    answer: dict[str, Any] = system.api.ok("POST", f"/cards/{card['serial_number']}/linked", TICKET | said)
    return answer


def object_of(system: System, serial_number: str) -> str:
    """The object's id at Google."""
    query = "SELECT object_id FROM google_objects o JOIN cards c ON c.id = o.card_id WHERE c.serial_number = :serial"
    return str(system.rows(query, serial=serial_number)[0]["object_id"])


def at_rest(system: System) -> bool:
    """Nothing waits to be told."""
    return not system.rows("SELECT FROM deliveries WHERE wanted_version > told_version AND parked IS NULL")


def texts_at_google(system: System, object_id: str) -> dict[str, str]:
    """The texts of an object, by field."""
    return {each["id"]: each["body"] for each in system.google.object(object_id).get("textModulesData", ())}


def test_item_52_a_linked_pass_comes_to_an_android_with_the_card(linking: System) -> None:
    card, android = linking.enrol(), linking.android()
    with linking.working():
        android.open_link(card["links"]["card"])
        ticket = link(linking, card)
        other, own = object_of(linking, ticket["serial_number"]), object_of(linking, card["serial_number"])
        android.wait_until(lambda phone: set(phone.object_ids) == {own, other}, 60)
        assert linking.google.object(own)["linkedObjectIds"] == [other]
        assert texts_at_google(linking, other)["seat"] == "B 7"
        assert "seat" not in texts_at_google(linking, own)
        assert linking.google.object(other)["validTimeInterval"] == {"end": {"date": "2031-05-04T22:00:00+02:00"}}
        eventually(lambda: at_rest(linking))
        listed = linking.api.ok("GET", f"/cards/{card['serial_number']}/linked")
        assert [(one["key"], one["beside_card_on_google"]) for one in listed["items"]] == [("gala", True)]
        assert listed["left"] == MOST_LINKS - 1
        link(linking, card, lines={"seat": "C 8"})
        android.wait_until(lambda phone: "C 8" in str(phone.shows(other).object), 60)
        linking.set_points("M-1", 77, sequence=1)
        eventually(lambda: linking.google.object(own).get("loyaltyPoints", {}).get("balance") == {"int": 77})
        assert linking.google.object(own)["linkedObjectIds"] == [other]


def test_passes_linked_before_the_card_is_saved_come_with_it(linking: System) -> None:
    card = linking.enrol()
    with linking.working():
        keys = ["one", "two"]
        serials = [link(linking, card, key=key)["serial_number"] for key in keys]
        eventually(lambda: at_rest(linking))
        assert linking.rows("SELECT FROM google_objects WHERE told_digest IS NOT NULL") == [], "nobody asked for Google"
        android = linking.android()
        android.open_link(card["links"]["card"])
        others = {object_of(linking, serial) for serial in serials}
        android.wait_until(lambda phone: others < set(phone.object_ids), 60)
        assert set(linking.google.object(object_of(linking, card["serial_number"]))["linkedObjectIds"]) == others


def test_a_pass_saved_by_its_own_link_hangs_on_the_card_when_that_comes(linking: System) -> None:
    card = linking.enrol()
    ticket = link(linking, card)
    with linking.working():
        android = linking.android()
        android.open_link(ticket["links"]["card"])
        eventually(lambda: at_rest(linking))
        android.open_link(card["links"]["card"])
        own, other = object_of(linking, card["serial_number"]), object_of(linking, ticket["serial_number"])
        eventually(lambda: linking.google.object(own).get("linkedObjectIds") == [other])


def test_an_iphone_adds_the_linked_pass_by_itself_and_gets_its_updates(linking: System) -> None:
    card, iphone = linking.enrol(), linking.iphone()
    with linking.working():
        iphone.open_link(card["links"]["card"])
        ticket = link(linking, card)
        iphone.open_link(ticket["links"]["card"])
        serial = ticket["serial_number"]
        assert {card["serial_number"], serial} == {
            row["serial_number"]
            for row in linking.rows("SELECT serial_number FROM cards c JOIN registrations r ON r.card_id = c.id")
        }
        link(linking, card, lines={"seat": "D 9"})
        eventually(lambda: _fetched(linking, serial))
        assert linking.card(serial)["face"]["seat"]["value"] == "D 9"
        assert "D 9" in str(iphone.shows(serial))
        timeline = linking.api.ok("GET", f"/cards/{serial}/timeline")
        assert [change["cause"] for change in timeline["changes"]] == ["linked", "linked"]
        version = linking.card(card["serial_number"])["version"]
        void = linking.api.ok("POST", f"/cards/{serial}/void")
        assert void["state"] == "void"
        assert linking.card(card["serial_number"])["state"] == "active"
        assert linking.card(card["serial_number"])["version"] == version
        eventually(lambda: _fetched(linking, serial))


def _fetched(system: System, serial: str) -> bool:
    shown = system.card(serial)
    return all(end["fetched_version"] == shown["version"] for end in shown["far_ends"] if end["kind"] == "apple")


def test_asked_again_it_is_the_same_pass(linking: System) -> None:
    card = linking.enrol()
    path = f"/cards/{card['serial_number']}/linked"
    first = linking.api("POST", path, TICKET)
    again = linking.api("POST", path, TICKET)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert linking.card(first.json()["serial_number"])["member_id"] == "M-1"
    assert linking.api("POST", path, TICKET | {"template": "voucher"}).status_code == 409
    assert len(linking.rows("SELECT FROM cards")) == 2
    assert linking.api.ok("GET", "/members/M-1")["serial_number"] == card["serial_number"]
    assert linking.api.ok("POST", "/members/M-1/card")["serial_number"] == card["serial_number"]


def test_item_52_the_fifty_first_is_refused_and_nothing_is_written(linking: System) -> None:
    card = linking.enrol()
    path = f"/cards/{card['serial_number']}/linked"
    for number in range(MOST_LINKS):
        link(linking, card, key=f"k{number}")
    before = linking.rows("SELECT id, version FROM cards ORDER BY id")
    refused = linking.api("POST", path, TICKET | {"key": "one-too-many"})
    assert refused.status_code == 422
    assert refused.json()["faults"][0]["code"] == "too_many_links"
    assert linking.rows("SELECT id, version FROM cards ORDER BY id") == before
    assert linking.api("POST", path, TICKET | {"key": "k3"}).status_code == 200
    assert linking.api.ok("GET", path)["left"] == 0


def test_item_52_what_cannot_be_linked_is_refused(linking: System) -> None:
    card = linking.enrol()
    ticket = link(linking, card)
    path = f"/cards/{card['serial_number']}/linked"
    assert linking.api("POST", f"/cards/{ticket['serial_number']}/linked", TICKET | {"key": "x"}).status_code == 409
    for template in ("points-card", "stamp-card"):
        answer = linking.api("POST", path, TICKET | {"key": "x", "template": template})
        assert (answer.status_code, answer.json()["faults"][0]["path"]) == (422, "template")
    assert linking.api("POST", "/cards/nobody/linked", TICKET).status_code == 404
    linking.api.ok("POST", f"/cards/{card['serial_number']}/void")
    assert linking.api("POST", path, TICKET | {"key": "x"}).status_code == 409
    assert len(linking.rows("SELECT FROM cards")) == 2


def _event(number: int, subject: str = "M-1", **said: Any) -> dict[str, Any]:
    envelope = {"specversion": "1.0", "id": f"e{number}", "source": "crm", "type": "pass.linked", "subject": subject}
    return envelope | {"data": TICKET | said}


def test_events_link_passes_as_the_call_does(linking: System) -> None:
    card, android = linking.enrol(), linking.android()
    batch = [
        _event(1),
        _event(2, key="bon", template="voucher", lines={}),
        _event(3, template="nowhere"),
        _event(4, subject="nobody"),
        _event(1),
        _event(5, lines={"seat": "E 1"}),
    ]
    with linking.working():
        android.open_link(card["links"]["card"])
        answer = linking.api(
            "POST", "/events", orjson.dumps(batch), Content_Type="application/cloudevents-batch+json"
        ).json()
        statuses = [one["status"] for one in answer["results"]]
        assert statuses == ["applied", "applied", "refused", "refused", "repeated", "applied"]
        assert [one["faults"][0]["path"] for one in answer["results"] if one["status"] == "refused"] == [
            "data",
            "subject",
        ]
        listed = linking.api.ok("GET", f"/cards/{card['serial_number']}/linked")["items"]
        assert [(one["key"], one["lines"]) for one in listed] == [("gala", {"seat": "E 1"}), ("bon", {})]
        android.wait_until(lambda phone: len(phone.object_ids) == 3, 60)
    single = linking.api(
        "POST", "/events", _event(6, key="y", template="nowhere"), Content_Type="application/cloudevents+json"
    )
    assert (single.status_code, single.json()["faults"][0]["path"]) == (422, "data.template")


def test_each_is_composed_with_its_own_design(linking: System) -> None:
    card = linking.enrol(favourite_store_id="lyon")
    linking.api.ok("PUT", "/stores/lyon", {"name": "Lyon", "latitude": 45.76, "longitude": 4.83})
    voucher = link(linking, card, key="bon", template="voucher")
    ticket = link(linking, card, amount={"amount": 1500, "currency": "EUR"})
    due = {"code": "BA-1", "amount": {"amount": 1000, "currency": "EUR"}}
    linking.api.ok("PUT", "/members/M-1/balances", {"sequence": 1, "points": 12, "vouchers": [due]})
    faces = [linking.card(one["serial_number"])["face"] for one in (card, voucher, ticket)]
    assert "points" in faces[0]
    assert "seat" not in faces[1]
    assert faces[1]["amount"]["value"].startswith("10,00")
    assert faces[2]["seat"]["value"] == "B 7"
    assert faces[2]["worth"]["value"].startswith("15,00")
    with linking.working():
        eventually(lambda: linking.card(card["serial_number"])["places"])
        eventually(lambda: not linking.rows("SELECT FROM campaigns WHERE finished_at IS NULL"))
    assert linking.card(ticket["serial_number"])["places"] == [], "it does not come forward beside the card"


def test_a_new_version_of_a_linked_design_reaches_its_passes_alone(linking: System) -> None:
    card = linking.enrol()
    ticket = link(linking, card)
    versions = [linking.card(one["serial_number"])["version"] for one in (card, ticket)]
    document = linking.services.settings.templates_dir / "ticket" / "template.toml"
    before = document.read_text(encoding="utf-8")
    document.write_text(before.replace("or 'free'", "~ ' !'"), encoding="utf-8")
    assert apply_linked(linking, "voucher", "ticket") == ("template ticket has a new version",)
    assert apply_linked(linking, "voucher", "ticket") == ()
    with linking.working():
        eventually(lambda: linking.card(ticket["serial_number"])["face"]["seat"]["value"] == "B 7 !")
    assert linking.card(card["serial_number"])["version"] == versions[0]
    assert apply_linked(linking, "voucher") == ("linked_templates changed",)
    path = f"/cards/{card['serial_number']}/linked"
    assert linking.api("POST", path, TICKET | {"key": "new"}).status_code == 422
    assert link(linking, card, lines={"seat": "F"})["serial_number"] == ticket["serial_number"]
    assert linking.card(ticket["serial_number"])["face"]["seat"]["value"] == "F !"


def test_a_linked_design_of_another_kind_contradicts_what_is_at_google(linking: System) -> None:
    card, android = linking.enrol(), linking.android()
    with linking.working():
        android.open_link(card["links"]["card"])
        link(linking, card)
        android.wait_until(lambda phone: len(phone.object_ids) == 2, 60)
    document = linking.services.settings.templates_dir / "ticket" / "template.toml"
    before = document.read_text(encoding="utf-8")
    document.write_text(before.replace('style = "coupon"', 'style = "generic"'), encoding="utf-8")
    with pytest.raises(Conflict, match="the style of ticket makes generic objects at Google, and 1 passes are offer"):
        apply_linked(linking, "voucher", "ticket")


def test_a_card_cannot_be_linked_in_its_own_design(linking: System) -> None:
    with pytest.raises(Invalid, match="own design"):
        apply_linked(linking, "points-card")
    with pytest.raises(Invalid, match="linked_templates\\[1\\]"):
        apply_linked(linking, "voucher", "nowhere")


@pytest.mark.parametrize("hung", [False, True], ids=["made", "hung"])
def test_a_crash_between_making_and_hanging_loses_neither(linking: System, hung: bool) -> None:
    """The worker dies as soon as Google has the pass, or as soon as the card's object has it at Google."""
    card, android = linking.enrol(), linking.android()
    with linking.working():
        android.open_link(card["links"]["card"])
        eventually(lambda: at_rest(linking))
    other, own = object_of(linking, link(linking, card)["serial_number"]), object_of(linking, card["serial_number"])

    def reached() -> bool:
        return _exists(linking, other) and (not hung or "linkedObjectIds" in linking.google.object(own))

    worker = linking.worker_process()
    eventually(reached)
    worker.kill()
    worker.wait()
    linking.clock.advance(2 * linking.services.settings.lease)
    with linking.working():
        android.wait_until(lambda phone: set(phone.object_ids) == {own, other}, 60)
        eventually(lambda: at_rest(linking))
    assert linking.google.object(own)["linkedObjectIds"] == [other]


def test_a_pass_that_is_linked_while_its_card_is_being_told_is_not_forgotten(linking: System) -> None:
    """The card's object is claimed, with what it holds then; the pass comes to Google before that is settled."""
    card, android = linking.enrol(), linking.android()
    with linking.working():
        android.open_link(card["links"]["card"])
        eventually(lambda: at_rest(linking))
    linking.set_points("M-1", 5, sequence=1)
    other, own = object_of(linking, link(linking, card)["serial_number"]), object_of(linking, card["serial_number"])
    with linking.working():
        eventually(lambda: at_rest(linking) and linking.google.object(own).get("linkedObjectIds") == [other])
    with linking.services.sessions.begin() as db:
        pks = {row["object_id"]: row["id"] for row in linking.rows("SELECT id, object_id FROM google_objects")}
        db.execute(text("UPDATE google_objects SET linked_ids = '{}' WHERE id = :id"), {"id": pks[own]})
        db.execute(text("UPDATE deliveries SET claim = 'x' WHERE google_object_id = :id"), {"id": pks[own]})
        link_told(db, [_told(other, pks[other])], now=linking.clock())
    assert at_rest(linking), "a claimed row is not made due"
    with linking.services.sessions.begin() as db:
        db.execute(text("UPDATE deliveries SET claim = NULL WHERE google_object_id = :id"), {"id": pks[own]})
        link_told(db, [_told(own, pks[own])], now=linking.clock())
    assert not at_rest(linking), "it was told without the link, so it is told again"


def _told(object_id: str, object_pk: int) -> ObjectUpdate:
    """What was claimed of an object that had no links then."""
    return ObjectUpdate(delivery_id=0, far_end=object_id, version=1, card=card_view(), object_pk=object_pk)


def _exists(system: System, object_id: str) -> bool:
    try:
        return bool(system.google.object(object_id))
    except NotFound:
        return False


def test_erasure_takes_the_linked_passes_along(linking: System) -> None:
    card, iphone, android = linking.enrol(), linking.iphone(), linking.android()
    with linking.working():
        ticket = link(linking, card, lines={"seat": "Claire Moreau, B 7"})
        iphone.open_link(ticket["links"]["card"])
        android.open_link(card["links"]["card"])
        android.wait_until(lambda phone: len(phone.object_ids) == 2, 60)
        other = object_of(linking, ticket["serial_number"])
        linking.api.ok("DELETE", "/members/M-1")
        eventually(lambda: at_rest(linking) and _fetched(linking, ticket["serial_number"]))
        assert linking.google.object(other)["state"] == "INACTIVE"
        assert "Claire" not in str(linking.google.object(other))
        for one in (card, ticket):
            shown = linking.card(one["serial_number"])
            assert (shown["state"], shown["member_id"], shown["face"]) == ("void", None, {})
    left = "SELECT c::text AS row FROM cards c UNION ALL SELECT k::text FROM idempotency_keys k"
    assert not [row for row in linking.rows(left) if "Claire" in row["row"] or "gala" in row["row"]]
    path = f"/cards/{card['serial_number']}/linked"
    assert [linking.api(method, path, TICKET).status_code for method in ("GET", "POST")] == [410, 410]
    later = linking.clock() + linking.services.settings.lease * 2000
    longest = linking.services.settings.lease * 100_000
    assert forget_tombstones(linking.services.sessions, longest=longest, now=later, stopping=lambda: False) == 1
    assert linking.rows("SELECT FROM cards") == []


def test_a_tombstone_waits_for_the_phone_that_has_the_linked_pass(linking: System) -> None:
    card, iphone = linking.enrol(), linking.iphone()
    iphone.open_link(link(linking, card)["links"]["card"])
    linking.api.ok("DELETE", "/members/M-1")
    later = linking.clock() + linking.services.settings.lease * 2000
    longest = linking.services.settings.lease * 100_000
    assert forget_tombstones(linking.services.sessions, longest=longest, now=later, stopping=lambda: False) == 0
    assert len(linking.rows("SELECT FROM cards")) == 2


KEYS = st.lists(st.sampled_from([f"k{number}" for number in range(6)]), min_size=1, max_size=12)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=KEYS, seats=st.lists(st.sampled_from(["A", "B", "Ç 3"]), min_size=12, max_size=12))
def test_however_often_it_is_said_each_key_is_one_pass_that_shows_the_last_word(
    linking: System, keys: list[str], seats: list[str]
) -> None:
    number = len(linking.rows("SELECT FROM members"))
    card = linking.enrol(f"P-{number}")
    for key, seat in zip(keys, seats, strict=False):
        link(linking, card, key=key, lines={"seat": seat})
    said = dict(zip(keys, seats, strict=False))
    items = linking.api.ok("GET", f"/cards/{card['serial_number']}/linked")["items"]
    assert {one["key"]: one["lines"]["seat"] for one in items} == said
    assert len(items) == len(said)
    shown = {one["key"]: linking.card(one["serial_number"])["face"]["seat"]["value"] for one in items}
    assert shown == said
