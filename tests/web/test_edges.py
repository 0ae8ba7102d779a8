"""What strangers send through each way in, and that one bad thing harms nothing else. Letters and numbers are the
points of issue 10.
"""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
import requests

from tests.system import System
from tests.web.test_api import EVENT, STORE, faults
from wallet_service.web.apple_service import MOST_DEVICES

BATCH = {"Content_Type": "application/cloudevents-batch+json"}
VOUCHER = {"code": "B-1", "amount": {"amount": 500, "currency": "EUR"}}


def voucher_event(until: Any, **envelope: Any) -> dict[str, Any]:
    data = {"sequence": 1, "vouchers": [VOUCHER | {"valid_until": until}]}
    return EVENT | {"data": data} | envelope


def test_a_vouchers_day_ends_in_the_programmes_zone(system: System) -> None:
    """A1: with a card, without one, and in a batch."""
    system.enrol()
    system.api.ok("PUT", "/members/M-2", {"first_name": "Ada"})
    for member in ("M-1", "M-2"):
        data = {"sequence": 1, "vouchers": [VOUCHER | {"valid_until": "2031-07-31"}]}
        system.api.ok("PUT", f"/members/{member}/balances", data)
        (voucher,) = system.api.ok("GET", f"/members/{member}")["balances"]["vouchers"]
        assert voucher["valid_until"] == "2031-07-31T21:59:59Z"
    assert system.api("POST", "/members/M-2/card").status_code == 201
    face = system.rows("SELECT recompose_at::text FROM cards")
    assert {row["recompose_at"] for row in face} == {"2031-07-31 21:59:59+00"}


@pytest.mark.parametrize("until", ["2031-12-31T10:00:00", "9999-12-31T23:59:59Z", 1764234000, "soon"])
def test_a_wrong_end_is_refused_and_takes_no_batch_along(system: System, until: Any) -> None:
    """A1."""
    system.enrol()
    system.api.ok("PUT", "/members/M-2", {"first_name": "Ada"})
    events = [voucher_event(until, id="a"), EVENT | {"id": "b", "subject": "M-2", "data": {"sequence": 1, "points": 7}}]
    answer = system.api("POST", "/events", events, **BATCH)
    assert [one["status"] for one in answer.json()["results"]] == ["refused", "applied"]
    assert answer.json()["results"][0]["faults"][0]["path"] == "data.vouchers[0].valid_until"
    assert system.api.ok("GET", "/members/M-2")["balances"]["points"] == 7
    alone = system.api("PUT", "/members/M-1/balances", voucher_event(until)["data"])
    assert (alone.status_code, [*faults(alone)]) == (422, ["vouchers[0].valid_until"])
    assert system.api("DELETE", "/members/M-1").status_code == 204


def test_the_ends_of_the_calendar_in_an_offer(system: System) -> None:
    """A1: what is stored can be listed."""
    offer = {"code": "a", "title": "x", "starts_at": "1970-01-01T00:00:00+14:00", "ends_at": "2999-12-31T23:59:59Z"}
    assert system.api("POST", "/offers", offer).status_code == 422
    offer |= {"starts_at": "1970-01-01T00:00:00Z"}
    made = system.api.ok("POST", "/offers", offer)
    for end in ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"):
        answer = system.api("POST", "/offers", offer | {"code": "b", "ends_at": end})
        assert [*faults(answer)] == ["ends_at"]
    assert system.api("POST", f"/offers/{made['id']}/publish").status_code == 200
    assert len(system.api.ok("GET", "/offers")["items"]) == 1
    system.enrol()
    assert system.api.ok("GET", "/members/M-1")["serial_number"]


