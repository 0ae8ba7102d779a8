"""Google's signed messages. Numbers are those of google-wallet.md, section 25."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Event, Thread
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wallet_service.errors import Forbidden, Invalid, Unreachable
from wallet_service.wallets.google.callbacks.root_keys import FetchedKeys, KeyCache, lifetime_of
from wallet_service.wallets.google.callbacks.signed_messages import UnknownSigner, root_keys, verified

FILE = json.loads((Path(__file__).parents[2] / "data/google/callback-test-vectors.json").read_text(encoding="utf-8"))
VECTORS: dict[str, dict[str, Any]] = {vector["name"]: vector for vector in FILE["vectors"]}
ISSUERS = {FILE["issuerId"]}
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


def raw(vector: dict[str, Any]) -> bytes:
    body = vector["body"]
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def published(vector: dict[str, Any]) -> bytes:
    return json.dumps(vector.get("keysResponse", FILE["keysResponse"])).encode()


WHY = {
    "tampered-message": "signature does not fit",
    "trailing-space": "signature does not fit",
    "other-issuer": "signature does not fit",
    "wrong-sender": "no key of Google's signed",
    "expired-message": "message has expired",
    "expired-intermediate": "intermediate key has expired",
    "expired-root": "no key of Google's signed",
    "unknown-root": "no key of Google's signed",
    "wrong-protocol": "protocolVersion",
    "missing-intermediate": "lacks intermediateSigningKey",
    "foreign-ids": "no issuer of ours",
}
GOOD = raw(VECTORS["save-ok"])
KEYS = published(VECTORS["save-ok"])


@pytest.mark.parametrize("name", VECTORS)
def test_item_43_44_45_46_every_vector_gives_its_result(name: str) -> None:
    vector = VECTORS[name]
    issuers = {vector.get("issuerId", FILE["issuerId"])}
    if vector["expect"] == "accept":
        event = verified(raw(vector), issuer_ids=issuers, keys=root_keys(published(vector)), now=NOW)
        message = json.loads(vector["body"]["signedMessage"])
        assert (event.kind, event.class_id) == (message["eventType"], message["classId"])
        assert (event.object_id, event.nonce) == (message["objectId"], message["nonce"])
    else:
        with pytest.raises((Forbidden, Invalid), match=WHY[name]):
            verified(raw(vector), issuer_ids=issuers, keys=root_keys(published(vector)), now=NOW)


def test_both_results_are_among_the_vectors() -> None:
    assert sorted(vector["expect"] for vector in VECTORS.values()) == ["accept"] * 3 + ["reject"] * 11


def test_a_message_for_another_issuer_is_refused() -> None:
    with pytest.raises(Forbidden, match="no issuer of ours"):
        verified(GOOD, issuer_ids={"3388000000099999999"}, keys=root_keys(KEYS), now=NOW)


def test_item_46_time_alone_makes_a_good_message_bad() -> None:
    late = datetime(2099, 1, 2, tzinfo=UTC)
    with pytest.raises(Forbidden):
        verified(GOOD, issuer_ids=ISSUERS, keys=root_keys(KEYS), now=late)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "is not JSON"),
        (b"[]", "should be a JSON object"),
        (b"{}", "lacks protocolVersion"),
        (GOOD.replace(b"ECv2SigningOnly", b"ECv1"), "protocolVersion: should be ECv2SigningOnly"),
        (GOOD.replace(b'"signature": "ME', b'"signature": "*M'), "signature: is not base64"),
        (b" " * 70_000, "longer than 65536 bytes"),
    ],
)
def test_what_is_no_callback_is_refused_with_its_path(body: bytes, path: str) -> None:
    with pytest.raises(Invalid, match=path):
        verified(body, issuer_ids=ISSUERS, keys=root_keys(KEYS), now=NOW)


NO_KEY = b'{"keys": [{"keyValue": "AAAA", "protocolVersion": "ECv2SigningOnly", "keyExpiration": "1"}]}'


@pytest.mark.parametrize("keys", [b"", b"{}", b'{"keys": 1}', NO_KEY])
def test_a_broken_list_of_keys_is_refused(keys: bytes) -> None:
    with pytest.raises(Invalid):
        root_keys(keys)


class KeyServer:
    """Answers with `body` for `lifetime`, or not at all; counts."""

    def __init__(self, lifetime: timedelta = timedelta(hours=10)) -> None:
        self.body, self.lifetime, self.away, self.calls = KEYS, lifetime, False, 0

    def __call__(self) -> FetchedKeys:
        self.calls += 1
        if self.away:
            raise Unreachable("the key server is away")
        return FetchedKeys(self.body, self.lifetime)


def inline(server: KeyServer) -> KeyCache:
    return KeyCache(server, spawn=lambda work: work())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache-Control": "public, max-age=600"}, 600),
        ({"Cache-Control": "max-age=600", "Age": "450"}, 150),
        ({"Cache-Control": "MAX-AGE=600", "Age": "900"}, 0),
        ({"Cache-Control": 's-maxage=5, max-age="60"'}, 60),
        ({"Cache-Control": "no-transform"}, 3600),
        ({}, 3600),
    ],
)
def test_item_48_max_age_and_age_are_honoured(headers: dict[str, str], seconds: int) -> None:
    assert lifetime_of(headers) == timedelta(seconds=seconds)


def test_item_48_keys_are_kept_renewed_at_half_and_fetched_again_at_the_end() -> None:
    server = KeyServer()
    cache = inline(server)
    for after, calls in ((0, 1), (4.9, 1), (5, 2), (9.9, 2), (10, 3), (30, 4)):
        cache.verify(GOOD, issuer_ids=ISSUERS, now=NOW + timedelta(hours=after))
        assert server.calls == calls, f"after {after} hours"


def test_item_48_keys_are_not_kept_beyond_their_own_expiry() -> None:
    server = KeyServer(lifetime=timedelta(days=400))
    cache = inline(server)
    eve = datetime(2098, 12, 31, 23, 0, tzinfo=UTC)
    cache.keys(eve)
    with pytest.raises(Unreachable, match="have all expired"):
        cache.keys(eve + timedelta(hours=1))


def test_item_48_forged_messages_do_not_make_us_hammer_google() -> None:
    server = KeyServer(lifetime=timedelta(0))
    cache = inline(server)
    forged = raw(VECTORS["unknown-root"])
    for second in range(59):
        with pytest.raises(UnknownSigner):
            cache.verify(forged, issuer_ids=ISSUERS, now=NOW + timedelta(seconds=second))
    assert server.calls == 2 + 1  # the first fetch, one forced, one renewal at half of the shortest life


def test_item_48_one_flight_for_many_callers() -> None:
    landed, waiting, calls = Event(), Barrier(8), []

    def fetch() -> FetchedKeys:
        calls.append(1)
        landed.wait(5)
        return FetchedKeys(KEYS, timedelta(hours=1))

    cache = KeyCache(fetch)

    def ask() -> None:
        waiting.wait(5)
        cache.verify(GOOD, issuer_ids=ISSUERS, now=NOW)

    callers = [Thread(target=ask) for _ in range(7)]
    for caller in callers:
        caller.start()
    waiting.wait(5)
    landed.set()
    for caller in callers:
        caller.join(5)
    assert len(calls) == 1


def test_changed_keys_are_found_at_the_first_message_they_sign() -> None:
    server = KeyServer()
    server.body = json.dumps({"keys": [{**FILE["keysResponse"]["keys"][1], "keyValue": _another_key()}]}).encode()
    cache = inline(server)
    with pytest.raises(UnknownSigner):
        cache.verify(GOOD, issuer_ids=ISSUERS, now=NOW)
    server.body = KEYS
    with pytest.raises(UnknownSigner):
        cache.verify(GOOD, issuer_ids=ISSUERS, now=NOW + timedelta(minutes=4))
    event = cache.verify(GOOD, issuer_ids=ISSUERS, now=NOW + timedelta(minutes=5))
    assert event.kind == "save"


def _another_key() -> str:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def test_item_49_key_server_away_with_an_empty_cache_is_unreachable() -> None:
    server = KeyServer()
    server.away = True
    cache = inline(server)
    for _ in range(3):
        with pytest.raises(Unreachable):
            cache.verify(GOOD, issuer_ids=ISSUERS, now=NOW)
    assert server.calls == 1
    server.away = False
    assert cache.verify(GOOD, issuer_ids=ISSUERS, now=NOW + timedelta(seconds=5)).kind == "save"


def test_item_49_key_server_away_with_a_valid_cache_works() -> None:
    server = KeyServer()
    cache = inline(server)
    cache.verify(GOOD, issuer_ids=ISSUERS, now=NOW)
    server.away = True
    assert cache.verify(GOOD, issuer_ids=ISSUERS, now=NOW + timedelta(hours=9)).kind == "save"
    with pytest.raises(Unreachable):
        cache.verify(GOOD, issuer_ids=ISSUERS, now=NOW + timedelta(hours=10))
