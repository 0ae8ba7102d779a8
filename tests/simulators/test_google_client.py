"""Google's own client library against the simulator: what it believes of the API is what the simulator does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.oauth2.service_account import Credentials
from google_auth_httplib2 import AuthorizedHttp
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError

import wallet_service.simulators.google as google_simulator
from wallet_service.simulators.google import GoogleSimulator

ISSUER = "3388000000012345678"
SCOPE = "https://www.googleapis.com/auth/wallet_object.issuer"
DOCUMENT = Path(google_simulator.__file__).with_name("data") / "walletobjects.v1.json"
CLASS_ID, IMAGE = f"{ISSUER}.client", {"sourceUri": {"uri": "https://cards.example.com/logo.png"}}
CLASS = {
    "id": CLASS_ID,
    "issuerName": "Maison Lumière",
    "programName": "Cercle Lumière",
    "programLogo": IMAGE,
    "reviewStatus": "UNDER_REVIEW",
}


@pytest.fixture
def google() -> Iterator[GoogleSimulator]:
    with GoogleSimulator() as simulator:
        yield simulator


@pytest.fixture
def client(google: GoogleSimulator) -> Iterator[Any]:
    """The client as its documentation builds it, at the simulator's address."""
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    document |= {"rootUrl": f"{google.url}/", "baseUrl": f"{google.url}/", "mtlsRootUrl": f"{google.url}/"}
    account = google.make_service_account(ISSUER)
    credentials = Credentials.from_service_account_info(account, scopes=[SCOPE])
    built = build_from_document(document, http=AuthorizedHttp(credentials))
    yield built
    built.close()


def item(number: int) -> dict[str, Any]:
    return {"id": f"{ISSUER}.o-{number:03}", "classId": CLASS_ID, "state": "ACTIVE"}


def test_a_class_and_an_object_live_their_life(client: Any, google: GoogleSimulator) -> None:
    made = client.loyaltyclass().insert(body=CLASS).execute()
    assert made["reviewStatus"] == "APPROVED"
    client.loyaltyobject().insert(body=item(1)).execute()
    points = {"label": "Points", "balance": {"int": 7}}
    patched = client.loyaltyobject().patch(resourceId=f"{ISSUER}.o-001", body={"loyaltyPoints": points}).execute()
    assert patched["loyaltyPoints"]["balance"] == {"int": 7}
    message = {"message": {"id": "m", "header": "A", "body": "B", "messageType": "TEXT"}}
    added = client.loyaltyobject().addmessage(resourceId=f"{ISSUER}.o-001", body=message).execute()
    assert [one["id"] for one in added["resource"]["messages"]] == ["m"]
    whole = client.loyaltyobject().update(resourceId=f"{ISSUER}.o-001", body=item(1)).execute()
    assert "loyaltyPoints" not in whole
    shown = client.loyaltyobject().get(resourceId=f"{ISSUER}.o-001", fields="id,hasUsers").execute()
    assert shown == {"id": f"{ISSUER}.o-001", "hasUsers": False}
    assert google.object(f"{ISSUER}.o-001")["state"] == "ACTIVE"


def test_a_list_is_read_page_by_page(client: Any) -> None:
    client.loyaltyclass().insert(body=CLASS).execute()
    for number in range(5):
        client.loyaltyobject().insert(body=item(number)).execute()
    seen, token = [], None
    while True:
        page = client.loyaltyobject().list(classId=CLASS_ID, maxResults=2, token=token).execute()
        seen += [one["id"] for one in page["resources"]]
        token = page["pagination"].get("nextPageToken")
        if token is None:
            break
    assert seen == [f"{ISSUER}.o-{number:03}" for number in range(5)]


def test_a_batch_answers_each_call_on_its_own(client: Any) -> None:
    client.loyaltyclass().insert(body=CLASS).execute()
    client.loyaltyobject().insert(body=item(3)).execute()
    answers: dict[str, Any] = {}

    def heard(request_id: str, answer: Any, error: Exception | None) -> None:
        answers[request_id] = error.resp.status if isinstance(error, HttpError) else answer["id"]

    batch = client.new_batch_http_request(callback=heard)
    for number in range(6):
        batch.add(client.loyaltyobject().insert(body=item(number)), request_id=str(number))
    batch.execute()
    assert answers == {str(n): 409 if n == 3 else f"{ISSUER}.o-{n:03}" for n in range(6)}


def test_an_error_reads_as_googles(client: Any) -> None:
    with pytest.raises(HttpError) as caught:
        client.loyaltyobject().get(resourceId=f"{ISSUER}.nobody").execute()
    assert caught.value.resp.status == 404
    assert caught.value.error_details[0]["reason"] == "notFound"
    with pytest.raises(HttpError) as foreign:
        client.loyaltyclass().get(resourceId="999.x").execute()
    assert foreign.value.error_details[0]["reason"] == "permissionDenied"


def test_a_pass_is_validated_without_being_made(client: Any, google: GoogleSimulator) -> None:
    good = json.dumps({"payload": {"loyaltyClasses": [CLASS], "loyaltyObjects": [item(1)]}})
    assert client.jwt().validate(body={"jsonResource": {"json": good}}).execute() == {}
    wrong = json.dumps({"loyaltyObjects": [{**item(1), "state": "ALIVE"}]})
    with pytest.raises(HttpError):
        client.jwt().validate(body={"jsonResource": {"json": wrong}}).execute()
    with pytest.raises(HttpError):
        client.jwt().validate(body={}).execute()
    assert google.resources.find(CLASS_ID, is_class=True) is None
