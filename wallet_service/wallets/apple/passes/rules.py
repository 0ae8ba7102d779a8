"""The rules of `pass.json`, lines 23 to 46 of the conformance checklist. Pure.

Two readers: issuing, which refuses what breaks them, and `pass check`, which tells of any pass, ours or not.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from wallet_service.cards.barcodes import can_carry
from wallet_service.cards.content import BarcodeFormat
from wallet_service.errors import Fault
from wallet_service.wallets.apple.findings import Finding, Severity, faults_in
from wallet_service.wallets.apple.passes.field_rules import field_findings
from wallet_service.wallets.apple.passes.model import (
    BOARDING_KEYS,
    EVENT_KEYS,
    PASS_DOCUMENT,
    STYLES,
    PassDocument,
    PassRelevantDate,
)
from wallet_service.wallets.apple.passes.semantics import semantic_faults

RULE_OF_KEY = {
    "formatVersion": "23", "passTypeIdentifier": "23", "serialNumber": "23", "teamIdentifier": "23",
    "organizationName": "23", "description": "23", "backgroundColor": "27", "foregroundColor": "27",
    "labelColor": "27", "footerBackgroundColor": "27", "expirationDate": "28", "relevantDate": "28",
    "relevantDates": "35", "authenticationToken": "29", "webServiceURL": "30", "locations": "32", "maxDistance": "33",
    "beacons": "34", "barcodes": "36", "barcode": "36", "nfc": "38", "featuredActions": "44",
    **dict.fromkeys((*STYLES, "posterGeneric"), "41"),
}  # fmt: skip
_SERIAL = re.compile(r"[A-Za-z0-9_-]{8,64}")
_NEEDS_FALLBACK = {
    "PKBarcodeFormatCode128",
    "PKBarcodeFormatCode39",
    "PKBarcodeFormatCodabar",
    "PKBarcodeFormatEAN13",
    "PKBarcodeFormatI2of5",
}
_EVERYWHERE = {"PKBarcodeFormatQR", "PKBarcodeFormatPDF417", "PKBarcodeFormatAztec"}
_LINES: Mapping[str, tuple[BarcodeFormat, str]] = {
    "PKBarcodeFormatEAN13": ("ean13", "12 digits, or 13 with a right check digit"),
    "PKBarcodeFormatCode39": ("code39", "of capitals, digits, space and - . $ / + %"),
    "PKBarcodeFormatCodabar": ("codabar", "of digits and - $ : / . +, with or without A to D around them"),
    "PKBarcodeFormatI2of5": ("itf", "an even number of digits"),
}
"""What the formats that iOS 27 draws can carry."""
_LONGEST_MESSAGE = 4000
_A_DAY = timedelta(hours=24)
_SELDOM = frozenset(
    (
        "semantics", "userInfo", "upcomingPassInformation", "beacons", "relevantDate", "relevantDates",
        "expirationDate", "nfc", "appLaunchURL", "featuredActions",
    )
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How strictly to read.

    Attributes:
        ours: the pass is to be issued: whatever would be shown wrongly and whatever we advise is an error too. Else an
            error is what Wallet refuses, and nothing else.
        plain_http: a web service without TLS passes, for development only.
        nfc: Apple has granted the NFC certificate.
        now: makes an expiry in the past a fault; None where the time does not matter.
    """

    ours: bool = True
    plain_http: bool = False
    nfc: bool = False
    now: datetime | None = None

    @property
    def own(self) -> Severity:
        """The severity of a rule of our own."""
        return "error" if self.ours else "note"

    @property
    def shown(self) -> Severity:
        """The severity of what Wallet takes, and shows or updates wrongly."""
        return "error" if self.ours else "warning"


def validate(document: Mapping[str, Any], rules: Rules | None = None) -> list[Fault]:
    """The faults for which a pass is refused; empty for a conforming one."""
    return faults_in(findings_in(document, rules or Rules()))


def findings_in(document: Mapping[str, Any], rules: Rules) -> list[Finding]:
    """Every finding. A document whose shape is wrong is told about its shape alone.

    Source: Apple, "Pass" and the pages below it.
    """
    try:
        checked = PASS_DOCUMENT.validate_python(document)
    except ValidationError as error:
        return list(_shape_findings(error))
    findings = [*_styles(checked, rules), *_web_service(checked, rules), *_barcodes(checked, rules)]
    # Most cards have none of these keys, and this runs for every pass that is issued.
    if not _SELDOM.isdisjoint(checked):
        findings += [*_semantics(checked, rules), *_relevance(checked, rules), *_misc(checked, rules)]
    return [*findings, *field_findings(checked, shown=rules.shown, own=rules.own)]