def test_a_local_time_that_clocks_jump_over_is_said(system: System) -> None:
    """A1."""
    offer = {"code": "a", "title": "x", "starts_at_local": "2027-03-28T02:30", "ends_at_local": "2027-03-29T10:00"}
    answer = system.api("POST", "/offers", offer)
    assert answer.json()["faults"][0]["code"] == "local_time_does_not_exist"
    assert [*faults(answer)] == ["starts_at_local"]


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        (b'{"first_name": "a\\u0000b"}', 422, "first_name"),
        (b'{"attributes": {"x": ["a\\u0000"]}}', 422, "attributes.x[0]"),
        (b'{"attributes": {"nickname": "Ada \\ud83d"}}', 422, "attributes.nickname"),
        (b'{"attributes": {"\\ud83d": 1}}', 422, "attributes.\\ud83d"),
        (b'{"attributes": {"x": NaN}}', 400, "attributes.x"),
        (b'{"attributes": {"x": 9223372036854775808}}', 422, "attributes.x"),
        (b'{"attributes": ' + b"[" * 300 + b"]" * 300 + b"}", 400, "attributes" + "[0]" * 31),
        (b'{"first_name": "a", "first_name": "b"}', 400, "first_name"),
        (b'"{}"', 422, ""),
        (b"[]", 422, ""),
        (b"{", 400, ""),
        (b"\xff", 400, ""),
    ],
)
def test_a_body_that_cannot_be_kept_is_refused_with_its_path(
    system: System, body: bytes, status: int, path: str
) -> None:
    """A2, by each way in: a document, an event, a batch, lines."""
    answer = system.api("PUT", "/members/M-1", body)
    assert (answer.status_code, next(iter(faults(answer)))) == (status, path)
    assert system.api("GET", "/members/M-1").status_code == 404
    event = json.dumps(EVENT | {"type": "member.updated", "subject": "M-1", "data": 0}).encode()
    wrapped = event.replace(b'"data": 0', b'"data": ' + body)
    assert system.api("POST", "/events", wrapped).status_code in (400, 422)
    good = json.dumps(EVENT | {"id": "g", "type": "member.updated", "subject": "M-2", "data": {}}).encode()
    lines = system.api("POST", "/events", wrapped + b"\n" + good, Content_Type="application/x-ndjson")
    assert [one["status"] for one in lines.json()["results"]] == ["refused", "applied"]
    if b"{" != body != b"\xff":  # what is no JSON at all takes its array along
        good = good.replace(b'"g"', b'"h"')
        batch = system.api("POST", "/events", b"[" + wrapped + b"," + good + b"]", **BATCH)
        assert [one["status"] for one in batch.json()["results"]] == ["refused", "applied"]
    assert system.api("GET", "/members/M-1").status_code == 404


def test_another_content_type_is_415(system: System) -> None:
    """A4."""
    assert (
        system.api("PUT", "/members/M-1", b"a=1", Content_Type="application/x-www-form-urlencoded").status_code == 415
    )


@pytest.mark.parametrize("name", ["%FF", "%FE", "%C3", "%00"])
def test_an_id_that_is_not_utf8_is_nobody(system: System, name: str) -> None:
    """A3."""
    assert system.api("PUT", f"/members/{name}", {"first_name": "Ada"}).status_code == 404
    assert system.rows("SELECT FROM members") == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/members/M-1", {"attributes": {f"k{number}": 1 for number in range(201)}}),
        ("/members/M-1", {"attributes": {"x": "y" * 17_000}}),
        ("/stores/s", STORE | {"groups": [f"g{number}" for number in range(101)]}),
        ("/members/M-1/balances", {"sequence": 1, "lines": {f"k{number}": "x" for number in range(101)}}),
    ],
)
def test_free_forms_have_limits(system: System, path: str, body: Any) -> None:
    """A4."""
    system.enrol()
    assert system.api("PUT", path, body).status_code == 422


def test_too_many_stores_are_no_matter_of_time(system: System) -> None:
    """A4: a permanent fault is never told as temporary."""
    span = {"starts_at": "2026-12-01T09:00:00Z", "ends_at": "2026-12-02T09:00:00Z"}
    offer = {"code": "a", "title": "x", "store_ids": [f"s{number}" for number in range(66_000)]} | span
    answer = system.api("POST", "/offers", offer)
    assert (answer.status_code, [*faults(answer)]) == (422, ["store_ids"])
    assert system.api("POST", "/offers", offer | {"store_ids": offer["store_ids"][:10_000]}).status_code == 422


def test_large_bodies_are_refused_in_the_words_of_each_audience(system: System) -> None:
    """A4."""
    api = system.api("PUT", "/members/M-1", b'{"first_name": "' + b"x" * 2**21 + b'"}')
    assert (api.status_code, api.headers["Content-Type"]) == (413, "application/problem+json")
    serial = system.enrol()["serial_number"]
    registration = f"{system.url}/apple/v1/devices/d/registrations/pass.example.lumiere/{serial}"
    phone = requests.post(registration, data=b"x" * 70_000, headers={"Authorization": "ApplePass x"}, timeout=30)
    assert (phone.status_code, phone.content) == (413, b"")


def test_one_event_that_fails_for_our_reason_is_its_own_refusal(system: System) -> None:
    """B6: the database refuses one write for a reason that the event has nothing to do with."""
    system.enrol("M-1")
    system.enrol("M-2")
    with system.services.sessions.begin() as db:
        db.connection().exec_driver_sql(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF NEW.points = 13 THEN RAISE EXCEPTION 'a fault of ours'; END IF; RETURN NEW; END $$"
        )
        db.connection().exec_driver_sql(
            "CREATE TRIGGER fail BEFORE UPDATE ON balances FOR EACH ROW EXECUTE FUNCTION fail()"
        )
    events = [
        EVENT | {"id": "a", "data": {"sequence": 1, "points": 13}},
        EVENT | {"id": "b", "subject": "M-2", "data": {"sequence": 1, "points": 8}},
        EVENT | {"id": "c", "data": {"sequence": 2, "points": 9}},
        "no event",
    ]
    answer = system.api("POST", "/events", events, **BATCH)
    results = answer.json()["results"]
    assert answer.status_code == 207
    assert [one["status"] for one in results] == ["refused", "applied", "applied", "refused"]
    assert results[0]["faults"][0]["code"] == "internal"
    assert system.api.ok("GET", "/members/M-1")["balances"]["points"] == 9
    again = system.api("POST", "/events", events[:2], **BATCH).json()["results"]
    assert [one["status"] for one in again] == ["ignored", "repeated"]  # else the first were a repeat


