"""The JSON API: what it does, and the words in which it refuses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
import requests

from tests.conftest import OpenSystem
from tests.system import Api, System, eventually
from wallet_service.errors import Invalid
from wallet_service.web.api.callers import create_key

MEMBER = {"first_name": "Claire", "last_name": "Moreau", "email": "claire@example.com"}
STORE = {"name": "Maison Lumière Lyon", "latitude": 45.75, "longitude": 4.85, "address": {"country": "FR"}}
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "crm",
    "type": "balances.set",
    "subject": "M-1",
    "data": {"sequence": 1, "points": 5},
}


def faults(answer: requests.Response) -> dict[str, str]:
    """The faults of a refusal, by path."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    assert answer.json()["status"] == answer.status_code
    return {fault["path"]: fault["message"] for fault in answer.json().get("faults", [])}


def test_a_member_from_creation_to_erasure(system: System) -> None:
    assert system.api("PUT", "/members/M-1", MEMBER).status_code == 201
    assert system.api("PUT", "/members/M-1", {"last_name": None}).status_code == 200
    member = system.api.ok("GET", "/members/M-1")
    assert (member["first_name"], member["last_name"], member["email"]) == ("Claire", None, "claire@example.com")
    assert system.api("POST", "/members/M-1/card").status_code == 201
    again = system.api("POST", "/members/M-1/card")
    assert again.status_code == 200
    assert again.json()["serial_number"] == system.api.ok("GET", "/members/M-1")["serial_number"]
    assert system.api("DELETE", "/members/M-1").status_code == 204
    assert system.api("GET", "/members/M-1").status_code == 404
    assert system.rows("SELECT FROM members WHERE first_name IS NOT NULL") == []


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        ({"frist_name": "Claire"}, "frist_name", "unknown field"),
        ({"email": "nobody"}, "email", "match pattern"),
        ({"locale": "french"}, "locale", "BCP 47"),
        ({"home": {"latitude": 145.0, "longitude": 4.0}}, "home.latitude", "less than or equal to 90"),
        ({"home": {"latitude": 2.35, "longitude": 48.85}}, "home.latitude", "swapped"),
        ({"birthday": "21/11/1990"}, "birthday", "2026-12-31"),
        ({"consents": {"marketing": {"given": "perhaps"}}}, "consents.marketing.given", ""),
    ],
)
def test_a_wrong_member_is_refused_with_the_path(system: System, body: Any, path: str, words: str) -> None:
    answer = system.api("PUT", "/members/M-1", body)
    found = faults(answer)
    assert answer.status_code == 422
    assert any(name.startswith(path) and words in message for name, message in found.items()), found
    assert system.api("GET", "/members/M-1").status_code == 404


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"specversion": "0.3"}, "specversion", "'1.0'"),
        ({"id": None}, "id", "string"),
        ({"subject": None}, "subject", "string"),
        ({"type": "balance.set"}, "type", "known are balances.set"),
        ({"time": "yesterday"}, "time", "RFC 3339"),
        ({"data": {"points": 5}}, "data.sequence", "sequence or as_of"),
        ({"data": {"sequence": 1, "points": "five"}}, "data.points", "integer"),
        ({"data": {"sequence": 1, "pionts": 5}}, "data.pionts", "unknown field"),
        ({"data": {"sequence": 1, "vouchers": [{"amount": 5}]}}, "data.vouchers[0].code", "required"),
        ({"subject": "M-404"}, "subject", "no member 'M-404'"),
    ],
)
def test_a_malformed_event_is_refused_with_the_path(system: System, change: Any, path: str, words: str) -> None:
    system.enrol()
    answer = system.api("POST", "/events", EVENT | change)
    assert answer.status_code == 422
    assert words in faults(answer)[path]
    assert system.rows("SELECT FROM inbox_events") == []
    assert system.api.ok("GET", "/members/M-1")["balances"]["points"] is None