def _shape_findings(error: ValidationError) -> Iterator[Finding]:
    told: set[str] = set()
    for fault in error.errors(include_url=False, include_context=False):
        path = path_of(fault["loc"])
        if path in told:
            continue
        told.add(path)
        rule = RULE_OF_KEY.get(str(fault["loc"][0]), "25") if fault["loc"] else "23"
        match fault["type"]:
            case "missing":
                yield Finding(rule, path, "is required", "add it")
            case "extra_forbidden":
                yield Finding("25", path, "is not a key that Apple documents", "correct its spelling or leave it out")
            case _ if fault["input"] is None:
                yield Finding("25", path, "is null", "leave the key out instead")
            case _:
                yield Finding(rule, path, _in_words(fault["msg"], fault["input"]), "see Apple's page on this key")


def path_of(steps: tuple[int | str, ...]) -> str:
    """`barcodes[0].message` of the steps that lead there, without the kinds of a value that were tried."""
    parts = [step for step in steps if step not in ("str", "int", "float")]
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _in_words(message: str, found: object) -> str:
    words = message.replace("Input should be", "should be").replace("String should", "should")
    shown = repr(found)
    return f"{words}, not {shown if len(shown) <= 60 else shown[:57] + '…'}"


def _styles(document: PassDocument, rules: Rules) -> Iterator[Finding]:
    found = [style for style in STYLES if style in document]
    if len(found) != 1:
        message = f"has {', '.join(found) or 'no style'}" + (" alone" if "posterGeneric" in document else "")
        yield Finding("24", "style", message, f"give exactly one of {', '.join(STYLES)}")
    if "eventTicket" not in document and not EVENT_KEYS.isdisjoint(document):
        yield from _foreign_keys(document, EVENT_KEYS, "event tickets", rules)
    if "boardingPass" not in document and not BOARDING_KEYS.isdisjoint(document):
        yield from _foreign_keys(document, BOARDING_KEYS, "boarding passes", rules)
    if "boardingPass" in document and "transitType" not in document["boardingPass"]:
        yield Finding("24", "boardingPass.transitType", "is required", "add it")
    if "groupingIdentifier" in document and "eventTicket" not in document and "boardingPass" not in document:
        message = "groups event tickets and boarding passes only"
        yield Finding("39", "groupingIdentifier", message, "leave it out", rules.shown)


def _foreign_keys(document: PassDocument, keys: frozenset[str], owner: str, rules: Rules) -> Iterator[Finding]:
    for key in sorted(keys & document.keys()):
        yield Finding("26", key, f"is for {owner} only", "leave it out", rules.shown)


def _semantics(document: PassDocument, rules: Rules) -> Iterator[Finding]:
    for key in ("semantics", "userInfo", "upcomingPassInformation"):
        if key in document:
            yield from _nulls(key, document[key], rules.shown)
    for path, message in semantic_faults("semantics", document.get("semantics", {})):
        yield Finding("25", path, message, "correct it or leave it out", rules.shown)
    token = document.get("authenticationToken")
    if token and token in repr((document.get("userInfo"), document.get("semantics"))):
        yield Finding("46", "userInfo", "repeats the authentication token", "keep secrets out of it", rules.own)


def _nulls(path: str, value: object, severity: Severity) -> Iterator[Finding]:
    match value:
        case None:
            yield Finding("25", path, "is null", "leave the key out instead", severity)
        case dict():
            for key, inner in value.items():
                yield from _nulls(f"{path}.{key}", inner, severity)
        case list():
            for index, inner in enumerate(value):
                yield from _nulls(f"{path}[{index}]", inner, severity)


def _web_service(document: PassDocument, rules: Rules) -> Iterator[Finding]:
    if not _SERIAL.fullmatch(document["serialNumber"]):
        message = "should be 8 to 64 letters, digits, - or _: it travels in addresses"
        yield Finding("31", "serialNumber", message, "issue under another serial number", rules.own)
    url = document.get("webServiceURL")
    if url is None:
        return
    if "authenticationToken" not in document:
        yield Finding("29", "authenticationToken", "is required beside webServiceURL", "add it")
    parts = urlsplit(url)
    if parts.scheme != "https" and not (rules.plain_http and parts.scheme == "http"):
        yield Finding("30", "webServiceURL", "should start with https://", "serve it with TLS")
    if not parts.netloc or any(character.isspace() for character in url):
        yield Finding("30", "webServiceURL", "is not an address", "write it like https://cards.example.com/apple")
    elif parts.query or parts.fragment or url.endswith(("/", "/v1")):
        message = "should be a plain base address: no trailing slash, no /v1 at its end, no query, no fragment"
        yield Finding("30", "webServiceURL", message, "phones append /v1/… themselves", rules.shown)


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _relevance(document: PassDocument, rules: Rules) -> Iterator[Finding]:
    if len({beacon["proximityUUID"].lower() for beacon in document.get("beacons", ())}) > 10:
        yield Finding(
            "34", "beacons", "hold more than 10 different UUIDs", "share one UUID among the shops", rules.shown
        )
    if "storeCard" in document or "coupon" in document:
        for key in ("relevantDate", "relevantDates"):
            if key in document:
                message = "is not supported on store cards and coupons"
                yield Finding("35", key, message, "use locations", rules.shown)
    for index, entry in enumerate(document.get("relevantDates", ())):
        yield from _relevant_date(f"relevantDates[{index}]", entry, rules)
    if "expirationDate" in document:
        ends = _instant(document["expirationDate"])
        if ends is None:
            yield Finding("28", "expirationDate", "is not a date of the calendar", "correct it")
        elif rules.now is not None and ends <= rules.now and not document.get("voided"):
            message = "is in the past although the pass is not voided"
            yield Finding("28", "expirationDate", message, "void the pass or extend it", rules.own)


