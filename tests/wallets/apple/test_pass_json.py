"""From a card to pass.json, and what is refused (checklist 23 to 46)."""

from __future__ import annotations

import base64
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.wallets.apple.conftest import CARD, DOCUMENT, NOW, SERVICE, TEMPLATE, card_with, make_template
from wallet_service.cards.barcodes import SAMPLES
from wallet_service.cards.content import Barcode, BarcodeFormat, FieldContent
from wallet_service.cards.template import TemplateDocument
from wallet_service.errors import Invalid
from wallet_service.offers.facts import Place
from wallet_service.values import Money
from wallet_service.wallets.apple.passes.design import template_faults
from wallet_service.wallets.apple.passes.model import PassDocument
from wallet_service.wallets.apple.passes.pass_json import COMPUTED_KEYS, pass_json
from wallet_service.wallets.apple.passes.rules import Rules, findings_in, validate

BASE = pass_json(CARD, web_service_url=SERVICE)


def changed(**keys: Any) -> dict[str, Any]:
    """The good document with some keys replaced; None removes one."""
    document = deepcopy(BASE) | keys
    return {key: value for key, value in document.items() if value is not None}


def faults(document: dict[str, Any], rules: Rules | None = None) -> str:
    return "; ".join(str(fault) for fault in validate(document, rules))


def with_field(array: str, **extra: Any) -> dict[str, Any]:
    """The good document with one more field."""
    document = deepcopy(BASE)
    document["storeCard"].setdefault(array, []).append({"key": "extra", "value": "x"} | extra)
    return document


def design(**keys: Any) -> TemplateDocument:
    return TemplateDocument.model_validate(DOCUMENT.model_dump() | keys)


def test_the_card_as_a_document() -> None:
    assert validate(BASE) == []
    card = BASE["storeCard"]
    assert card["headerFields"] == [
        {
            "key": "points",
            "label": "Points",
            "value": 320,
            "numberStyle": "PKNumberStyleDecimal",
            "changeMessage": "Vous avez maintenant %@ points",
        }
    ]
    assert card["primaryFields"] == [{"key": "cashback", "label": "Cagnotte", "value": 79.9, "currencyCode": "EUR"}]
    assert card["auxiliaryFields"][0]["value"] == "2027-12-31T12:00:00Z"
    assert card["auxiliaryFields"][0]["ignoresTimeZone"] is True
    assert [field["key"] for field in card["backFields"]] == ["link_terms", "link_contact", "issuer"]
    assert BASE["backgroundColor"] == "rgb(31, 58, 46)"
    assert BASE["maxDistance"] == 80
    assert "internal" not in str(BASE), "a field without a slot on Apple is not there"


def test_the_service_address_and_names_are_the_programmes() -> None:
    assert BASE["webServiceURL"] == SERVICE
    assert BASE["organizationName"] == "Maison Lumière"
    assert BASE["serialNumber"] == CARD.serial_number
    assert BASE["authenticationToken"] == CARD.auth_token


def test_item_41_only_the_notifying_field_has_a_message() -> None:
    silent = pass_json(card_with(notify_field=None), web_service_url=SERVICE)
    assert "changeMessage" not in str(silent)
    mute = pass_json(card_with(notify_field="cashback"), web_service_url=SERVICE)
    assert "changeMessage" not in str(mute), "a field without words stays silent"
    english = pass_json(card_with(locale="en-GB"), web_service_url=SERVICE)
    assert english["storeCard"]["headerFields"][0]["changeMessage"] == "You now have %@ points"
    assert english["storeCard"]["backFields"][-1]["label"] == "Issued by"


def test_a_field_with_notify_stays_on_the_pass_without_a_value() -> None:
    """C12: so that its first value is heard. Words of the design stand there, or a dash; never a message of them."""
    bare = tuple(field for field in CARD.content.fields if field.id not in ("points", "tier"))
    shown = pass_json(card_with(fields=bare, notify_field="points"), web_service_url=SERVICE)
    assert shown["storeCard"]["headerFields"] == [{"key": "points", "value": "–", "label": "Points"}]
    assert "secondaryFields" not in shown["storeCard"], "a field without notify leaves the pass"
    assert validate(shown) == []
    fields = [spec.model_dump() for spec in DOCUMENT.fields]
    for empty, expected in (("tier", "Statut"), ("", None)):
        fields[0]["empty"] = empty
        template = make_template(
            design(fields=fields, apple={"fields": {"points": {"numberStyle": "PKNumberStyleDecimal"}}})
        )
        shown = pass_json(card_with(template=template, fields=bare), web_service_url=SERVICE)
        values = [field["value"] for field in shown["storeCard"].get("headerFields", [])]
        assert values == ([expected] if expected else [])
        assert template_faults(template) == []
        assert validate(shown) == [], "a style for numbers is not put on words"
    erased = card_with(fields=(), voided=True, erased=True, barcode=None)
    assert "headerFields" not in pass_json(erased, web_service_url=SERVICE)["storeCard"]


