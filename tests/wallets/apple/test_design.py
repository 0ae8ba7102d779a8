# ruff: noqa: E501  (a table is read line by line)
"""What a design's `[apple]` table can ask for, and how wrong designs are refused (checklist 12, 24, 28, 38, 44)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.wallets.apple.conftest import (
    CARD,
    DOCUMENT,
    IMAGES,
    NOW,
    PROGRAM,
    SERVICE,
    TEMPLATE,
    Chain,
    card_with,
    files_of,
    make_template,
    png,
)
from wallet_service.cards.content import Barcode, CardContent
from wallet_service.cards.template import ImageName, Template, TemplateDocument
from wallet_service.wallets.apple.certificates import PassIdentity
from wallet_service.wallets.apple.checking.check import check_bundle
from wallet_service.wallets.apple.new_keys import make_reader_key
from wallet_service.wallets.apple.passes.archive import PassBuilder
from wallet_service.wallets.apple.passes.design import template_faults
from wallet_service.wallets.apple.passes.pass_json import pass_json
from wallet_service.wallets.apple.passes.rules import Rules, validate
from wallet_service.wallets.protocol import CardView

MORE_IMAGES: dict[ImageName, bytes] = IMAGES | {
    "artwork": png(1074, 1344), "primary_logo": png(378, 90), "personalization_logo": png(450, 120),
}  # fmt: skip
PERSONALIZATION = {"description": "terms", "fields": ["name", "email"], "terms": "contact"}


def design(images: dict[ImageName, bytes] | None = None, **changes: Any) -> Template:
    document = TemplateDocument.model_validate(DOCUMENT.model_dump() | changes)
    return make_template(document, MORE_IMAGES if images is None else images)


def composed(card: CardView) -> dict[str, Any]:
    document = pass_json(card, web_service_url=SERVICE)
    assert validate(document, Rules(nfc=True)) == []
    return document


def of(template: Template, **content: object) -> CardView:
    return card_with(template=template, **content)


POSTER = {"poster": {"header": ["points"], "primary": ["tier", "cashback"], "footer": ["until"]}}


def test_item_24_a_poster_stands_beside_the_old_style() -> None:
    template = design(apple=POSTER)
    assert template_faults(template) == []
    document = composed(of(template))
    poster = document["posterGeneric"]
    assert [field["key"] for field in poster["primaryFields"]] == ["tier", "cashback"]
    assert "label" not in poster["primaryFields"][0], "drawn as the title"
    assert poster["primaryFields"][1]["label"] == "Cagnotte"
    assert [field["key"] for field in poster["footerFields"]] == ["until"]
    assert poster["headerFields"][0]["changeMessage"] == "Vous avez maintenant %@ points"
    assert document["storeCard"]["headerFields"][0]["label"] == "Points"


def test_a_poster_ships_its_images(identity: PassIdentity, chain: Chain) -> None:
    bundle = PassBuilder(identity, web_service_url=SERVICE).build(of(design(apple=POSTER)), at=NOW)
    files = files_of(bundle)
    assert {"artwork@2x.png", "primaryLogo@3x.png", "strip@2x.png"} <= files.keys()
    assert check_bundle(bundle, now=NOW, trust=chain.trust) == []


def test_looks_colour_the_card_by_its_tier() -> None:
    gold = {"background": "#D4AF37", "text": "#000000", "label": "#202020"}
    template = design(looks={"value": "balance.tier", "cases": {"Or": gold}})
    assert composed(of(template, look="Or"))["backgroundColor"] == "rgb(212, 175, 55)"
    assert composed(of(template))["backgroundColor"] == "rgb(31, 58, 46)"


def test_item_28_the_end_of_a_card() -> None:
    template = design(expires="offer.ends_at")
    document = composed(of(template, expires_at="2027-12-31T23:59:59+01:00"))
    assert document["expirationDate"] == "2027-12-31T23:59:59+01:00"


def test_item_38_nfc_needs_the_programmes_key() -> None:
    template = design(apple={"nfc": {"requiresAuthentication": True}})
    assert template_faults(template) == []
    assert "nfc" not in composed(of(template)), "the programme has no key: the design still works"
    key = make_reader_key().public_base64
    card = replace(of(template), program=replace(PROGRAM, nfc_key=key))
    assert composed(card)["nfc"] == {
        "message": "M7HK2MQ9XT4", "encryptionPublicKey": key, "requiresAuthentication": True,
    }  # fmt: skip
    long = replace(card, content=card.content.model_copy(update={"barcode": Barcode(format="qr", value="9" * 65)}))
    assert "nfc" not in composed(long), "a reader takes 64 bytes; the barcode can carry more"


def test_nfc_comes_out_of_a_compiled_template_as_well(identity: PassIdentity) -> None:
    program = replace(PROGRAM, nfc_key=make_reader_key().public_base64)
    card = replace(of(design(apple={"nfc": {}})), program=program)
    builder = PassBuilder(identity, web_service_url=SERVICE, rules=Rules(nfc=True))
    for number in ("M1", "M2"):
        own = replace(card, content=card.content.model_copy(update={"barcode": Barcode(format="qr", value=number)}))
        assert json.loads(files_of(builder.build(own, at=NOW))["pass.json"])["nfc"]["message"] == number


def test_item_66_a_nameless_card_asks_for_the_name(identity: PassIdentity, chain: Chain) -> None:
    template = design(apple={"nfc": {}, "personalization": PERSONALIZATION})
    assert template_faults(template) == []
    program = replace(PROGRAM, nfc_key=make_reader_key().public_base64, sign_up=True)
    builder = PassBuilder(identity, web_service_url=SERVICE, rules=Rules(nfc=True))
    nameless = builder.build(replace(of(template, nameless=True), program=program), at=NOW)
    assert json.loads(files_of(nameless)["personalization.json"]) == {
        "description": "Conditions",
        "requiredPersonalizationFields": ["PKPassPersonalizationFieldName", "PKPassPersonalizationFieldEmailAddress"],
        "termsAndConditions": "Nous écrire",
    }
    assert [one for one in check_bundle(nameless, now=NOW, trust=chain.trust) if one.severity == "error"] == []
    named = builder.build(replace(of(template), program=program), at=NOW)
    switched_off = builder.build(replace(of(template, nameless=True), program=replace(program, sign_up=False)), at=NOW)
    assert "personalization.json" not in files_of(named).keys() | files_of(switched_off).keys()


def test_item_12_one_pass_for_all_languages(identity: PassIdentity, chain: Chain) -> None:
    template = design(apple={"localized": True})
    assert template_faults(template) == []
    bundle = PassBuilder(identity, web_service_url=SERVICE).build(of(template), at=NOW)
    files = files_of(bundle)
    assert {"fr.lproj/pass.strings", "en.lproj/pass.strings"} <= files.keys()
    english = files["en.lproj/pass.strings"]
    assert english.startswith((b"\xff\xfe", b"\xfe\xff"))
    assert '"Statut" = "Tier";' in english.decode("utf-16")
    assert '"Vous avez maintenant %@ points" = "You now have %@ points";' in english.decode("utf-16")
    assert check_bundle(bundle, now=NOW, trust=chain.trust) == []


def test_a_language_has_its_own_images(identity: PassIdentity) -> None:
    template = replace(TEMPLATE, digest="own images", local_images={"en": {"strip": png(1125, 432, mark="#ff0000")}})
    builder = PassBuilder(identity, web_service_url=SERVICE)
    french, english = (files_of(builder.build(of(template, locale=tag), at=NOW)) for tag in ("fr", "en"))
    assert french["strip.png"] != english["strip.png"]
    assert french["logo.png"] == english["logo.png"]


def test_a_boarding_pass(identity: PassIdentity, chain: Chain) -> None:
    template = design(
        images={**MORE_IMAGES, "footer": png(804, 45)}, apple={"boardingPass": {"transitType": "PKTransitTypeTrain"}}
    )
    assert template_faults(template) == []
    files = files_of(PassBuilder(identity, web_service_url=SERVICE).build(of(template), at=NOW))
    assert json.loads(files["pass.json"])["boardingPass"]["transitType"] == "PKTransitTypeTrain"
    assert "footer@2x.png" in files
    assert "strip.png" not in files


EVENT: dict[str, Any] = {
    "style": "event_ticket",
    "apple": {
        "relevantDates": [{"startDate": "2026-12-12T18:00+01:00", "endDate": "2026-12-12T23:00+01:00"}],
        "groupingIdentifier": "soirees",
        "semantics": {"eventName": "Soirée privée", "venueName": "Lyon République"},
        "fields": {"until": {"row": 1}},
    },
}


def test_an_event_ticket_with_what_only_events_have() -> None:
    template = design(**EVENT)
    assert template_faults(template) == []
    document = composed(of(template))
    assert document["eventTicket"]["auxiliaryFields"][0]["row"] == 1
    assert document["semantics"]["venueName"] == "Lyon République"


def test_ean13_for_french_tills_with_its_fallbacks() -> None:
    template = design(barcode={"formats": ["ean13", "code128", "qr"], "value": "member.card_number"})
    document = composed(of(template, barcode=Barcode(format="ean13", value="4006381333931")))
    assert [code["format"] for code in document["barcodes"]] == [
        "PKBarcodeFormatEAN13", "PKBarcodeFormatCode128", "PKBarcodeFormatQR",
    ]  # fmt: skip


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a raw key of a wrong kind": ({"apple": {"associatedStoreIdentifiers": ["1"]}}, "apple.associatedStoreIdentifiers[0]"),
    "a wrong action": (
        {"apple": {"featuredActions": [{"identifier": "a", "type": "dance", "url": "https://a.example"}]}},
        "apple.featuredActions[0].type",
    ),
    "an action in the clear": (
        {"apple": {"featuredActions": [{"identifier": "a", "type": "shop", "url": "http://a.example"}]}},
        "apple.featuredActions[0].url",
    ),
    "a wrong semantic value": ({"apple": {"semantics": {"balance": 12}}}, "apple.semantics.balance"),
    "dates on a store card": ({"apple": {"relevantDate": "2026-12-12T18:00Z"}}, "apple.relevantDate"),
    "an event's key": ({"apple": {"bagPolicyURL": "https://a.example"}}, "apple.bagPolicyURL"),
    "grouping store cards": ({"apple": {"groupingIdentifier": "x"}}, "apple.groupingIdentifier"),
    "a beacon's UUID": ({"apple": {"beacons": [{"proximityUUID": "x"}]}}, "apple.beacons[0].proximityUUID"),
    "a launch without an app": ({"apple": {"appLaunchURL": "app://x"}}, "apple.appLaunchURL"),
    "a poster of unknown fields": ({"apple": {"poster": {"primary": ["nobody"]}}}, "apple.poster.primary[0]"),
    "a poster of five": ({"apple": {"poster": {"primary": ["points"] * 5}}}, "apple.poster.primary"),
    "a poster with a twin": (
        {"apple": {"poster": {"header": ["points"], "primary": ["points"]}}}, "pass.json posterGeneric keys",
    ),
    "an unknown word of a poster": ({"apple": {"poster": {"primary": ["points"], "feet": []}}}, "apple.poster.feet"),
    "a form without the name": (
        {"apple": {"nfc": {}, "personalization": {"description": "terms", "fields": ["email"]}}},
        "apple.personalization.fields",
    ),
    "a form without NFC": ({"apple": {"personalization": PERSONALIZATION}}, "apple.personalization"),
    "an unknown question": (
        {"apple": {"personalization": {"description": "terms", "fields": ["name", "shoe size"]}}},
        "apple.personalization.fields[1]",
    ),
    "a journey of no kind": ({"apple": {"boardingPass": {"transitType": "PKTransitTypeFoot"}}}, "apple.boardingPass.transitType"),
    "localized, perhaps": ({"apple": {"localized": "yes"}}, "apple.localized"),
    "a field's key of a wrong kind": ({"apple": {"fields": {"tier": {"row": 1}}}}, "pass.json storeCard.secondaryFields[0].row"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_designs_are_refused_with_their_path(case: str) -> None:
    changes, path = REFUSED[case]
    assert path in [fault.path for fault in template_faults(design(**changes))]


def test_texts_that_only_one_language_tells_apart() -> None:
    words = {"fr": {**TEMPLATE.words["fr"], "tier": "Points"}, "en": dict(TEMPLATE.words["en"])}
    template = replace(design(apple={"localized": True}), words=words)
    (fault,) = template_faults(template)
    assert fault.path == "words/fr.toml"
    assert "read alike here" in fault.message


def test_missing_images_of_a_poster_and_of_a_form() -> None:
    bare: dict[ImageName, bytes] = dict(IMAGES)
    form = {"nfc": {}, "personalization": PERSONALIZATION} | POSTER
    assert {fault.path for fault in template_faults(design(images=bare, apple=form))} == {
        "images/artwork.png", "images/personalization_logo.png",
    }  # fmt: skip


def test_a_strip_and_a_background_exclude_each_other() -> None:
    images: dict[ImageName, bytes] = {**MORE_IMAGES, "background": png(1029, 1509)}
    assert [fault.path for fault in template_faults(design(images=images, style="event_ticket"))] == [
        "images/strip.png"
    ]


def test_the_digest_of_old_cards_stays() -> None:
    """A release that adds optional parts to the content must not announce every card again."""
    content = CARD.content
    visible = content.model_dump(mode="json", exclude={"notify_field", "look", "expires_at", "nameless"})
    assert CardContent.model_validate(visible).digest() == content.digest()
    assert content.model_copy(update={"look": "Or"}).digest() != content.digest()
