"""The Google simulator, judged by Google's own client library and by a verifier written apart from it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.auth.transport.requests import AuthorizedSession
from google.oauth2.service_account import Credentials

from wallet_service.errors import Invalid, NotFound
from wallet_service.simulators.google import GoogleCourier, GoogleSimulator
from wallet_service.simulators.google.accounts import SCOPE
from wallet_service.simulators.google.schema import resource_types
from wallet_service.simulators.loopback_http import LoopbackServer, Reply, Request
from wallet_service.simulators.phones.android import Android

ISSUER = "3388000000012345678"
CLASS, OBJECT = f"{ISSUER}.fidelite", f"{ISSUER}.carte-0001"
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class Time:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


class LocalCredentials(Credentials):
    """Google's credentials without the look-up of allowed locations, which would leave this machine."""

    def _is_regional_access_boundary_lookup_required(self) -> bool:
        return False


class Issuer:
    """The service's side, in the plainest way."""

    def __init__(self, google: GoogleSimulator, known: Mapping[str, str] | None = None) -> None:
        if known is not None:
            google.adopt_service_account(known, ISSUER)
        info = google.make_service_account(ISSUER) if known is None else known
        self.info = {**info, "token_uri": google.token_url}
        make_credentials: Any = LocalCredentials.from_service_account_info
        make_session: Any = AuthorizedSession
        self.credentials = make_credentials(self.info, scopes=[SCOPE])
        self.session = make_session(self.credentials)
        self._google = google
        self._base = f"{google.url}/walletobjects/v1"

    def __call__(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        answer = self.session.request(method, f"{self._base}/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, method: str, path: str, body: object, status: int = 400) -> str:
        error = self(method, path, body, status)["error"]
        return f"{error['errors'][0]['reason']}: {error['message']}"

    def jwt(self, payload: Mapping[str, Any], **claims: Any) -> str:
        """A save link's JWT."""
        header = {"alg": "RS256", "typ": "JWT", "kid": self.info["private_key_id"]}
        body = {"iss": self.info["client_email"], "aud": "google", "typ": "savetowallet", "iat": 1_790_000_000}
        segments = [_segment(json.dumps(one).encode()) for one in (header, {**body, "payload": payload, **claims})]
        signed = ".".join(segments)
        return f"{signed}.{_segment(self.credentials.signer.sign(signed))}"

    def save_link(self, *object_ids: str, **claims: Any) -> str:
        """A skinny link."""
        return self._google.save_url + self.jwt({"loyaltyObjects": [{"id": one} for one in object_ids]}, **claims)


def _segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def loyalty_class(**more: Any) -> dict[str, Any]:
    return {
        "id": CLASS,
        "issuerName": "Maison Lumière",
        "programName": "Le Cercle",
        "programLogo": {"sourceUri": {"uri": "https://maisonlumiere.example/logo.png"}},
        "reviewStatus": "UNDER_REVIEW",
        "rewardsTierLabel": "Statut",
        "rewardsTier": "Or",
        **more,
    }


def loyalty_object(object_id: str = OBJECT, *, points: int = 120, **more: Any) -> dict[str, Any]:
    return {
        "id": object_id,
        "classId": CLASS,
        "state": "ACTIVE",
        "accountName": "Camille Dubois",
        "loyaltyPoints": {"label": "Points", "balance": {"int": points}},
        "barcode": {"type": "QR_CODE", "value": "ML0001"},
        **more,
    }


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def google(time: Time) -> Iterator[GoogleSimulator]:
    with GoogleSimulator(clock=time, callback_wait=lambda _: False) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def key_file() -> dict[str, str]:
    """A key file made by an earlier simulator."""
    with GoogleSimulator() as earlier:
        return earlier.make_service_account(ISSUER)


@pytest.fixture
def issuer(google: GoogleSimulator, key_file: dict[str, str]) -> Iterator[Issuer]:
    one = Issuer(google, key_file)
    yield one
    one.session.close()


@pytest.fixture
def card(issuer: Issuer) -> Issuer:
    """An issuer with one class and one object."""
    issuer("POST", "loyaltyClass", loyalty_class())
    issuer("POST", "loyaltyObject", loyalty_object())
    return issuer


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


# Save links, phones and callbacks


class Landing:
    """The service's landing page and callback address."""

    def __init__(self) -> None:
        self.target = ""
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []
        self._server = LoopbackServer(self._answer)

    def __enter__(self) -> Landing:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    @property
    def url(self) -> str:
        return self._server.url

    def _answer(self, request: Request) -> Reply:
        if request.method == "POST":
            self.bodies.append(request.body)
            return Reply(self.statuses.pop(0) if self.statuses else 200)
        assert "Android" in request.headers["user-agent"]
        return Reply(302, headers={"Location": self.target})


@pytest.fixture
def landing() -> Iterator[Landing]:
    with Landing() as one:
        yield one


@pytest.fixture
def called_back(card: Issuer, landing: Landing) -> Issuer:
    """An issuer whose class wants callbacks."""
    url = {"url": f"{landing.url}/google/callback"}
    card("PATCH", f"loyaltyClass/{CLASS}", {"reviewStatus": "UNDER_REVIEW", "callbackOptions": url})
    return card


def test_a_link_becomes_a_card_on_the_phone(google: GoogleSimulator, called_back: Issuer, landing: Landing) -> None:
    landing.target = called_back.save_link(OBJECT).replace(google.url, "https://pay.google.com")
    with Android(google) as android:
        shown = android.open_link(f"{landing.url}/c/abc")
        assert (shown.program_name, shown.fields["loyaltyPoints"].text) == ("Le Cercle", "120")
        assert shown.fields["rewardsTier"].label == "Statut"
        assert google.object(OBJECT)["hasUsers"] is True
        called_back("PATCH", f"loyaltyObject/{OBJECT}", {"loyaltyPoints": {"balance": {"int": 1500}}})
        android.wait_until(lambda phone: phone.shows().fields["loyaltyPoints"].text == "1\u202f500")
        assert not android.notifications
        message = {"message": {"header": "Soldes", "body": "Dès lundi", "messageType": "TEXT_AND_NOTIFY"}}
        called_back("POST", f"loyaltyClass/{CLASS}/addMessage", message)
        android.wait_until(lambda phone: len(phone.notifications) == 1)
        assert [one.kind for one in android.notifications] == ["message"]
        assert android.shows().messages == ("Soldes",)
        android.remove()
        assert (google.object(OBJECT)["hasUsers"], google.holders(OBJECT)) == (False, ())
    sent = google.wait_for_callbacks(2)
    assert [(one.event, one.status) for one in sent] == [("save", 200), ("del", 200)]


def test_an_offline_phone_sees_the_last_state(google: GoogleSimulator, card: Issuer) -> None:
    with Android(google) as android:
        android.open_link(card.save_link(OBJECT))
        android.offline()
        card("PATCH", f"loyaltyObject/{OBJECT}", {"loyaltyPoints": {"balance": {"int": 5}}})
        assert android.shows().fields["loyaltyPoints"].text == "120"
        android.online()
        assert android.shows().fields["loyaltyPoints"].text == "5"


def test_a_phone_in_another_process_hears_too(google: GoogleSimulator, card: Issuer) -> None:
    with GoogleCourier(google.url) as courier, Android(courier) as android:
        android.open_link(card.save_link(OBJECT))
        card("PATCH", f"loyaltyObject/{OBJECT}", {"loyaltyPoints": {"balance": {"int": 5}}})
        android.wait_until(lambda phone: phone.shows().fields["loyaltyPoints"].text == "5")
        android.remove()
    assert google.holders(OBJECT) == ()


def test_save_links_are_checked(google: GoogleSimulator, card: Issuer) -> None:
    fat = {"loyaltyObjects": [loyalty_object(f"{ISSUER}.grasse")]}
    stranger = Issuer(google)
    wrong = {
        "aud google": card.save_link(OBJECT, aud="apple"),
        "typ savetowallet": card.save_link(OBJECT, typ="savetoandroidpay"),
        "does not exist": card.save_link(f"{ISSUER}.absente"),
        "not known": card.save_link(OBJECT, iss=stranger.info["client_email"]),
        "does not hold": card.save_link(OBJECT)[:-4] + "AAAA",
        "safe length": google.save_url + card.jwt({"loyaltyObjects": [loyalty_object(accountId="x" * 1500)]}),
        "no access": google.save_url + card.jwt({"loyaltyObjects": [{"id": "999.x"}]}),
        "lists of classes": google.save_url + card.jwt({"cards": []}),
    }
    with Android(google) as android:
        for words, link in wrong.items():
            with pytest.raises(Invalid, match=words):
                android.open_link(link)
        android.open_link(google.save_url + card.jwt(fat))
        assert google.object(f"{ISSUER}.grasse")["hasUsers"]
    stranger.session.close()


def test_a_card_for_one_user_is_not_saved_by_another(google: GoogleSimulator, card: Issuer) -> None:
    one = {"reviewStatus": "UNDER_REVIEW", "multipleDevicesAndHoldersAllowedStatus": "ONE_USER_ALL_DEVICES"}
    card("PATCH", f"loyaltyClass/{CLASS}", one)
    with Android(google, user="a@example.com") as first, Android(google, user="b@example.com") as second:
        first.open_link(card.save_link(OBJECT))
        with pytest.raises(Invalid, match="somebody else"):
            second.open_link(card.save_link(OBJECT))
        first.open_link(card.save_link(OBJECT))


def test_the_jwt_resource_makes_a_short_way(google: GoogleSimulator, card: Issuer) -> None:
    fat = card.jwt({"loyaltyObjects": [loyalty_object(f"{ISSUER}.grasse", accountId="x" * 1500)]})
    answer = card("POST", "jwt", {"jwt": fat})
    assert answer["saveUri"].startswith(google.save_url)
    assert len(answer["saveUri"]) < 100
    assert google.object(f"{ISSUER}.grasse")["hasUsers"] is False
    with Android(google) as android:
        android.open_link(answer["saveUri"])


def verified(body: bytes, keys: dict[str, Any], issuer_id: str) -> dict[str, Any]:
    """Section 17, step by step, apart from the simulator's own code."""
    envelope = json.loads(body)
    assert set(envelope) == {"protocolVersion", "signature", "intermediateSigningKey", "signedMessage"}

    def layout(*parts: str) -> bytes:
        out = b""
        for part in parts:
            data = part.encode()
            out += len(data).to_bytes(4, "little") + data
        return out

    def check(key: str, signature: str, data: bytes) -> None:
        public = serialization.load_der_public_key(base64.b64decode(key, validate=True))
        assert isinstance(public, ec.EllipticCurvePublicKey)
        public.verify(base64.b64decode(signature, validate=True), data, ec.ECDSA(hashes.SHA256()))

    middle = envelope["intermediateSigningKey"]
    root = keys["keys"][0]
    assert (root["protocolVersion"], envelope["protocolVersion"]) == ("ECv2SigningOnly", "ECv2SigningOnly")
    signed_by_root = layout("GooglePayPasses", "ECv2SigningOnly", middle["signedKey"])
    check(root["keyValue"], middle["signatures"][0], signed_by_root)
    key = json.loads(middle["signedKey"])
    assert int(key["keyExpiration"]) > START.timestamp() * 1000
    message = layout("GooglePayPasses", issuer_id, "ECv2SigningOnly", envelope["signedMessage"])
    check(key["keyValue"], envelope["signature"], message)
    document: dict[str, Any] = json.loads(envelope["signedMessage"])
    return document


def test_callbacks_are_signed_and_sent_again(google: GoogleSimulator, called_back: Issuer, landing: Landing) -> None:
    landing.statuses = [503, 500]
    google.save(called_back.jwt({"loyaltyObjects": [{"id": OBJECT}]}), "a@example.com")
    (sent,) = google.wait_for_callbacks(1)
    assert (sent.status, sent.attempts, len(landing.bodies)) == (200, 3, 3)
    answer = requests.get(google.keys_url, timeout=5)
    assert "max-age=3600" in answer.headers["Cache-Control"]
    message = verified(landing.bodies[-1], answer.json(), ISSUER)
    assert (message["classId"], message["objectId"], message["eventType"]) == (CLASS, OBJECT, "save")
    assert message["expTimeMillis"] > START.timestamp() * 1000
    assert message["nonce"] == sent.nonce


def test_callbacks_can_be_doubled_held_reversed_and_signed_anew(
    google: GoogleSimulator, called_back: Issuer, landing: Landing
) -> None:
    old_keys = google.published_keys()
    google.rotate_keys()
    google.send_callback("save", OBJECT, times=2)
    first, second = google.wait_for_callbacks(2)
    assert first.nonce == second.nonce
    assert verified(landing.bodies[0], requests.get(google.keys_url, timeout=5).json(), ISSUER)
    assert old_keys != google.published_keys()
    google.hold_callbacks()
    google.save(called_back.jwt({"loyaltyObjects": [{"id": OBJECT}]}), "a@example.com")
    google.remove("a@example.com", OBJECT)
    google.release_callbacks(reverse=True)
    assert [one.event for one in google.wait_for_callbacks(4)[2:]] == ["del", "save"]


def test_only_loopback_may_be_plain_http(issuer: Issuer) -> None:
    far = loyalty_class(callbackOptions={"url": "http://example.com/callback"})
    assert "callbackOptions.url" in issuer.refused("POST", "loyaltyClass", far)
    with GoogleSimulator(allow_loopback_callbacks=False) as strict:
        other = Issuer(strict)
        near = loyalty_class(callbackOptions={"url": "http://127.0.0.1:1/callback"})
        other.refused("POST", "loyaltyClass", near)
        other.session.close()


def test_other_processes_have_a_desk(google: GoogleSimulator, card: Issuer) -> None:
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
        courier = GoogleCourier(google.url)
        courier.connect_phone("x", lambda change: None)
    issuer.session.close()
    courier.close()
    assert set(threading.enumerate()) <= before