@pytest.mark.parametrize("format_", ["code39", "codabar", "itf", "ean13", "code128"])
def test_item_36_a_code_that_not_every_phone_draws_has_those_behind_it_that_can_carry_it(
    format_: BarcodeFormat,
) -> None:
    """F23: what iOS 27 draws is followed by what older phones and watches draw; what cannot carry the value is not."""
    value = SAMPLES[format_]
    template = make_template(design(barcode={"formats": [format_, "itf", "code39", "code128"], "value": "x"}))
    assert template_faults(template) == []
    document = pass_json(
        card_with(template=template, barcode=Barcode(format=format_, value=value)), web_service_url=SERVICE
    )
    formats = [code["format"].removeprefix("PKBarcodeFormat") for code in document["barcodes"]]
    assert formats[-1] == "QR"
    assert formats.count("QR") == 1
    assert "Code128" in formats
    assert ("I2of5" in formats) is (format_ in ("itf", "ean13"))
    assert validate(document) == []


def test_item_36_a_value_drops_the_formats_that_cannot_carry_it() -> None:
    """A code outside Latin-1 does not break the pass by a Code 128 that follows its QR."""
    template = make_template(design(barcode={"formats": ["qr", "code128", "pdf417"], "value": "x"}))
    for value, expected in (("M7", ["QR", "Code128", "PDF417"]), ("été", ["QR", "PDF417"]), ("Łódź", ["QR"])):
        card = card_with(template=template, barcode=Barcode(format="qr", value=value))
        document = pass_json(card, web_service_url=SERVICE)
        assert [code["format"].removeprefix("PKBarcodeFormat") for code in document["barcodes"]] == expected
        assert validate(document) == []


@pytest.mark.parametrize(
    ("name", "message"), [("Code39", "ml-1"), ("Codabar", "E1"), ("I2of5", "123"), ("EAN13", "4006381333932")]
)
def test_item_37_a_line_of_bars_that_cannot_carry_its_message(name: str, message: str) -> None:
    codes = [
        {"format": f"PKBarcodeFormat{each}", "message": message, "messageEncoding": "iso-8859-1"}
        for each in (name, "QR")
    ]
    assert "barcodes[0].message: is not " in faults(changed(barcodes=codes))
    (told,) = findings_in(changed(barcodes=codes), Rules(ours=False))
    assert (told.rule, told.severity) == ("37", "warning"), "Wallet takes the pass and draws the next code"


@pytest.mark.parametrize(
    ("amount", "currency", "value"), [(7990, "EUR", 79.9), (5, "EUR", 0.05), (1200, "JPY", 1200), (-150, "EUR", -1.5)]
)
def test_money_is_in_major_units(amount: int, currency: str, value: float) -> None:
    money = FieldContent(id="cashback", kind="money", label="", value=Money(amount=amount, currency=currency), text="")
    (field,) = pass_json(card_with(fields=(money,)), web_service_url=SERVICE)["storeCard"]["primaryFields"]
    assert field == {"key": "cashback", "value": value, "currencyCode": currency}


def test_instants_keep_their_zone_and_lose_fractions() -> None:
    instant = FieldContent(id="until", kind="instant", label="", value="2026-12-24T18:30:00.250+01:00", text="")
    (field,) = pass_json(card_with(fields=(instant,)), web_service_url=SERVICE)["storeCard"]["auxiliaryFields"]
    assert field["value"] == "2026-12-24T18:30:00+01:00"
    assert (field["dateStyle"], field["timeStyle"]) == ("PKDateStyleMedium", "PKDateStyleShort")
    wrong = FieldContent(id="until", kind="instant", label="", value="tomorrow", text="")
    with pytest.raises(Invalid, match=r"fields\.until\.value"):
        pass_json(card_with(fields=(wrong,)), web_service_url=SERVICE)