def _relevant_date(path: str, entry: PassRelevantDate, rules: Rules) -> Iterator[Finding]:
    interval, single = {"startDate", "endDate"} & entry.keys(), {"date", "relevantDate"} & entry.keys()
    if bool(interval) == bool(single) or len(interval) == 1:
        yield Finding("35", path, "should be one date, or startDate with endDate", "give one or the other", rules.shown)
    elif single and (len(single) == 1 or entry["date"] != entry["relevantDate"]):
        message = "should carry the same date as `date` (iOS 26) and as `relevantDate` (iOS 18)"
        yield Finding("35", path, message, "give both", "warning")
    elif interval:
        starts, ends = _instant(entry["startDate"]), _instant(entry["endDate"])
        if starts is None or ends is None or not starts < ends <= starts + _A_DAY:
            message = "should start before it ends and span at most 24 hours"
            yield Finding("35", path, message, "correct it", rules.shown)


def _barcodes(document: PassDocument, rules: Rules) -> Iterator[Finding]:
    codes = document.get("barcodes", [])
    if "barcode" in document and document["barcode"]["format"] not in _EVERYWHERE:
        yield Finding("36", "barcode.format", "is not one of QR, PDF417 and Aztec", "use barcodes instead")
    if codes and codes[0]["format"] in _NEEDS_FALLBACK and not any(code["format"] in _EVERYWHERE for code in codes[1:]):
        message = f"{codes[0]['format']} is not drawn by every device and nothing follows it that is"
        yield Finding("36", "barcodes", message, "add a QR code after it", rules.shown)
    for index, code in enumerate(codes):
        if len(code["message"]) > _LONGEST_MESSAGE:
            message = f"has {len(code['message']):,} characters; no scanner reads so many"
            yield Finding("36", f"barcodes[{index}].message", message, "send a short, opaque number", rules.shown)
            continue
        try:
            code["message"].encode(code["messageEncoding"])
        except (LookupError, UnicodeError) as error:
            if isinstance(error, UnicodeEncodeError):
                message = f"cannot be written in {code['messageEncoding']}"
                remedy = "use plain letters and digits, or utf-8 in a QR"
                yield Finding("36", f"barcodes[{index}].message", message, remedy)
                continue
            path = f"barcodes[{index}].messageEncoding"
            yield Finding("36", path, f"{code['messageEncoding']!r} is not a known encoding", "use iso-8859-1")
        line = _LINES.get(code["format"])
        if line is not None and not can_carry(line[0], code["message"]):
            yield Finding("37", f"barcodes[{index}].message", f"is not {line[1]}", "use another format", rules.shown)


def _misc(document: PassDocument, rules: Rules) -> Iterator[Finding]:
    if "nfc" in document:
        yield from _nfc(document, rules)
    if "appLaunchURL" in document and not document.get("associatedStoreIdentifiers"):
        yield Finding("40", "appLaunchURL", "needs associatedStoreIdentifiers", "add the app's identifier", rules.shown)
    identifiers = [action["identifier"] for action in document.get("featuredActions", ())]
    if len(set(identifiers)) != len(identifiers):
        yield Finding("44", "featuredActions", "use one identifier twice", "give each its own", rules.shown)


def _nfc(document: PassDocument, rules: Rules) -> Iterator[Finding]:
    if not rules.nfc:
        message = "needs a certificate that Apple grants on request"
        yield Finding("38", "nfc", message, "leave it out, or say that you have it", rules.own)
    if len(document["nfc"]["message"].encode("utf-8")) > 64:
        yield Finding("38", "nfc.message", "is longer than 64 bytes and would be cut", "shorten it", rules.shown)
    try:
        key = serialization.load_der_public_key(base64.b64decode(document["nfc"]["encryptionPublicKey"], validate=True))
    except (ValueError, binascii.Error):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        message = "is not a P-256 public key (SubjectPublicKeyInfo in Base64)"
        yield Finding("38", "nfc.encryptionPublicKey", message, "export the reader's key again")