def test_the_same_id_with_other_content_is_a_conflict(system: System) -> None:
    """C14."""
    system.enrol()
    system.api.ok("POST", "/events", EVENT)
    assert system.api.ok("POST", "/events", EVENT | {"time": "2026-11-20T10:00:00Z"})["status"] == "repeated"
    other = system.api("POST", "/events", EVENT | {"data": {"sequence": 2, "points": 6}})
    assert (other.status_code, other.json()["faults"][0]["code"]) == (422, "conflict")
    assert system.api.ok("GET", "/members/M-1")["balances"]["points"] == 5
    with system.services.sessions.begin() as db:  # as a release before kept it
        db.connection().exec_driver_sql("UPDATE inbox_events SET digest = NULL")
    assert system.api.ok("POST", "/events", EVENT | {"data": {"sequence": 2}})["status"] == "repeated"


def test_sequences_and_instants_are_not_mixed(system: System) -> None:
    """C14."""
    system.enrol()
    system.set_points("M-1", 5, 7)
    mixed = system.api("PUT", "/members/M-1/balances", {"as_of": "2026-11-20T10:00:00Z", "points": 6})
    assert (mixed.status_code, "in the order of sequence" in mixed.json()["detail"]) == (409, True)
    event = system.api("POST", "/events", EVENT | {"data": {"as_of": "2026-11-20T10:00:00Z", "points": 6}})
    assert event.json()["faults"][0]["code"] == "conflict"
    assert system.api.ok("GET", "/members/M-1")["balances"]["points"] == 5


def test_a_balance_never_leaves_what_wallets_carry(system: System) -> None:
    """A2: by adding, too."""
    with system.services.sessions.begin() as db:
        db.connection().exec_driver_sql('UPDATE programs SET document = document || \'{"master": "builtin"}\'')
    system.enrol()
    data = {"points": 2**53 - 1, "reason": "x"}
    assert system.api("POST", "/events", EVENT | {"type": "points.adjusted", "data": data}).status_code == 202
    beyond = system.api("POST", "/events", EVENT | {"id": "2", "type": "points.adjusted", "data": data})
    assert (beyond.status_code, [*faults(beyond)]) == (422, ["data.points"])


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 01 Jan 0001 00:00:00 +2359",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 01 Jan 0001 00:00:00 GMT",
    ],
)
def test_modified_since_beyond_the_calendar_is_a_date_like_any_other(system: System, date: str) -> None:
    """A1."""
    serial = system.enrol()["serial_number"]
    (card,) = system.rows("SELECT auth_token FROM cards")
    headers = {"Authorization": f"ApplePass {card['auth_token']}", "If-Modified-Since": date}
    answer = requests.get(f"{system.url}/apple/v1/passes/pass.example.lumiere/{serial}", headers=headers, timeout=30)
    assert answer.status_code == 200


def test_an_empty_batch_is_taken_in(system: System) -> None:
    """E20: `[]` to /events, as documented."""
    answer = system.api("POST", "/events", b"[]", **BATCH)
    assert (answer.status_code, answer.json()) == (202, {"results": [], "refused": 0})


def test_a_card_has_so_many_devices_and_no_more(system: System) -> None:
    """A4: registrations of one card, and the ids of devices."""
    serial = system.enrol()["serial_number"]
    (card,) = system.rows("SELECT auth_token FROM cards")

    def register(device: str) -> int:
        path = f"{system.url}/apple/v1/devices/{device}/registrations/pass.example.lumiere/{serial}"
        headers = {"Authorization": f"ApplePass {card['auth_token']}"}
        return requests.post(path, json={"pushToken": "ab" * 32}, headers=headers, timeout=30).status_code

    assert [register(f"d{number}") for number in range(MOST_DEVICES)] == [201] * MOST_DEVICES
    assert [register("d0"), register("another"), register("x" * 256)] == [200, 400, 400]


def test_a_design_that_is_rolled_back_is_said(system: System) -> None:
    """Issue 10, point 17."""
    designs = system.folder / "designs"
    shutil.copytree(system.services.settings.templates_dir, designs)
    design = designs / "points-card" / "template.toml"
    first = design.read_text("utf-8")

    def apply() -> tuple[str, ...]:
        return system.apply(templates_dir=designs).changes

    assert apply() == ()
    design.write_text(first + "\n# another edition\n", "utf-8")
    assert "template points-card has a new version" in apply()
    design.write_text(first, "utf-8")
    assert apply() == ("template points-card is another version than before",)
    assert apply() == ()