def test_a_refused_event_of_a_batch_leaves_the_others(system: System) -> None:
    system.enrol()
    batch = [EVENT | {"id": "a", "subject": "M-404"}, EVENT | {"id": "b"}, "no event", EVENT | {"id": "c", "data": {}}]
    answer = system.api("POST", "/events", batch, Content_Type="application/cloudevents-batch+json")
    assert answer.status_code == 207
    assert [one["status"] for one in answer.json()["results"]] == ["refused", "applied", "refused", "refused"]
    assert answer.json()["refused"] == 3
    assert system.api.ok("GET", "/members/M-1")["balances"]["points"] == 5


def test_a_line_that_is_not_json_leaves_the_others(system: System) -> None:
    system.enrol()
    lines = orjson.dumps(EVENT) + b"\nno json\n"
    answer = system.api("POST", "/events", lines, Content_Type="application/x-ndjson")
    assert answer.status_code == 207
    assert [one["status"] for one in answer.json()["results"]] == ["applied", "refused"]


def test_an_event_in_binary_mode(system: System) -> None:
    system.enrol()
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "crm",
        "ce-type": "balances.set",
        "ce-subject": "M-1",
    }
    answer = system.api("POST", "/events", {"sequence": 1, "points": 9}, **headers)
    assert (answer.status_code, answer.json()["status"]) == (202, "applied")


def test_an_event_may_bring_a_new_member(system: System) -> None:
    event = EVENT | {"type": "member.updated", "subject": "M-9", "data": MEMBER}
    assert system.api.ok("POST", "/events", event)["status"] == "applied"
    assert system.api.ok("GET", "/members/M-9")["first_name"] == "Claire"


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/cloudevents+json", 400),
        (b"{}", "application/cloudevents-batch+json", 422),
        (b"<event/>", "application/xml", 415),
    ],
)
def test_a_body_that_is_not_what_it_says(system: System, body: bytes, content_type: str, status: int) -> None:
    answer = system.api("POST", "/events", body, Content_Type=content_type)
    assert answer.status_code == status
    assert faults(answer)


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"latitude": 4.85, "longitude": 45.75}, "latitude", "swapped"),
        ({"latitude": 91}, "latitude", "less than or equal to 90"),
        ({"time_zone": "Europe/Lyon"}, "time_zone", "Europe/Paris"),
        ({"beacons": [{"uuid": "x"}]}, "beacons[0].uuid", "pattern"),
    ],
)
def test_a_wrong_store_is_refused_with_the_path(system: System, change: Any, path: str, words: str) -> None:
    answer = system.api("PUT", "/stores/lyon", STORE | change)
    assert answer.status_code == 422
    assert words in faults(answer)[path]


def test_stores_by_page(system: System) -> None:
    for number in range(5):
        assert system.api("PUT", f"/stores/s{number}", STORE).status_code == 201
    assert system.api("PUT", "/stores/s0", STORE).status_code == 200
    first = system.api.ok("GET", "/stores?limit=3")
    second = system.api.ok("GET", f"/stores?limit=3&after={first['next']}")
    assert [store["store_id"] for store in first["items"] + second["items"]] == ["s0", "s1", "s2", "s3", "s4"]
    assert second["next"] is None
    assert system.api("DELETE", "/stores/s4").status_code == 204
    assert system.api("GET", "/stores/s4").status_code == 404