@pytest.mark.parametrize(
    ("style", "key"),
    [("store_card", "storeCard"), ("gift_card", "storeCard"), ("coupon", "coupon"), ("generic", "generic"),
     ("event_ticket", "eventTicket")],
)  # fmt: skip
def test_item_24_every_style(style: str, key: str) -> None:
    document = pass_json(card_with(template=make_template(design(style=style))), web_service_url=SERVICE)
    assert validate(document) == []
    assert key in document


def test_item_36_a_qr_follows_what_not_every_device_draws() -> None:
    formats = [code["format"] for code in BASE["barcodes"]]
    assert formats == ["PKBarcodeFormatCode128", "PKBarcodeFormatQR"]
    qr = card_with(barcode=Barcode(format="qr", value="M7HK2MQ9XT4"))
    assert [code["format"] for code in pass_json(qr, web_service_url=SERVICE)["barcodes"]] == ["PKBarcodeFormatQR"]
    ordered = make_template(design(barcode={"formats": ["ean13", "code128", "pdf417"], "value": "member.card_number"}))
    ean = card_with(template=ordered, barcode=Barcode(format="ean13", value="4006381333931"))
    document = pass_json(ean, web_service_url=SERVICE)
    assert [code["format"][15:] for code in document["barcodes"]] == ["EAN13", "Code128", "PDF417"]
    assert validate(document) == []


def test_item_36_encodings() -> None:
    kanji = pass_json(card_with(barcode=Barcode(format="qr", value="会員")), web_service_url=SERVICE)
    assert kanji["barcodes"][0]["messageEncoding"] == "utf-8"
    lines = pass_json(card_with(barcode=Barcode(format="code128", value="会員")), web_service_url=SERVICE)
    assert "barcodes[0].message: cannot be written in iso-8859-1" in faults(lines)
    assert "not a known encoding" in faults(
        changed(barcodes=[{"format": "PKBarcodeFormatQR", "message": "x", "messageEncoding": "nonsense"}])
    )
    alone = [{"format": "PKBarcodeFormatCode128", "message": "x", "messageEncoding": "iso-8859-1"}]
    assert "barcodes: PKBarcodeFormatCode128 is not drawn by every device" in faults(changed(barcodes=alone))
    assert "barcodes: should be a valid list" in faults(changed(barcodes=alone[0]))
    assert "barcodes[0].messageEncoding: is required" in faults(
        changed(barcodes=[{"format": "PKBarcodeFormatQR", "message": "x"}])
    )


@pytest.mark.parametrize(
    ("number", "good"),
    [("400638133393", True), ("4006381333931", True), ("4006381333932", False), ("40063A133393", False)],
)
def test_item_37_ean13(number: str, good: bool) -> None:
    document = pass_json(card_with(barcode=Barcode(format="ean13", value=number)), web_service_url=SERVICE)
    assert ("barcodes[0].message: is not 12 digits" in faults(document)) is not good


def test_a_voided_card_has_no_barcode() -> None:
    voided = pass_json(card_with(voided=True), web_service_url=SERVICE)
    assert voided["voided"] is True
    assert "barcodes" not in voided
    assert validate(voided) == []
    assert "voided" not in BASE


@pytest.mark.parametrize(
    "key",
    ["formatVersion", "passTypeIdentifier", "serialNumber", "teamIdentifier", "organizationName", "description"],
)
def test_item_23_identity_keys(key: str) -> None:
    assert f"{key}: is required" in faults(changed(**{key: None}))
    assert f"{key}: should" in faults(changed(**{key: ["x"]}))


@pytest.mark.parametrize("version", [2, "1", True, 1.5])
def test_item_23_format_version(version: object) -> None:
    assert "formatVersion" in faults(changed(formatVersion=version))


def test_item_24_one_style() -> None:
    assert "style: has no style" in faults(changed(storeCard=None))
    assert "style: has storeCard, coupon" in faults(changed(coupon=BASE["storeCard"]))
    poster = {"primaryFields": [{"key": "points", "value": 320}]}
    assert faults(changed(posterGeneric=poster)) == ""
    assert "style: has no style alone" in faults(changed(storeCard=None, posterGeneric=poster))


