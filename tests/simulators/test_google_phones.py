"""Save links, phones and callbacks of the Google simulator, judged by a verifier written apart from it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.simulators.google_issuer import CLASS, ISSUER, OBJECT, START, Issuer, loyalty_object
from wallet_service.errors import Invalid
from wallet_service.simulators.google import GoogleSimulator, RemoteGoogle
from wallet_service.simulators.loopback_http import LoopbackServer, Reply, Request
from wallet_service.simulators.phones.android import Android


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
    with RemoteGoogle(google.url) as remote, Android(remote) as android:
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