@pytest.mark.parametrize(
    ("change", "path", "words"),
    [
        ({"store_ids": ["lyon", "nice"]}, "store_ids[1]", "no store 'nice'"),
        ({"ends_at": "2026-11-01T09:00:00+01:00"}, "ends_at", "not after"),
        ({"starts_at": None}, "starts_at", "starts_at"),
        ({"starts_at": "2026-12-01T09:00:00"}, "starts_at", "RFC 3339"),
        ({"proximity_text": "x" * 101}, "proximity_text.fr", "100"),
        ({"proximity_text": {"fr": "Chez Maison Lumière"}}, "proximity_text.fr", "brand"),
        ({"proximity_text": "deux\nlignes"}, "proximity_text.fr", "line break"),
        ({"radius_m": 5000}, "radius_m", "1000"),
        ({"radius_m": 500}, "radius_m", "is more than the 100 m at which these cards come forward"),
    ],
)
def test_a_wrong_offer_is_refused_with_the_path(system: System, change: Any, path: str, words: str) -> None:
    """Checklist 87 of apple-wallet.md for the texts."""
    system.api.ok("PUT", "/stores/lyon", STORE)
    offer = {
        "code": "maille",
        "title": "−20 %",
        "store_ids": ["lyon"],
        "starts_at": "2026-12-01T09:00:00+01:00",
        "ends_at": "2026-12-08T19:00:00+01:00",
    }
    answer = system.api("POST", "/offers", offer | change)
    assert answer.status_code == 422
    assert words in faults(answer)[path]


@pytest.mark.parametrize(
    ("text", "words"),
    [("x" * 101, "100"), ({"fr": "Chez Maison Lumière"}, "brand"), ("deux\nlignes", "line break")],
)
def test_a_stores_text_obeys_the_limits_of_an_offers(system: System, text: Any, words: str) -> None:
    """C13, checklist 87: it is shown at the same place."""
    answer = system.api("PUT", "/stores/lyon", STORE | {"proximity_text": text})
    assert answer.status_code == 422
    assert words in faults(answer)["proximity_text.fr"]
    assert system.api("GET", "/stores/lyon").status_code == 404


def test_an_offer_in_the_stores_own_time(system: System) -> None:
    system.api.ok("PUT", "/stores/reunion", STORE | {"time_zone": "Indian/Reunion", "address": {}})
    offer = system.api.ok(
        "POST",
        "/offers",
        {
            "code": "ete",
            "title": "Été",
            "store_ids": ["reunion"],
            "starts_at_local": "2026-12-01T09:00:00",
            "ends_at_local": "2026-12-01T19:00:00",
        },
    )
    assert (offer["starts_at"], offer["ends_at"]) == ("2026-12-01T05:00:00Z", "2026-12-01T15:00:00Z")
    assert offer["state"] == "draft"
    assert system.api("POST", f"/offers/{offer['id']}/publish").json()["state"] == "scheduled"
    assert system.api("POST", f"/offers/{offer['id']}/cancel").json()["state"] == "cancelled"
    assert system.api("POST", f"/offers/{offer['id']}/publish").status_code == 409


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wk_nothing"}, {"Authorization": "Basic eDp5"}])
def test_no_key_no_answer(system: System, header: dict[str, str]) -> None:
    answer = requests.get(f"{system.url}/api/v1/members/M-1", headers=header, timeout=30)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["title"] == "Unauthorized"


def test_a_key_may_do_what_its_role_may(system: System) -> None:
    with system.services.sessions.begin() as db:
        key = create_key(db, "lumiere", "till 3", role="till", now=system.clock())
    system.api.key = key
    answer = system.api("PUT", "/members/M-1", MEMBER)
    assert answer.status_code == 403
    assert "till" in answer.json()["detail"]


def key_for(system: System, role: str, **more: Any) -> None:
    """Go on with a key of that role."""
    with system.services.sessions.begin() as db:
        system.api.key = create_key(db, "lumiere", role, role=role, now=system.clock(), **more)


def test_a_till_reports_purchases_and_nothing_else(system: System) -> None:
    system.enrol()
    key_for(system, "till")
    assert system.api("POST", "/events", EVENT).status_code == 403
    purchase = {"order_id": "1", "paid": {"amount": 100, "currency": "EUR"}}
    assert system.api("POST", "/events", EVENT | {"type": "purchase.completed", "data": purchase}).status_code == 202


def test_scopes_narrow_a_role_and_never_widen_it(system: System) -> None:
    system.enrol()
    with pytest.raises(Invalid, match="the role till has no members"):
        key_for(system, "till", scopes=("members", "read"))
    key_for(system, "till", scopes=("read",))
    assert system.api("GET", "/members/M-1").status_code == 200
    assert system.api("DELETE", "/members/M-1").status_code == 403
    assert system.api("POST", "/events", EVENT).status_code == 403


