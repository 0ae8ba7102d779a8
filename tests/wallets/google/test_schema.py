"""What Google would refuse is refused before it leaves. Numbers are those of google-wallet.md, section 25."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wallets.google.conftest import ISSUER, card_view
from tests.wallets.google.test_bodies import the_class, the_object
from wallet_service.errors import Invalid
from wallet_service.wallets.google.content import schema
from wallet_service.wallets.google.content.bodies import CLASS, OBJECT
from wallet_service.wallets.google.content.rules import is_public

Body = dict[str, Any]


def text(value: str) -> Body:
    return {"defaultValue": {"language": "fr", "value": value}}


def message(**changes: Any) -> Body:
    end = {"end": {"date": "2027-01-31T23:59:59+01:00"}}
    return {
        "id": "m1",
        "header": "Soldes",
        "body": "Dès demain",
        "messageType": "TEXT",
        "displayInterval": end,
        **changes,
    }


def put(name: str, value: object) -> Callable[[Body], None]:
    def change(body: Body) -> None:
        *path, last = name.split("/")
        for step in path:
            body = body[int(step)] if isinstance(body, list) else body[step]
        if value is ...:
            del body[last]
        else:
            body[last] = value

    return change


PLACE = {"latitude": 45.76, "longitude": 4.83}
MODULE = {"header": text("Soie"), "uri": "https://www.maison-lumiere.example/"}
ONE = {"item": {"firstValue": {"fields": [{"fieldPath": "object.accountName"}]}}}

WRONG: list[tuple[str, str, Callable[[Body], None], str]] = [
    ("item_04", OBJECT, put("id", "maison.card"), "id: should be the issuer's digits"),
    ("item_04b", OBJECT, put("classId", f"{ISSUER}.a b"), "classId: should be the issuer's digits"),
    ("item_06", CLASS, put("reviewStatus", "APPROVED"), "reviewStatus: should be UNDER_REVIEW or DRAFT"),
    *(
        (f"item_07_{name}", CLASS, put(name, ...), f"{name}: is missing")
        for name in ("id", "issuerName", "programName", "programLogo", "reviewStatus")
    ),
    *((f"item_08_{name}", OBJECT, put(name, ...), f"{name}: is missing") for name in ("id", "classId", "state")),
    ("item_09", OBJECT, put("loyaltyPoints/balance/string", "7"), r"loyaltyPoints\.balance: should hold exactly one"),
    (
        "item_09b",
        OBJECT,
        put("loyaltyPoints/balance/int", 2**31),
        r"loyaltyPoints\.balance\.int: .*whole number \(int32\)",
    ),
    ("item_09c", OBJECT, put("loyaltyPoints/balance", {}), r"loyaltyPoints\.balance: should hold exactly one"),
    (
        "item_10",
        OBJECT,
        put("loyaltyPoints/balance", {"money": {"currencyCode": "EUR", "micros": 5}}),
        r"loyaltyPoints\.balance\.money\.micros: should be a text that holds a whole number \(int64\)",
    ),
    ("item_10b", CLASS, put("redemptionIssuers", ["x"]), r"redemptionIssuers\[0\]: should hold a whole number"),
    ("item_10c", CLASS, put("redemptionIssuers", [str(2**63)]), r"redemptionIssuers\[0\]: should hold a whole number"),
    *(
        (f"item_11_{name}", CLASS, put(name, value), f"{name}: is deprecated")
        for name, value in (
            ("kind", "x"),
            ("version", "1"),
            ("infoModuleData", {}),
            ("wordMark", {}),
            ("locations", []),
            ("allowMultipleUsersPerObject", True),
        )
    ),
    ("item_11_url", CLASS, put("callbackOptions/updateRequestUrl", "https://x"), r"updateRequestUrl: is deprecated"),
    ("item_11_object", OBJECT, put("infoModuleData", {}), "infoModuleData: is deprecated"),
    ("item_12", OBJECT, put("state", "active"), "state: should be one of ACTIVE, COMPLETED, EXPIRED, INACTIVE"),
    ("item_12b", OBJECT, put("barcode/type", "qrCode"), r"barcode\.type: should be one of AZTEC"),
    ("item_12c", OBJECT, put("state", "STATE_UNSPECIFIED"), "state: should be one of"),
    ("item_13", OBJECT, put("merchantLocations", [PLACE] * 11), "merchantLocations: has 11 entries; 10 is the most"),
    (
        "item_13b",
        CLASS,
        put("merchantLocations", [{"latitude": 91, "longitude": 0}]),
        r"\[0\]\.latitude: should be betw",
    ),
    (
        "item_13c",
        OBJECT,
        put("merchantLocations", [{"latitude": 9.0}]),
        r"merchantLocations\[0\]\.longitude: is missing",
    ),
    (
        "item_13d",
        OBJECT,
        put("merchantLocations/0/latitude", float("nan")),
        r"\[0\]\.latitude: should be a finite number",
    ),
    ("item_14", OBJECT, put("messages", [message()] * 10), "messages: has 10 entries; 9 is the most"),
    ("item_14b", OBJECT, put("messages", [message(header="")]), r"messages\[0\]\.header: is missing"),
    ("item_14c", OBJECT, put("messages", [message(displayInterval={})]), r"displayInterval\.end: is missing"),
    (
        "item_15",
        OBJECT,
        put("messages", [message(messageType="EXPIRATION_NOTIFICATION")]),
        "is not supported by Google",
    ),
    ("item_16", OBJECT, put("textModulesData/0/id", "a.b"), r"textModulesData\[0\]\.id: .*without a dot"),
    (
        "item_16b",
        OBJECT,
        put("textModulesData", [{"id": str(n)} for n in range(11)]),
        "textModulesData: has 11 entries",
    ),
    ("item_16c", OBJECT, put("textModulesData", [{"id": "a"}] * 2), "textModulesData: a is the id of 2 modules"),
    (
        "item_17",
        CLASS,
        put("valueAddedModuleData", [{"uri": "https://x"}]),
        r"valueAddedModuleData\[0\]\.header: is miss",
    ),
    ("item_17b", CLASS, put("valueAddedModuleData", [MODULE] * 16), "valueAddedModuleData: has 16 entries"),
    (
        "item_17c",
        OBJECT,
        put("valueAddedModuleData", [{**MODULE, "header": text("x" * 61)}]),
        "longer than 60 characters",
    ),
    (
        "item_17d",
        OBJECT,
        put("valueAddedModuleData", [{**MODULE, "body": text("x" * 51)}]),
        "longer than 50 characters",
    ),
    (
        "item_18",
        CLASS,
        put("classTemplateInfo", {"cardTemplateOverride": {"cardRowTemplateInfos": [{"oneItem": ONE}] * 4}}),
        r"classTemplateInfo\.cardTemplateOverride\.cardRowTemplateInfos: has 4 rows; 3 is the most",
    ),
    (
        "item_18b",
        CLASS,
        put(
            "classTemplateInfo", {"cardTemplateOverride": {"cardRowTemplateInfos": [{"oneItem": ONE, "twoItems": {}}]}}
        ),
        r"cardRowTemplateInfos\[0\]: should hold exactly one of oneItem",
    ),
    ("item_19", CLASS, put("programLogo/contentDescription", ...), r"programLogo\.contentDescription: is missing"),
    (
        "item_19b",
        CLASS,
        put("programLogo/sourceUri/uri", "http://example.com/a.png"),
        r"sourceUri\.uri: should start with",
    ),
    ("item_19c", CLASS, put("programLogo/privateImageId", "x"), "programLogo: should hold exactly one of sourceUri"),
    (
        "item_20",
        OBJECT,
        put("validTimeInterval", {"start": {"date": "2027-01-01T00:00"}, "end": {"date": "2027-01-02T00:00Z"}}),
        "validTimeInterval: start and end should both have an offset",
    ),
    ("item_20b", OBJECT, put("validTimeInterval", {"end": {"date": "tomorrow"}}), r"end\.date: should look like 2027"),
    *(
        (f"item_21_{name}", OBJECT, put(name, value), f"{name}: is written by Google only")
        for name, value in (("classReference", {}), ("hasUsers", True), ("hasLinkedDevice", False))
    ),
    ("item_22", OBJECT, put("loyaltyPoint", {}), "loyaltyPoint: LoyaltyObject has no such member"),
    ("item_22b", OBJECT, put("accountName", 7), "accountName: should be a text"),
    ("item_22c", OBJECT, put("loyaltyPoints", []), r"loyaltyPoints: should be an object \(LoyaltyPoints\)"),
    ("item_22d", OBJECT, put("textModulesData", {}), "textModulesData: should be an array"),
    ("item_22e", CLASS, put("enableSmartTap", "yes"), "enableSmartTap: should be true or false"),
    ("item_22f", OBJECT, put("loyaltyPoints/balance/int", True), "int: should be a whole number"),
    ("null", OBJECT, put("accountName", None), "accountName: is null; leave it out"),
    ("colour", CLASS, put("hexBackgroundColor", "navy"), "hexBackgroundColor: should be #rrggbb"),
    (
        "callback",
        CLASS,
        put("callbackOptions/url", "http://cards.example.com/"),
        r"callbackOptions\.url: should start with",
    ),
    (
        "link",
        CLASS,
        put("linksModuleData/uris/0/uri", "www.example.com"),
        r"uris\[0\]\.uri: should start with https://",
    ),
    ("barcode", OBJECT, put("barcode/type", "TEXT_ONLY"), r"barcode\.alternateText: does not go with TEXT_ONLY"),
]


@pytest.mark.parametrize(("name", "kind", "change", "fault"), WRONG, ids=[row[0] for row in WRONG])
def test_a_wrong_body_is_refused_with_its_path(
    name: str, kind: str, change: Callable[[Body], None], fault: str
) -> None:
    card = card_view()
    body = copy.deepcopy(the_class(card.template) if kind == CLASS else the_object(card))
    schema.require_valid(kind, body)
    change(body)
    with pytest.raises(Invalid, match=fault) as refusal:
        schema.require_valid(kind, body)
    assert len(refusal.value.faults) <= 2


def test_right_bodies_of_every_rule_pass() -> None:
    body = the_object(card_view())
    body["messages"] = [message(id=str(number)) for number in range(9)]
    body["valueAddedModuleData"] = [MODULE]
    body["validTimeInterval"] = {"start": {"date": "2027-01-01T00:00"}, "end": {"date": "2027-01-02T00:00"}}
    body["merchantLocations"] = [{"latitude": -90, "longitude": 180.0}] * 10
    schema.require_valid(OBJECT, body)
    override = {"cardTemplateOverride": {"cardRowTemplateInfos": [{"oneItem": ONE}] * 3}}
    schema.require_valid(CLASS, {**the_class(card_view().template), "classTemplateInfo": override})


def test_a_patch_may_hold_nulls_and_lack_the_rest() -> None:
    schema.require_valid(OBJECT, {"heroImage": None, "textModulesData": []}, partial=True)
    with pytest.raises(Invalid, match=r"merchantLocations\[0\]\.latitude: is null"):
        schema.require_valid(OBJECT, {"merchantLocations": [{"latitude": None}]}, partial=True)


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://cards.example.com/a.png", True),
        ("http://cards.example.com/a.png", False),
        ("http://127.0.0.1:8000/a.png", True),
        ("http://127.0.0.1.example.com/a.png", False),
        ("https:///a.png", False),
        ("ftp://cards.example.com/a.png", False),
    ],
)
def test_what_google_can_fetch(url: str, public: bool) -> None:
    assert is_public(url) is public


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(sorted(schema.schemas()[OBJECT]["properties"])), JSON, max_size=6), st.booleans()
)
def test_no_body_makes_the_check_itself_fail(body: Body, partial: bool) -> None:
    for fault in schema.faults_in(OBJECT, body, partial=partial):
        assert fault.message


def test_the_schema_is_google_s_own_unchanged() -> None:
    raw = (files("wallet_service.wallets.google.content") / "data" / "walletobjects.v1.json").read_bytes()
    assert hashlib.sha256(raw).hexdigest() == "dfd194996f006282fdc9c67b0f50cd8479ed178100967bbd11c61bdecd7c8245"
