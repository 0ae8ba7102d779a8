# ruff: noqa: E501  (a table is read line by line)
"""The linter finds every planted fault: one pass, one change, and the finding that must come of it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.wallets.apple.conftest import CARD, NOW, SERVICE, Chain, png
from wallet_service.wallets.apple.certificates import PassIdentity
from wallet_service.wallets.apple.checking.check import check_bundle
from wallet_service.wallets.apple.passes.signing import ManifestSigner

Files = dict[str, bytes]
Document = dict[str, Any]
Plant = Callable[[Document, Files], None]


def put(**keys: Any) -> Plant:
    """Set top-level keys."""
    return lambda document, files: document.update(keys)


def drop(*keys: str) -> Plant:
    """Take top-level keys away."""

    def plant(document: Document, files: Files) -> None:
        for key in keys:
            del document[key]

    return plant


def field(array: str, **keys: Any) -> Plant:
    """Set keys of the first field of an array of the store card."""
    return lambda document, files: document["storeCard"][array][0].update(keys)


def code(**keys: Any) -> Plant:
    """Replace the barcodes with one."""
    base = {"format": "PKBarcodeFormatQR", "message": "M7HK2MQ9", "messageEncoding": "iso-8859-1"}
    return put(barcodes=[base | keys])


def with_file(name: str, body: bytes) -> Plant:
    """Pack one more file."""
    return lambda document, files: files.update({name: body})


def strings(**languages: str) -> Plant:
    """Pack a pass.strings for each language, in UTF-16."""
    return lambda document, files: files.update(
        {f"{name}.lproj/pass.strings": text.encode("utf-16") for name, text in languages.items()}
    )


def many(array: str, count: int) -> Plant:
    """Fill an array of the store card."""
    return lambda document, files: document["storeCard"].update(
        {array: [{"key": f"k{number}", "value": "x"} for number in range(count)]}
    )


def as_style(style: str, **keys: Any) -> Plant:
    """Make it a pass of another style."""

    def plant(document: Document, files: Files) -> None:
        document[style] = document.pop("storeCard") | keys
        files.pop("strip.png", None)

    return plant


def both(*plants: Plant) -> Plant:
    """Several changes."""

    def plant(document: Document, files: Files) -> None:
        for each in plants:
            each(document, files)

    return plant


def _nfc(message: str = "M7", key: str = "AAAA") -> Plant:
    return put(nfc={"message": message, "encryptionPublicKey": key})


PLANTED: dict[str, tuple[Plant, str, str, str]] = {
    "format version": (put(formatVersion=2), "23", "pass.json formatVersion", "error"),
    "no description": (drop("description"), "23", "pass.json description", "error"),
    "no serial number": (drop("serialNumber"), "23", "pass.json serialNumber", "error"),
    "pass type without its prefix": (put(passTypeIdentifier="com.example"), "23", "pass.json passTypeIdentifier", "error"),
    "another pass type": (put(passTypeIdentifier="pass.other"), "18", "pass.json passTypeIdentifier", "error"),
    "another team": (put(teamIdentifier="ZZZZZZZZZZ"), "18", "pass.json teamIdentifier", "error"),
    "two styles": (put(coupon={}), "24", "pass.json style", "error"),
    "no style": (drop("storeCard"), "24", "pass.json style", "error"),
    "a poster alone": (both(drop("storeCard"), put(posterGeneric={})), "24", "pass.json style", "error"),
    "a misspelled key": (put(backgroundColour="rgb(1, 2, 3)"), "25", "pass.json backgroundColour", "warning"),
    "an undocumented key": (put(stripColor="rgb(1, 2, 3)"), "25", "pass.json stripColor", "warning"),
    "null": (put(logoText=None), "25", "pass.json logoText", "error"),
    "an empty text": (put(logoText=""), "25", "pass.json logoText", "note"),
    "an unknown semantic tag": (put(semantics={"mood": "good"}), "25", "pass.json semantics.mood", "warning"),
    "a semantic tag of another kind": (put(semantics={"balance": "12"}), "25", "pass.json semantics.balance", "warning"),
    "an event's key on a card": (put(bagPolicyURL="https://a.example"), "26", "pass.json bagPolicyURL", "warning"),
    "a flight's key on a card": (put(upgradeURL="https://a.example"), "26", "pass.json upgradeURL", "warning"),
    "a hex colour": (put(backgroundColor="#1F3A2E"), "27", "pass.json backgroundColor", "warning"),
    "a colour out of range": (put(labelColor="rgb(1, 2, 256)"), "27", "pass.json labelColor", "error"),
    "ink on ink": (put(foregroundColor="rgb(31, 58, 46)"), "27", "pass.json foregroundColor", "note"),
    "milliseconds": (put(expirationDate="2031-08-25T15:03:03.000Z"), "28", "pass.json expirationDate", "error"),
    "milliseconds in a field": (
        field("backFields", value="2031-08-25T15:03:03.5Z", dateStyle="PKDateStyleShort"),
        "28", "pass.json storeCard.backFields[0].value", "error",
    ),
    "an address with a space": (put(webServiceURL="https: //a.example"), "30", "pass.json webServiceURL", "error"),
    "a colour with odd spaces": (put(labelColor="rgb( 1 ,2,3)"), "27", "pass.json labelColor", "note"),
    "an empty label": (field("headerFields", label=""), "41", "pass.json storeCard.headerFields[0].label", "note"),
    "no name of the issuer": (put(organizationName=""), "23", "pass.json organizationName", "warning"),
    "an undocumented key of a place": (
        put(locations=[{"latitude": 1, "longitude": 2, "maxDistance": 100}]),
        "25", "pass.json locations[0].maxDistance", "warning",
    ),
    "a fault behind an undocumented key": (put(stripColor="x", authenticationToken="short"), "29", "pass.json authenticationToken", "error"),
    "a date without zone": (put(expirationDate="2026-12-31T23:59"), "28", "pass.json expirationDate", "error"),
    "a day that is not": (put(expirationDate="2026-02-30T23:59Z"), "28", "pass.json expirationDate", "error"),
    "expired, not void": (put(expirationDate="2020-01-01T00:00Z"), "28", "pass.json expirationDate", "note"),
    "a short token": (put(authenticationToken="short"), "29", "pass.json authenticationToken", "error"),
    "no token": (drop("authenticationToken"), "29", "pass.json authenticationToken", "error"),
    "a trailing slash": (put(webServiceURL=f"{SERVICE}/"), "30", "pass.json webServiceURL", "warning"),
    "v1 twice": (put(webServiceURL=f"{SERVICE}/v1"), "30", "pass.json webServiceURL", "warning"),
    "a serial number with a slash": (put(serialNumber="a/b/c/d/e"), "31", "pass.json serialNumber", "note"),
    "eleven places": (put(locations=[{"latitude": 1, "longitude": n} for n in range(11)]), "32", "pass.json locations", "warning"),
    "a latitude as text": (put(locations=[{"latitude": "1", "longitude": 2}]), "32", "pass.json locations[0].latitude", "error"),
    "a latitude beyond the pole": (put(locations=[{"latitude": 91, "longitude": 2}]), "32", "pass.json locations[0].latitude", "error"),
    "no distance": (put(maxDistance=0), "33", "pass.json maxDistance", "error"),
    "a beacon's number": (
        put(beacons=[{"proximityUUID": "E2C56DB5-DFFB-48D2-B060-D0F5A71096E0", "major": 65536}]),
        "34", "pass.json beacons[0].major", "error",
    ),
    "a beacon's UUID": (put(beacons=[{"proximityUUID": "x"}]), "34", "pass.json beacons[0].proximityUUID", "error"),
    "a date on a store card": (put(relevantDate="2026-12-31T23:59Z"), "35", "pass.json relevantDate", "warning"),
    "a long interval": (
        both(
            as_style("eventTicket"),
            put(relevantDates=[{"startDate": "2026-12-01T00:00Z", "endDate": "2026-12-03T00:00Z"}]),
        ),
        "35", "pass.json relevantDates[0]", "warning",
    ),
    "half an interval": (
        both(as_style("eventTicket"), put(relevantDates=[{"startDate": "2026-12-01T00:00Z"}])),
        "35", "pass.json relevantDates[0]", "warning",
    ),
    "a barcode that is no list": (put(barcodes={}), "36", "pass.json barcodes", "error"),
    "an unknown barcode": (code(format="PKBarcodeFormatMaxi"), "36", "pass.json barcodes[0].format", "error"),
    "no fallback": (code(format="PKBarcodeFormatCode128"), "36", "pass.json barcodes", "warning"),
    "a message of other characters": (code(message="été €"), "36", "pass.json barcodes[0].message", "error"),
    "an unknown encoding": (code(messageEncoding="latin-x"), "36", "pass.json barcodes[0].messageEncoding", "error"),
    "an endless message": (code(message="x" * 5000), "36", "pass.json barcodes[0].message", "warning"),
    "a wrong check digit": (code(format="PKBarcodeFormatEAN13", message="4006381333932"), "37", "pass.json barcodes[0].message", "warning"),
    "an NFC key": (_nfc(), "38", "pass.json nfc.encryptionPublicKey", "error"),
    "a long NFC message": (_nfc("x" * 65), "38", "pass.json nfc.message", "warning"),
    "grouped": (put(groupingIdentifier="x"), "39", "pass.json groupingIdentifier", "warning"),
    "a launch without an app": (put(appLaunchURL="app://x"), "40", "pass.json appLaunchURL", "warning"),
    "one key twice": (field("headerFields", key="tier"), "41", "pass.json storeCard keys", "error"),
    "no value": (lambda d, f: d["storeCard"]["headerFields"][0].pop("value"), "41", "pass.json storeCard.headerFields[0].value", "error"),
    "a message without place": (field("headerFields", changeMessage="New!"), "41", "pass.json storeCard.headerFields[0].changeMessage", "warning"),
    "aligned on the back": (field("backFields", textAlignment="PKTextAlignmentLeft"), "41", "pass.json storeCard.backFields[0].textAlignment", "warning"),
    "detectors in front": (field("headerFields", dataDetectorTypes=[]), "41", "pass.json storeCard.headerFields[0].dataDetectorTypes", "warning"),
    "a row on a store card": (field("auxiliaryFields", row=1), "41", "pass.json storeCard.auxiliaryFields[0].row", "warning"),
    "money as text": (field("primaryFields", value="12", currencyCode="EUR"), "41", "pass.json storeCard.primaryFields[0].currencyCode", "error"),
    "money as number too": (field("primaryFields", numberStyle="PKNumberStylePercent"), "41", "pass.json storeCard.primaryFields[0].numberStyle", "error"),
    "four header fields": (many("headerFields", 4), "42", "pass.json storeCard.headerFields", "warning"),
    "five in a row": (many("secondaryFields", 5), "42", "pass.json storeCard.secondaryFields", "warning"),
    "a footer on a store card": (many("footerFields", 1), "42", "pass.json storeCard.footerFields", "warning"),
    "bold": (field("backFields", attributedValue="<b>x</b>"), "43", "pass.json storeCard.backFields[0].attributedValue", "warning"),
    "a bare ampersand": (field("backFields", attributedValue="<a href='https://a.example?a=1&b=2'>x</a>"), "43", "pass.json storeCard.backFields[0].attributedValue", "warning"),
    "three actions": (
        put(featuredActions=[{"identifier": str(n), "type": "shop", "url": "https://a.example"} for n in range(3)]),
        "44", "pass.json featuredActions", "error",
    ),
    "an action without TLS": (
        put(featuredActions=[{"identifier": "a", "type": "shop", "url": "http://a.example"}]),
        "44", "pass.json featuredActions[0].url", "error",
    ),
    "an unknown action": (
        put(featuredActions=[{"identifier": "a", "type": "dance", "url": "https://a.example"}]),
        "44", "pass.json featuredActions[0].type", "error",
    ),
    "nobody to write to": (lambda d, f: d["storeCard"].pop("backFields"), "45", "pass.json backFields", "note"),
    "the token in userInfo": (put(userInfo={"t": CARD.auth_token}), "46", "pass.json userInfo", "note"),
    "no PNG": (with_file("thumbnail.png", b"GIF89a"), "10", "thumbnail.png", "error"),
    "a giant": (with_file("icon.png", png(200, 200)), "10", "icon.png", "warning"),
    "an image that nobody draws": (with_file("footer.png", png(268, 15)), "10", "footer.png", "note"),
    "a poster without artwork": (put(posterGeneric={"primaryFields": [{"key": "a", "value": "b"}]}), "10", "artwork.png", "warning"),
    "at the root and in a language": (with_file("fr.lproj/logo.png", png(160, 50)), "11", "fr.lproj/logo.png", "warning"),
    "a folder that is no language": (with_file("French/logo2.png", png(160, 50)), "12", "French", "warning"),
    "other keys in another language": (strings(fr='"Points" = "x";', en='"Tier" = "x";'), "12", "pass.strings", "warning"),
    "a key that nobody uses": (strings(fr='"Pionts" = "x";'), "12", "pass.strings", "note"),
    "strings that cannot be read": (strings(fr='"Points" : "x";'), "12", "fr.lproj/pass.strings", "error"),
    "strings in UTF-8": (with_file("fr.lproj/pass.strings", '"Points" = "é";'.encode()), "12", "fr.lproj/pass.strings", "note"),
    "a stranger": (with_file("notes.txt", b"x"), "5", "notes.txt", "note"),
    "a form without fields": (
        with_file("personalization.json", b'{"description": "x", "requiredPersonalizationFields": []}'),
        "66", "personalization.json requiredPersonalizationFields", "error",
    ),
    "a form without logo": (
        with_file("personalization.json", b'{"description": "x", "requiredPersonalizationFields": ["PKPassPersonalizationFieldName"]}'),
        "66", "personalizationLogo.png", "error",
    ),
    "a pass of deeply nested lists": (put(userInfo=json.loads("[" * 80 + "]" * 80)), "8", "pass.json", "error"),
}  # fmt: skip


def packed(files: Files, identity: PassIdentity) -> bytes:
    """The files with a manifest and a signature that fit them."""
    rest = {name: body for name, body in files.items() if name not in ("manifest.json", "signature")}
    manifest = json.dumps({name: hashlib.sha1(body).hexdigest() for name, body in rest.items()}).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        whole = rest | {"manifest.json": manifest, "signature": ManifestSigner(identity).sign(manifest, at=NOW)}
        for name, body in whole.items():
            archive.writestr(zipfile.ZipInfo(name), body)
    return out.getvalue()


def test_there_are_more_than_forty() -> None:
    assert len(PLANTED) >= 40
    assert len({rule for _, rule, _, _ in PLANTED.values()}) >= 25


def test_the_pass_without_a_planted_fault_is_right(files: Files, identity: PassIdentity, chain: Chain) -> None:
    assert check_bundle(packed(files, identity), now=NOW, trust=chain.trust) == []


@pytest.mark.parametrize("fault", PLANTED)
def test_planted(fault: str, files: Files, identity: PassIdentity, chain: Chain) -> None:
    plant, rule, path, severity = PLANTED[fault]
    document = json.loads(files["pass.json"])
    plant(document, files)
    files["pass.json"] = json.dumps(document).encode()
    found = check_bundle(packed(files, identity), now=NOW, trust=chain.trust)
    matching = [one for one in found if (one.rule, one.severity) == (rule, severity) and one.path.startswith(path)]
    assert matching, f"not found; found was: {[str(one) for one in found]}"
    assert all(one.message and one.remedy for one in found), "each says what is wrong and what to do"
    assert all(one.source.startswith("our advice") == (one.severity == "note") for one in found), "and who says so"


def test_an_nfc_key_that_is_one(files: Files, identity: PassIdentity, chain: Chain) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = point.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    document = json.loads(files["pass.json"])
    document["nfc"] = {"message": "M7", "encryptionPublicKey": base64.b64encode(der).decode()}
    files |= {"pass.json": json.dumps(document).encode()}
    found = check_bundle(packed(files, identity), now=NOW, trust=chain.trust)
    assert [(one.rule, one.severity) for one in found] == [("38", "note")]


def test_a_finding_says_where(files: Files, identity: PassIdentity, chain: Chain) -> None:
    (finding,) = check_bundle(packed(files, identity) + b"\n", now=NOW, trust=chain.trust)
    assert replace(finding, remedy="") == replace(finding, remedy="", rule="4", path="archive", severity="warning")