def test_a_stores_key_makes_offers_for_its_store_alone(system: System) -> None:
    for store in ("lyon", "paris"):
        system.api.ok("PUT", f"/stores/{store}", STORE)
    key_for(system, "store", store_id="lyon")
    span = {"starts_at": "2026-12-01T09:00:00+01:00", "ends_at": "2026-12-08T19:00:00+01:00"}
    for code, store_ids, status in (("a", ["lyon"], 201), ("b", ["paris"], 403), ("c", [], 403)):
        offer = {"code": code, "title": "x", "store_ids": store_ids} | span
        assert system.api("POST", "/offers", offer).status_code == status


def test_a_tills_key_of_a_store_reports_purchases_of_that_store_alone(system: System) -> None:
    system.enrol()
    system.api.ok("PUT", "/stores/lyon", STORE)
    key_for(system, "till", store_id="lyon")
    purchase: dict[str, Any] = {"order_id": "1", "paid": {"amount": 100, "currency": "EUR"}}
    for more, status in (({}, 403), ({"store_id": "paris"}, 403), ({"store_id": "lyon"}, 202)):
        event = EVENT | {"type": "purchase.completed", "data": purchase | more}
        assert system.api("POST", "/events", event).status_code == status


def test_a_nul_is_refused_and_harms_nothing_else(system: System) -> None:
    system.enrol()
    assert system.api("PUT", "/members/M-1", b'{"first_name": "a\\u0000b"}').status_code == 422
    assert system.api("PUT", "/members/M-1", {"attributes": {"x": ["a\0"]}}).status_code == 422
    assert requests.get(f"{system.url}/c/%00", timeout=30).status_code == 404
    assert system.api("GET", "/members/%00").status_code == 404
    huge = b'{"sequence": 1, "cashback": {"amount": 10000000000000000000000000, "currency": "EUR"}}'
    assert system.api("PUT", "/members/M-1/balances", huge).status_code == 422


def test_a_delete_under_an_idempotency_key(system: System) -> None:
    system.enrol()
    first, second = (system.api("DELETE", "/members/M-1", Idempotency_Key="d-1") for _ in range(2))
    assert (first.status_code, second.status_code, second.content) == (204, 204, b"")
    assert system.api("GET", "/members/M-1").status_code == 404


def test_erasing_a_member_erases_what_was_received(system: System) -> None:
    system.api("PUT", "/members/M-1", MEMBER, Idempotency_Key="k-9")
    system.api.ok("POST", "/events", EVENT)
    system.api("DELETE", "/members/M-1")
    assert system.rows("SELECT type, subject, event_id FROM inbox_events") == [
        {"type": "", "subject": "", "event_id": EVENT["id"]}
    ]
    assert system.rows("SELECT status, answer FROM idempotency_keys") == [{"status": 410, "answer": None}]


def test_concurrent_purchases_all_count(open_system: OpenSystem) -> None:
    """A statement that waits for a lock has read the rest before it waited: balances are read afterwards."""
    system = open_system(master="builtin")
    system.enrol()
    paid = {"amount": 1000, "currency": "EUR"}

    def buy(number: int) -> int:
        data = {"order_id": f"o-{number}", "paid": paid}
        event = EVENT | {"id": f"p-{number}", "type": "purchase.completed", "data": data}
        return Api(system.url, system.api.key)("POST", "/events", event).status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(buy, range(36))) == {202}
    assert system.api.ok("GET", "/members/M-1")["balances"]["points"] == 360