@pytest.mark.parametrize("key", ["stripColor", "calendarEvent", "storecard", "locaitons"])
def test_item_25_closed_list(key: str) -> None:
    assert f"{key}: is not a key that Apple documents" in faults(changed(**{key: "x"}))


def test_item_25_nulls_and_unknown_parts() -> None:
    document = deepcopy(BASE)
    document["logoText"] = None
    document["storeCard"]["headerFields"][0]["colour"] = "red"
    assert "logoText: is null" in faults(document)
    assert "storeCard.headerFields[0].colour: is not a key" in faults(document)
    assert "userInfo.a[1].b: is null" in faults(changed(userInfo={"a": [1, {"b": None}]}))
    assert "semantics.balanec: is not a semantic tag" in faults(changed(semantics={"balanec": {}}))
    assert faults(changed(semantics={"balance": {"amount": "12.50", "currencyCode": "EUR"}})) == ""


@pytest.mark.parametrize("key", ["orderFoodURL", "transferURL", "upgradeURL", "transitProviderEmail"])
def test_item_26_keys_of_other_styles(key: str) -> None:
    assert f"{key}: is for" in faults(changed(**{key: "https://example.com"}))


@pytest.mark.parametrize(
    ("colour", "good"),
    [("rgb(1, 2, 3)", True), ("rgb(255,255,255)", True), ("rgb(256, 0, 0)", False), ("#ffffff", False),
     ("rgb(1,  2, 3)", False), ("rgb(1, 2, 3)\n", False)],
)  # fmt: skip
def test_item_27_colours(colour: str, good: bool) -> None:
    assert ("backgroundColor" in faults(changed(backgroundColor=colour))) is not good


@pytest.mark.parametrize(
    ("date", "good"),
    [("2027-12-31T23:59+02:00", True), ("2027-12-31T21:59:00Z", True), ("2027-12-31", False),
     ("2027-12-31T23:59", False), ("2027-02-31T23:59Z", False)],
)  # fmt: skip
def test_item_28_dates(date: str, good: bool) -> None:
    assert ("expirationDate" in faults(changed(expirationDate=date))) is not good


def test_item_28_dates_in_fields() -> None:
    wrong = FieldContent(id="until", kind="date", label="", value="31/12/2027", text="")
    document = pass_json(card_with(fields=(wrong,)), web_service_url=SERVICE)
    assert "storeCard.auxiliaryFields[0].value: is not a date with its time and zone" in faults(document)


def test_item_28_an_expired_pass_is_voided_or_refused() -> None:
    past = changed(expirationDate="2026-11-21T11:29:00+01:00")
    assert "expirationDate: is in the past" in faults(past, Rules(now=NOW))
    assert faults(past | {"voided": True}, Rules(now=NOW)) == ""
    assert faults(past, Rules(now=NOW - timedelta(hours=2))) == ""


def test_item_29_token() -> None:
    assert "authenticationToken" in faults(changed(authenticationToken="short"))
    assert "authenticationToken: is required beside webServiceURL" in faults(changed(authenticationToken=None))


@pytest.mark.parametrize(
    "url",
    ["http://a.example/apple", "https://a.example/apple/", "https://a.example/v1", "https://a.example/a?b=c",
     "https://a.example/a#b", "ftp://a.example", "https:///apple"],
)  # fmt: skip
def test_item_30_service_address(url: str) -> None:
    assert "webServiceURL" in faults(changed(webServiceURL=url))


def test_item_30_plain_http_behind_a_flag() -> None:
    local = changed(webServiceURL="http://127.0.0.1:8000/apple")
    assert faults(local, Rules(plain_http=True)) == ""
    assert "https" in faults(local)


@pytest.mark.parametrize("serial", ["a/b/c/d/e", "short", "ü" * 10, "a" * 65, "a%2Fbbbbbbb"])
def test_item_31_serial_alphabet(serial: str) -> None:
    assert "serialNumber" in faults(changed(serialNumber=serial))


@pytest.mark.parametrize(
    "place", [{"latitude": 91, "longitude": 0}, {"latitude": 0, "longitude": -181}, {"latitude": "1", "longitude": 0},
              {"latitude": float("nan"), "longitude": 0}, {"latitude": True, "longitude": 0}, {"latitude": 1}],
)  # fmt: skip
def test_item_32_wrong_places(place: dict[str, Any]) -> None:
    assert "locations[0].l" in faults(changed(locations=[place]))


