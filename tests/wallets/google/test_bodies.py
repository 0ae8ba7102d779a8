"""Classes and objects, as they leave the system. Numbers are those of google-wallet.md, section 25."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wallets.google.conftest import ISSUER, OBJECT_ID, PROGRAM, card_view, composer
from wallet_service.cards.template import Template
from wallet_service.errors import Invalid
from wallet_service.offers.facts import Place
from wallet_service.values import Money
from wallet_service.wallets.google.content import schema
from wallet_service.wallets.google.content.bodies import (
    CLASS,
    OBJECT,
    class_body,
    class_id_of,
    faults_in_raw_keys,
    first_body,
    new_object_id,
    object_body,
    patch_of,
)
from wallet_service.wallets.google.content.rules import FULL_ID
from wallet_service.wallets.protocol import CardView

GOLDEN = Path(__file__).parents[2] / "golden" / "google"
CLASS_ID = f"{ISSUER}.t-lumiere-points-card"
MOST = 2**31 - 1


def the_class(template: Template) -> dict[str, Any]:
    return class_body(
        PROGRAM,
        template,
        class_id=class_id_of(PROGRAM, template.template_id, "t-"),
        image_url=lambda name: f"https://cards.example.com/c/images/0123/{name}.png",
        callback_url="https://cards.example.com/google/callback",
    )


def the_object(card: CardView) -> dict[str, Any]:
    return object_body(card, class_id=CLASS_ID)


@pytest.mark.parametrize("design", ["points-card", "stamp-card"])
def test_golden_class(design: str) -> None:
    body = the_class(composer(design).template)
    assert body == json.loads((GOLDEN / f"{design}.class.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("locale", ["fr", "en"])
@pytest.mark.parametrize("design", ["points-card", "stamp-card"])
def test_golden_object(design: str, locale: str) -> None:
    body = object_body(card_view(design, locale), class_id=f"{ISSUER}.t-lumiere-{design}")
    assert body == json.loads((GOLDEN / f"{design}.object.{locale}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("design", ["points-card", "stamp-card"])
@pytest.mark.parametrize("void", [False, True])
def test_item_22_every_body_and_every_patch_fits_google_s_schema(design: str, void: bool) -> None:
    """Items 6 to 13, 16 and 19 hold as well: they are rules of the same check."""
    card = card_view(design, card={"voided": void})
    for name, body in ((CLASS, the_class(card.template)), (OBJECT, the_object(card))):
        schema.require_valid(name, body)
        schema.require_valid(name, patch_of(name, body), partial=True)
    schema.require_valid(OBJECT, first_body(card, class_id=CLASS_ID))


def test_item_04_ids_keep_two_installations_apart() -> None:
    one, other = class_id_of(PROGRAM, "points-card", "prod-"), class_id_of(PROGRAM, "points-card", "stg-")
    assert one != other
    assert FULL_ID.fullmatch(one)
    assert FULL_ID.fullmatch(new_object_id(ISSUER, "prod-"))
    assert new_object_id(ISSUER, "prod-").startswith(f"{ISSUER}.prod-")


def test_item_05_object_ids_say_nothing_and_never_repeat() -> None:
    ids = {new_object_id(ISSUER) for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(rf"{ISSUER}\.[0-9a-f]{{32}}", object_id) for object_id in ids)


@given(st.from_regex(r"[a-z][a-z0-9-]{1,47}", fullmatch=True), st.from_regex(r"[A-Za-z0-9_-]{0,16}", fullmatch=True))
def test_class_ids_stay_short_and_apart(name: str, prefix: str) -> None:
    program = replace(PROGRAM, program_id=name)
    ids = [class_id_of(program, f"design-{'x' * 40}{number}", prefix) for number in range(2)]
    assert ids[0] != ids[1]
    assert all(len(class_id.partition(".")[2]) <= 64 and FULL_ID.fullmatch(class_id) for class_id in ids)


def test_a_programme_that_is_not_on_google_has_no_class() -> None:
    with pytest.raises(Invalid, match="the programme lumiere is not on Google"):
        class_id_of(replace(PROGRAM, issuer_id=None), "points-card")
    with pytest.raises(Invalid, match="has no object at Google"):
        the_object(replace(card_view(), google_object_id=None))


@pytest.mark.parametrize(
    ("points", "balance"),
    [
        (0, {"int": 0}),
        (MOST, {"int": MOST}),
        (-(2**31), {"int": -(2**31)}),
        (MOST + 1, {"string": "2\N{NARROW NO-BREAK SPACE}147\N{NARROW NO-BREAK SPACE}483\N{NARROW NO-BREAK SPACE}648"}),
    ],
)
def test_item_09_a_number_too_large_for_google_becomes_text(points: int, balance: dict[str, Any]) -> None:
    body = the_object(card_view(balance={"points": points}))
    assert body["loyaltyPoints"]["balance"] == balance
    schema.require_valid(OBJECT, body)


@pytest.mark.parametrize(
    ("money", "micros"),
    [
        (Money(amount=1840, currency="EUR"), "18400000"),
        (Money(amount=-5, currency="EUR"), "-50000"),
        (Money(amount=1840, currency="JPY"), "1840000000"),
        (Money(amount=1840, currency="TND"), "1840000"),
    ],
)
def test_item_10_money_travels_as_micros_in_text(money: Money, micros: str) -> None:
    card = card_view()
    fields = tuple(
        field.model_copy(update={"kind": "money", "value": money}) if field.id == "points" else field
        for field in card.content.fields
    )
    body = the_object(replace(card, content=card.content.model_copy(update={"fields": fields})))
    assert body["loyaltyPoints"]["balance"] == {"money": {"currencyCode": money.currency, "micros": micros}}
    schema.require_valid(OBJECT, body)


def test_item_56_a_voided_card_is_inactive_and_has_no_barcode() -> None:
    body = the_object(card_view(card={"voided": True}))
    assert body["state"] == "INACTIVE"
    assert "barcode" not in body
    patch = patch_of(OBJECT, body)
    assert patch["barcode"] is None


def test_item_30_31_a_patch_names_what_is_gone() -> None:
    full, poor = (
        the_object(card_view()),
        the_object(card_view(offer=None, store=None, balance={"vouchers": ()}, places=())),
    )
    patch = patch_of(OBJECT, poor)
    for name in full:
        assert name in patch or name == "id"
    assert patch["textModulesData"] == patch["merchantLocations"] == []
    assert patch["loyaltyPoints"]["balance"] == {"int": 1250, "string": None, "double": None, "money": None}
    assert patch_of(CLASS, {**the_class(card_view().template), "heroImage": None})["heroImage"] is None


def test_a_patch_leaves_messages_and_links_alone() -> None:
    patch = patch_of(OBJECT, the_object(card_view()))
    untouched = {
        "messages",
        "linkedObjectIds",
        "linkedOfferIds",
        "hasUsers",
        "classReference",
        "notifyPreference",
        "infoModuleData",
    }
    assert untouched.isdisjoint(patch)


def test_item_13_the_places_of_the_card_go_to_the_object() -> None:
    places = tuple(Place(store_id=str(index), latitude=45 + index / 100, longitude=4.8) for index in range(10))
    body = the_object(card_view(places=places))
    assert body["merchantLocations"][9] == {"latitude": 45.09, "longitude": 4.8}
    assert len(body["merchantLocations"]) == 10


def with_google(google: dict[str, Any]) -> Template:
    template = composer("points-card").template
    return replace(template, document=template.document.model_copy(update={"google": google}))


def test_raw_keys_of_the_design_go_to_google() -> None:
    template = with_google(
        {"class": {"countryCode": "FR"}, "object": {"passConstraints": {"nfcConstraint": ["BLOCK_PAYMENT"]}}}
    )
    assert faults_in_raw_keys(template) == []
    assert the_class(template)["countryCode"] == "FR"
    assert the_object(replace(card_view(), template=template))["passConstraints"]["nfcConstraint"] == ["BLOCK_PAYMENT"]


@pytest.mark.parametrize(
    ("google", "fault"),
    [
        (
            {"klass": {}},
            "google.klass: unknown table; there are google.class, google.object and google.rotating_barcode",
        ),
        ({"class": 3}, "google.class: should be a table"),
        ({"class": {"id": "1.x"}}, "google.class.id: is set by the service"),
        ({"object": {"hasUsers": True}}, "google.object.hasUsers: is set by the service"),
        ({"class": {"countrycode": "FR"}}, "google.class.countrycode: LoyaltyClass has no such member"),
        (
            {"class": {"viewUnlockRequirement": "always"}},
            "google.class.viewUnlockRequirement: should be one of UNLOCK_NOT",
        ),
    ],
)
def test_a_wrong_raw_key_is_refused_with_its_path(google: dict[str, Any], fault: str) -> None:
    assert [str(found)[: len(fault)] for found in faults_in_raw_keys(with_google(google))] == [fault]


def test_the_object_s_id_is_the_card_s() -> None:
    assert the_object(card_view())["id"] == OBJECT_ID
