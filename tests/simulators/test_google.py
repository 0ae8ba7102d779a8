"""The Google simulator, judged by Google's own client library."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.simulators.google_issuer import CLASS, ISSUER, OBJECT, Issuer, Time, loyalty_class, loyalty_object
from wallet_service.errors import NotFound
from wallet_service.simulators.google import GoogleSimulator, RemoteGoogle
from wallet_service.simulators.google.accounts import SCOPE
from wallet_service.simulators.google.schema import resource_types
from wallet_service.simulators.phones.android import Android


def test_every_type_of_the_api_is_there() -> None:
    assert {
        f"{one}{kind}"
        for one in ("loyalty", "offer", "giftCard", "eventTicket", "generic")
        for kind in ("Class", "Object")
    } <= set(resource_types())
    assert resource_types()["loyaltyClass"].plural == "loyaltyClasses"


def test_a_class_and_an_object_are_made_and_read(google: GoogleSimulator, card: Issuer) -> None:
    assert card("GET", f"loyaltyClass/{CLASS}")["reviewStatus"] == "APPROVED"
    shown = card("GET", f"loyaltyObject/{OBJECT}")
    assert (shown["hasUsers"], shown["classReference"]["programName"]) == (False, "Le Cercle")
    assert google.object(OBJECT)["loyaltyPoints"]["balance"] == {"int": 120}
    assert google.accounts.issued_tokens == 1
    with pytest.raises(NotFound):
        google.object(f"{ISSUER}.autre")


def test_strangers_and_foreign_issuers_are_kept_out(google: GoogleSimulator, card: Issuer) -> None:
    url = f"{google.url}/walletobjects/v1/loyaltyObject/{OBJECT}"
    assert requests.get(url, timeout=5).status_code == 401
    stranger = Issuer(google)
    foreign = loyalty_class(id="999.fidelite")
    assert stranger.refused("POST", "loyaltyClass", foreign, 403).startswith("permissionDenied")
    stranger.session.close()
    before = google.accounts.issued_tokens
    google.accounts.expire_tokens()
    card("GET", f"loyaltyObject/{OBJECT}")
    assert google.accounts.issued_tokens == before + 1


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"scope": "https://www.googleapis.com/auth/cloud-platform"}, "invalid_scope"),
        ({"aud": "https://example.com"}, "invalid_grant"),
        ({"exp": 1}, "invalid_grant"),
        ({"iss": "nobody@example.com"}, "invalid_grant"),
    ],
)
def test_the_token_endpoint_checks_the_assertion(
    google: GoogleSimulator, issuer: Issuer, claims: dict[str, Any], error: str
) -> None:
    now = int(datetime.now(UTC).timestamp())
    good = {"scope": SCOPE, "aud": google.token_url, "iat": now, "exp": now + 3600}
    grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

    def ask(claims: dict[str, Any]) -> requests.Response:
        form = {"grant_type": grant, "assertion": issuer.jwt({}, **claims)}
        return requests.post(google.token_url, data=form, timeout=5)

    assert ask(good).json()["token_type"] == "Bearer"
    answer = ask({**good, **claims})
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"colour": "red"}, 'Unknown name "colour"'),
        ({"loyaltyPoints": {"balance": {"integer": 1}}}, "'loyaltyPoints.balance': Unknown name"),
        ({"loyaltyPoints": {"balance": {"int": "1"}}}, "'loyaltyPoints.balance.int'"),
        ({"loyaltyPoints": {"balance": {"int": 2**31}}}, "outside int32"),
        ({"loyaltyPoints": {"balance": {"int": 1, "string": "1"}}}, "exactly one"),
        ({"loyaltyPoints": {"label": "Points"}}, "loyaltyPoints.balance"),
        ({"loyaltyPoints": {"balance": {"money": {"micros": 12, "currencyCode": "EUR"}}}}, "micros"),
        ({"state": "ALIVE"}, "'state'"),
        ({"state": None}, "'state': this field is required"),
        ({"id": "carte"}, "permission"),
        ({"id": f"{ISSUER}.é"}, "'id'"),
        ({"merchantLocations": [{"latitude": 1, "longitude": 1}] * 11}, "at most 10"),
        ({"merchantLocations": [{"latitude": 91, "longitude": 1}]}, "merchantLocations[0].latitude"),
        ({"heroImage": {"sourceUri": {"uri": "http://example.com/x.png"}}}, "heroImage.sourceUri.uri"),
        ({"textModulesData": [{"id": "a.b"}]}, "textModulesData[0].id"),
        ({"messages": [{"header": "x"}] * 11}, "at most 10 messages"),
        ({"linksModuleData": {"uris": [{"uri": "example.com"}]}}, "scheme"),
        (
            {"validTimeInterval": {"start": {"date": "2026-01-01T00:00"}, "end": {"date": "2027-01-01T00:00Z"}}},
            "offset",
        ),
        ({"valueAddedModuleData": [{"uri": "https://x.example"}]}, "valueAddedModuleData[0].header"),
    ],
)
def test_a_wrong_object_is_refused_with_its_path(card: Issuer, changes: dict[str, Any], words: str) -> None:
    body = {**loyalty_object(f"{ISSUER}.carte-0002"), **changes}
    status = 403 if words == "permission" else 400
    assert words in card.refused("POST", "loyaltyObject", body, status)


def test_the_order_of_things(card: Issuer) -> None:
    assert "alreadyExists" in card.refused("POST", "loyaltyObject", loyalty_object(), 409)
    orphan = loyalty_object(f"{ISSUER}.orpheline", classId=f"{ISSUER}.absente")
    assert "classNotFound" in card.refused("POST", "loyaltyObject", orphan, 404)
    assert "notFound" in card.refused("PATCH", f"loyaltyObject/{ISSUER}.absente", {"state": "ACTIVE"}, 404)
    draft = loyalty_class(id=f"{ISSUER}.brouillon", reviewStatus="DRAFT")
    card("POST", "loyaltyClass", draft)
    early = loyalty_object(f"{ISSUER}.tot", classId=draft["id"])
    assert "draft" in card.refused("POST", "loyaltyObject", early)
    card("PATCH", f"loyaltyClass/{draft['id']}", {"reviewStatus": "UNDER_REVIEW"})
    card("POST", "loyaltyObject", early)


@pytest.mark.parametrize("sent", [{"reviewStatus": "APPROVED"}, {"reviewStatus": "DRAFT"}, {"programName": "Autre"}])
def test_every_change_of_a_class_goes_through_review(card: Issuer, sent: dict[str, Any]) -> None:
    assert "reviewStatus" in card.refused("PATCH", f"loyaltyClass/{CLASS}", sent)


def test_patch_merges_and_put_replaces(card: Issuer) -> None:
    path = f"loyaltyObject/{OBJECT}"
    places = [{"latitude": 45.76, "longitude": 4.83}, {"latitude": 48.85, "longitude": 2.35}]
    patched = card("PATCH", path, {"loyaltyPoints": {"balance": {"int": 7}}, "merchantLocations": places})
    assert patched["loyaltyPoints"] == {"label": "Points", "balance": {"int": 7}}
    assert card("PATCH", path, {"merchantLocations": places[:1]})["merchantLocations"] == places[:1]
    cleared = card("PATCH", path, {"barcode": None, "state": "inactive"})
    assert ("barcode" in cleared, cleared["state"]) == (False, "INACTIVE")
    switched = {"loyaltyPoints": {"balance": {"int": None, "string": "sept"}}}
    assert card("PATCH", path, switched)["loyaltyPoints"]["balance"] == {"string": "sept"}
    replaced = card("PUT", path, {"id": OBJECT, "classId": CLASS, "state": "ACTIVE"})
    assert set(replaced) == {"id", "classId", "state", "hasUsers", "classReference"}
    assert "'state'" in card.refused("PUT", path, {"id": OBJECT, "classId": CLASS})


def test_lists_come_in_pages(card: Issuer) -> None:
    for number in range(2, 6):
        card("POST", "loyaltyObject", loyalty_object(f"{ISSUER}.carte-000{number}"))
    seen, token = [], ""
    while True:
        page = card("GET", f"loyaltyObject?classId={CLASS}&maxResults=2&token={token}")
        seen += [one["id"] for one in page["resources"]]
        if not (token := page["pagination"].get("nextPageToken", "")):
            break
    assert seen == [f"{ISSUER}.carte-000{number}" for number in range(1, 6)]
    assert [one["id"] for one in card("GET", f"loyaltyClass?issuerId={ISSUER}")["resources"]] == [CLASS]
    card.refused("GET", "loyaltyObject", None)


def test_three_notifications_in_24_hours(google: GoogleSimulator, time: Time, card: Issuer) -> None:
    path = f"loyaltyObject/{OBJECT}"
    for points in range(3):
        change = {"loyaltyPoints": {"balance": {"int": points}}, "notifyPreference": "NOTIFY_ON_UPDATE"}
        assert "notifyPreference" not in card("PATCH", path, change)
    fourth = {"loyaltyPoints": {"balance": {"int": 9}}, "notifyPreference": "NOTIFY_ON_UPDATE"}
    assert card.refused("PATCH", path, fourth, 403).startswith("quotaExceeded")
    assert google.object(OBJECT)["loyaltyPoints"]["balance"] == {"int": 2}
    card("PATCH", path, {"loyaltyPoints": {"balance": {"int": 9}}})
    card("PATCH", path, {"accountName": "Autre", "notifyPreference": "NOTIFY_ON_UPDATE"})
    message = {"message": {"header": "Bonjour", "body": "…", "messageType": "TEXT_AND_NOTIFY"}}
    for _ in range(3):
        card("POST", f"{path}/addMessage", message)
    assert card.refused("POST", f"{path}/addMessage", message, 403).startswith("quotaExceeded")
    time.now += timedelta(hours=24)
    card("POST", f"{path}/addMessage", message)
    assert [one.kind for one in google.notifications] == ["field_update"] * 3 + ["message"] * 4


def test_messages_have_a_limit_and_kinds(card: Issuer) -> None:
    path = f"loyaltyObject/{OBJECT}/addMessage"
    wrong = {"message": {"header": "x", "messageType": "EXPIRATION_NOTIFICATION"}}
    assert "not supported" in card.refused("POST", path, wrong)
    for number in range(10):
        answer = card("POST", path, {"message": {"id": str(number), "header": "Bonjour"}})
    assert len(answer["resource"]["messages"]) == 10
    assert "at most 10" in card.refused("POST", path, {"message": {"header": "Bonjour"}})


def test_links_between_objects_are_for_life(card: Issuer) -> None:
    offers = [f"{ISSUER}.offre-{number}" for number in range(3)]
    for one in offers:
        card("POST", "loyaltyObject", loyalty_object(one))
    path = f"loyaltyObject/{OBJECT}"
    card("PATCH", path, {"linkedObjectIds": offers[:2]})
    assert card("PATCH", path, {"linkedObjectIds": offers[2:]})["linkedObjectIds"] == offers
    card.refused("PATCH", path, {"linkedObjectIds": [OBJECT]})
    card.refused("PATCH", path, {"linkedObjectIds": [f"{ISSUER}.absente"]})
    card.refused("PATCH", f"loyaltyObject/{offers[0]}", {"linkedObjectIds": [OBJECT]})


def test_the_rate_is_limited_when_asked(time: Time) -> None:
    with GoogleSimulator(clock=time, enforce_rate=True) as google:
        issuer = Issuer(google)
        issuer("POST", "loyaltyClass", loyalty_class())
        for _ in range(19):
            issuer("GET", f"loyaltyClass/{CLASS}")
        assert "rateLimitExceeded" in issuer.refused("GET", f"loyaltyClass/{CLASS}", None, 429)
        time.now += timedelta(milliseconds=50)
        issuer("GET", f"loyaltyClass/{CLASS}")
        issuer.refused("GET", f"loyaltyClass/{CLASS}", None, 429)
        issuer.session.close()


def test_failures_are_scripted(google: GoogleSimulator, card: Issuer) -> None:
    google.fail_next(503, "backendError", count=2, method="PATCH")
    change = {"loyaltyPoints": {"balance": {"int": 1}}}
    path = f"loyaltyObject/{OBJECT}"
    card("GET", path)
    assert "backendError" in card.refused("PATCH", path, change, 503)
    card.refused("PATCH", path, change, 503)
    assert google.object(OBJECT)["loyaltyPoints"]["balance"] == {"int": 120}
    google.fail_next(500, "backendError", applied=True)
    card.refused("PATCH", path, change, 500)
    assert google.object(OBJECT)["loyaltyPoints"]["balance"] == {"int": 1}
    assert [one.status for one in google.calls[-4:]] == [200, 503, 503, 500]


def test_only_loopback_may_be_plain_http(issuer: Issuer) -> None:
    far = loyalty_class(callbackOptions={"url": "http://example.com/callback"})
    assert "callbackOptions.url" in issuer.refused("POST", "loyaltyClass", far)
    with GoogleSimulator(allow_loopback_callbacks=False) as strict:
        other = Issuer(strict)
        near = loyalty_class(callbackOptions={"url": "http://127.0.0.1:1/callback"})
        other.refused("POST", "loyaltyClass", near)
        other.session.close()


def test_other_processes_use_the_control_routes(google: GoogleSimulator, card: Issuer) -> None:
    def post(path: str, body: object) -> requests.Response:
        return requests.post(f"{google.url}/_simulator/{path}", json=body, timeout=5)

    info = post("service-accounts", {"issuer_id": ISSUER}).json()
    assert info["token_uri"] == google.token_url
    post("script/fail_next", {"status": 503, "reason": "backendError"}).raise_for_status()
    card.refused("GET", f"loyaltyObject/{OBJECT}", None, 503)
    shown = requests.get(f"{google.url}/_simulator/objects/{OBJECT}", timeout=5).json()
    assert shown["holders"] == []
    assert post("remove", {"user": "x", "object_id": OBJECT}).status_code == 404
    page = requests.get(card.save_link(OBJECT), headers={"Accept": "text/html"}, timeout=5)
    assert OBJECT in page.text


def test_nothing_is_left_behind() -> None:
    before = set(threading.enumerate())
    with GoogleSimulator() as google, Android(google):
        issuer = Issuer(google)
        issuer("POST", "loyaltyClass", loyalty_class())
        remote = RemoteGoogle(google.url)
        remote.connect_phone("x", lambda change: None)
    issuer.session.close()
    remote.close()
    assert set(threading.enumerate()) <= before