def test_item_32_at_most_ten_places() -> None:
    places = tuple(Place(store_id=str(number), latitude=45, longitude=number) for number in range(11))
    ten = pass_json(card_with(places=places[:10]), web_service_url=SERVICE)
    assert len(ten["locations"]) == 10
    assert validate(ten) == []
    assert "locations" in faults(pass_json(card_with(places=places), web_service_url=SERVICE))


@pytest.mark.parametrize("distance", [0, -5, "80", float("inf")])
def test_item_33_distance(distance: object) -> None:
    assert "maxDistance" in faults(changed(maxDistance=distance))


def test_item_34_beacons() -> None:
    uuids = [f"00000000-0000-4000-8000-{number:012x}" for number in range(11)]
    assert "beacons" in faults(changed(beacons=[{"proximityUUID": each} for each in uuids]))
    assert faults(changed(beacons=[{"proximityUUID": uuids[0], "major": number} for number in range(11)])) == ""
    assert "beacons[0].proximityUUID" in faults(changed(beacons=[{"proximityUUID": "x"}]))
    assert "beacons[0].minor" in faults(changed(beacons=[{"proximityUUID": uuids[0], "minor": 65536}]))


def test_item_35_relevant_dates() -> None:
    date = {"date": "2026-12-01T10:00Z", "relevantDate": "2026-12-01T10:00Z"}
    assert "relevantDates: is not supported on store cards" in faults(changed(relevantDates=[date]))
    ticket = changed(storeCard=None, eventTicket=BASE["storeCard"])

    def said(entry: dict[str, str]) -> str:
        return "; ".join(map(str, findings_in(ticket | {"relevantDates": [entry]}, Rules())))

    assert said(date) == ""
    assert "same date" in said({"date": "2026-12-01T10:00Z"})
    assert "or startDate with endDate" in said({"startDate": "2026-12-01T10:00Z"})
    assert said({"startDate": "2026-12-01T10:00Z", "endDate": "2026-12-02T10:00Z"}) == ""
    assert "at most 24 hours" in said({"startDate": "2026-12-01T10:00Z", "endDate": "2026-12-02T10:01Z"})
    assert "at most 24 hours" in said({"startDate": "2026-12-01T10:00Z", "endDate": "2026-12-01T09:00Z"})


def test_item_38_nfc() -> None:
    def spki(curve: ec.EllipticCurve) -> str:
        key = ec.generate_private_key(curve).public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return base64.b64encode(key.public_bytes(serialization.Encoding.DER, form)).decode()

    good = {"message": "m", "encryptionPublicKey": spki(ec.SECP256R1())}
    assert "nfc: needs a certificate" in faults(changed(nfc=good))
    assert faults(changed(nfc=good), Rules(nfc=True)) == ""
    assert "nfc.message: is longer than 64" in faults(changed(nfc=good | {"message": "é" * 33}), Rules(nfc=True))
    for wrong in (spki(ec.SECP384R1()), "AAAA", "not base64!"):
        assert "nfc.encryptionPublicKey" in faults(changed(nfc=good | {"encryptionPublicKey": wrong}), Rules(nfc=True))


def test_item_39_and_40() -> None:
    assert "groupingIdentifier: groups event tickets" in faults(changed(groupingIdentifier="x"))
    assert "appLaunchURL: needs" in faults(changed(appLaunchURL="x://y"))
    assert faults(changed(appLaunchURL="x://y", associatedStoreIdentifiers=[1])) == ""


def test_item_41_fields() -> None:
    assert "storeCard keys: uses points for more than one field" in faults(with_field("backFields", key="points"))
    without_value = with_field("backFields")
    del without_value["storeCard"]["backFields"][-1]["value"]
    assert "storeCard.backFields[3].value: is required" in faults(without_value)
    assert "changeMessage: does not contain %@" in faults(with_field("backFields", changeMessage="New"))
    assert "textAlignment" in faults(with_field("backFields", textAlignment="PKTextAlignmentLeft"))
    assert "dataDetectorTypes" in faults(with_field("secondaryFields", dataDetectorTypes=[]))
    assert "row" in faults(with_field("auxiliaryFields", row=1))
    assert "needs a number as value" in faults(with_field("secondaryFields", currencyCode="EUR"))
    both = with_field("secondaryFields", value=1, currencyCode="EUR", numberStyle="PKNumberStyleDecimal")
    assert "beside currencyCode" in faults(both)