def test_a_walk_and_a_crm_do_not_stop_each_other(system: System) -> None:
    """Composing and events lock in one order: no deadlock reaches the CRM, and every card has the last word of both."""
    for number in range(12):
        system.enrol(f"M-{number}")

    def set_points(number: int) -> int:
        member, sequence = number % 12, number // 12 + 1
        path = f"/members/M-{member}/balances"
        return Api(system.url, system.api.key)("PUT", path, {"sequence": sequence, "points": sequence}).status_code

    with system.working(), ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(set_points, number) for number in range(96)]
        for number in range(8):
            system.api.ok("PUT", "/stores/lyon", STORE | {"proximity_text": f"Ici {number}"})
        assert {answer.result() for answer in answers} == {200}
        eventually(lambda: not system.rows("SELECT FROM campaigns WHERE finished_at IS NULL"))
        eventually(lambda: not system.rows("SELECT FROM cards WHERE recompose_at IS NOT NULL"))
    shown = system.rows("SELECT content FROM cards")
    assert {card["content"]["places"][0]["text"] for card in shown} == {"Ici 7"}
    points = {field["text"] for card in shown for field in card["content"]["fields"] if field["id"] == "points"}
    assert points == {"8"}


def test_a_revoked_key_is_no_key(system: System) -> None:
    with system.services.sessions.begin() as db:
        db.connection().exec_driver_sql("UPDATE api_keys SET revoked_at = now()")
    assert system.api("GET", "/stores").status_code == 401


def test_another_programmes_members_do_not_exist(system: System) -> None:
    card = system.enrol()
    with system.services.sessions.begin() as db:
        db.connection().exec_driver_sql(
            "INSERT INTO programs (program_id, name, document, template_version_id, updated_at) "
            "SELECT 'other', 'Other', jsonb_set(document, '{id}', '\"other\"'), template_version_id, updated_at "
            "FROM programs"
        )
        db.connection().exec_driver_sql("UPDATE api_keys SET program_id = 'other'")
    assert system.api("GET", "/members/M-1").status_code == 404
    assert system.api("GET", f"/cards/{card['serial_number']}").status_code == 404


def test_an_idempotency_key_answers_the_same_and_changes_nothing(system: System) -> None:
    first = system.api("PUT", "/members/M-1", MEMBER, Idempotency_Key="k-1")
    second = system.api("PUT", "/members/M-1", MEMBER, Idempotency_Key="k-1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    other = system.api("PUT", "/members/M-1", MEMBER | {"first_name": "Anne"}, Idempotency_Key="k-1")
    assert other.status_code == 409
    assert system.api.ok("GET", "/members/M-1")["first_name"] == "Claire"


def test_a_refusal_is_not_kept_under_its_idempotency_key(system: System) -> None:
    assert system.api("PUT", "/members/M-1", {"nonsense": 1}, Idempotency_Key="k-2").status_code == 422
    assert system.api("PUT", "/members/M-1", MEMBER, Idempotency_Key="k-2").status_code == 201


def test_two_members_cannot_share_a_card_number(system: System) -> None:
    system.api.ok("PUT", "/members/M-1", {"card_number": "2900001"})
    answer = system.api("PUT", "/members/M-2", {"card_number": "2900001"})
    assert answer.status_code == 409
    assert "2900001" in answer.json()["detail"]
    assert system.api("GET", "/members/M-2").status_code == 404


def test_the_openapi_document_names_every_route(system: System) -> None:
    document = requests.get(f"{system.url}/api/openapi.json", timeout=30).json()
    assert document["openapi"].startswith("3.1")
    assert {
        "/api/v1/members/{member_id}",
        "/api/v1/members/{member_id}/card",
        "/api/v1/members/{member_id}/balances",
        "/api/v1/events",
        "/api/v1/cards/{serial_number}",
        "/api/v1/stores/{store_id}",
        "/api/v1/offers",
    } <= document["paths"].keys()


def test_unknown_paths_and_methods_are_problems_too(system: System) -> None:
    assert faults(system.api("GET", "/nothing")) == {}
    answer = system.api("PATCH", "/stores/lyon", {})
    assert answer.status_code == 405
    assert faults(answer) == {}
    assert orjson.loads(answer.content)["title"] == "Method Not Allowed"
