"""The signed link. Numbers are those of google-wallet.md, section 25."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.wallets.google.conftest import NOW, OBJECT_ID, card_view
from tests.wallets.google.test_bodies import CLASS_ID, the_object
from wallet_service.errors import Invalid, SettingsError
from wallet_service.wallets.google.content.bodies import first_body, first_class
from wallet_service.wallets.google.save_link import LONGEST_JWT, SaveLinks

BASE = "https://pay.google.com/gp/v/save"
Account = dict[str, str]
FIRST_CLASS = first_class(
    card_view().program,
    card_view().template,
    class_id=CLASS_ID,
    image_url=lambda name: "https://cards.maison-lumiere.example" + card_view().template.image_path(name),
    callback_url="https://cards.maison-lumiere.example/google/callback",
)


def opened(url: str, account: Account) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, after the signature was verified with code that did not make it."""
    assert url.startswith(f"{BASE}/")
    head, claims, signature = (
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in url.removeprefix(f"{BASE}/").split(".")
    )
    key = load_pem_private_key(account["private_key"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    signed = url.removeprefix(f"{BASE}/").rpartition(".")[0].encode()
    key.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    return json.loads(head), json.loads(claims)


@pytest.fixture
def links(service_account: Account) -> SaveLinks:
    return SaveLinks(service_account, save_url=BASE)


def test_item_38_claims_of_a_skinny_link(links: SaveLinks, service_account: Account) -> None:
    header, claims = opened(links.skinny(OBJECT_ID, now=NOW), service_account)
    assert header == {"alg": "RS256", "typ": "JWT", "kid": service_account["private_key_id"]}
    assert claims == {
        "iss": service_account["client_email"],
        "aud": "google",
        "typ": "savetowallet",
        "iat": int(NOW.timestamp()),
        "payload": {"loyaltyObjects": [{"id": OBJECT_ID}]},
    }


def test_item_39_41_a_fat_link_is_compact_utf8_and_short_enough(links: SaveLinks, service_account: Account) -> None:
    body = first_body(card_view(member={"full_name": "Éloïse Ça-Là"}), class_id=CLASS_ID)
    url = links.fat(body, FIRST_CLASS, now=NOW)
    assert len(url) - len(BASE) - 1 <= LONGEST_JWT
    assert opened(url, service_account)[1]["payload"] == {"loyaltyClasses": [FIRST_CLASS], "loyaltyObjects": [body]}
    claims = url.split(".")[-2]
    raw = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))
    assert "Éloïse Ça-Là".encode() in raw
    assert b'": ' not in raw
    assert "=" not in url


def test_item_39_a_link_that_browsers_would_cut_is_refused(links: SaveLinks) -> None:
    with pytest.raises(Invalid, match="characters long; 1800 is the most"):
        links.fat(the_object(card_view()), FIRST_CLASS, now=NOW)


def test_a_fat_link_carries_nothing_that_google_would_refuse(links: SaveLinks) -> None:
    body = first_body(card_view(), class_id=CLASS_ID)
    with pytest.raises(Invalid, match="state: should be one of"):
        links.fat({**body, "state": "active"}, FIRST_CLASS, now=NOW)


@pytest.mark.parametrize("name", ["client_email", "private_key", "token_uri"])
def test_item_03_an_incomplete_account_stops_the_start(service_account: Account, name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        SaveLinks({**service_account, name: ""}, save_url=BASE)


def test_item_03_a_key_that_is_none_stops_the_start(service_account: Account) -> None:
    broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    with pytest.raises(SettingsError, match="no usable private_key"):
        SaveLinks({**service_account, "private_key": broken}, save_url=BASE)