def test_item_42_counts() -> None:
    document = deepcopy(BASE)
    document["storeCard"]["secondaryFields"] = [{"key": f"s{number}", "value": "x"} for number in range(4)]
    assert "at most 4 are drawn" in faults(document)
    (told,) = findings_in(document, Rules(ours=False))
    assert (told.rule, told.severity) == ("42", "warning")


@pytest.mark.parametrize(
    ("markup", "good"),
    [("<a href='https://a.example/?a=1&amp;b=2'>x</a>", True), ('<a href="tel:+331">x</a>', True), ("<b>x</b>", False),
     ("<a href='https://a.example/?a=1&b=2'>x</a>", False), ("<a onclick='x'>x</a>", False), ("<script", False)],
)  # fmt: skip
def test_item_43_markup(markup: str, good: bool) -> None:
    assert ("attributedValue" in faults(with_field("backFields", attributedValue=markup))) is not good


def test_item_43_links_are_escaped() -> None:
    terms = BASE["storeCard"]["backFields"][0]
    assert terms["attributedValue"] == (
        "<a href='https://maison-lumiere.example/conditions?a=1&amp;b=2'>Conditions</a>"
    )
    quote = design(links=[{"id": "odd", "label": "terms", "url": "https://a.example/?q='x'"}])
    assert validate(pass_json(card_with(template=make_template(quote)), web_service_url=SERVICE)) == []


def test_item_44_actions() -> None:
    action = {"identifier": "a", "type": "shop", "url": "https://a.example"}
    assert faults(changed(featuredActions=[action])) == ""
    assert "one identifier twice" in faults(changed(featuredActions=[action, action]))
    assert "featuredActions[0].type" in faults(changed(featuredActions=[action | {"type": "dance"}]))
    assert "featuredActions[0].url" in faults(changed(featuredActions=[action | {"url": "http://a.example"}]))
    assert "featuredActions" in faults(changed(featuredActions=[action | {"identifier": str(n)} for n in range(3)]))


def test_item_45_contact_on_the_back() -> None:
    without = pass_json(card_with(template=make_template(design(links=[]))), web_service_url=SERVICE)
    assert "backFields: hold no contact of the issuer" in faults(without)
    issuer = BASE["storeCard"]["backFields"][-1]["value"]
    assert issuer == "Maison Lumière\nbonjour@maison-lumiere.example"


def test_item_46_no_secrets_in_user_info() -> None:
    assert "userInfo: repeats the authentication token" in faults(changed(userInfo={"t": CARD.auth_token}))


def test_raw_keys_of_the_design() -> None:
    raw = {
        "sharingProhibited": False,
        "featuredActions": [{"identifier": "shop", "type": "shop", "url": "https://maison-lumiere.example"}],
        "fields": {"tier": {"textAlignment": "PKTextAlignmentRight"}},
    }
    template = make_template(design(apple=raw))
    assert template_faults(template) == []
    document = pass_json(card_with(template=template), web_service_url=SERVICE)
    assert validate(document) == []
    assert document["sharingProhibited"] is False
    assert document["storeCard"]["secondaryFields"][0]["textAlignment"] == "PKTextAlignmentRight"


def test_raw_keys_that_are_refused_with_their_path() -> None:
    raw = {
        "serialNumber": "x",
        "stripColor": "y",
        "fields": {"nobody": {}, "tier": {"value": "z", "row": 1}, "until": 1},
    }
    said = [str(fault) for fault in template_faults(make_template(design(apple=raw)))]
    assert said == [
        "apple.serialNumber: comes from the card or the design and cannot be set here",
        "apple.stripColor: is not a key of pass.json that Apple documents",
        "apple.fields.nobody: is not a field of this design",
        "apple.fields.tier.value: is not a key of a pass field that can be set here",
        "apple.fields.until: should be a table",
    ]
    assert PassDocument.__annotations__.keys() >= COMPUTED_KEYS


def test_notify_words_without_their_place_are_refused() -> None:
    words = {"fr": dict(TEMPLATE.words["fr"]), "en": {**TEMPLATE.words["en"], "points_now": "New points"}}
    (fault,) = template_faults(replace(TEMPLATE, words=words))
    assert str(fault) == "fields[0].notify: its words in en do not contain %@"
