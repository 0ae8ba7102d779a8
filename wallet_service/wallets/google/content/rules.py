"""What Google's documentation asks of a body beyond its schema: one function for each schema concerned. Pure.

Source: google-wallet.md sections 3 to 13 and section 25, checks 6 to 22; the number stands in each docstring.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from wallet_service.errors import Fault

Body = Mapping[str, Any]
Rule = Callable[[Body, bool], Iterator[Fault]]

FULL_ID = re.compile(r"[0-9]+\.[A-Za-z0-9._-]+")
"""`issuer.identifier`; the first dot divides."""

_REQUIRED = {
    "LoyaltyClass": ("id", "issuerName", "programName", "programLogo", "reviewStatus"),
    "LoyaltyObject": ("id", "classId", "state"),
    "OfferClass": ("id", "issuerName", "provider", "redemptionChannel", "reviewStatus", "title"),
    "OfferObject": ("id", "classId", "state"),
    "GiftCardClass": ("id", "issuerName", "reviewStatus"),
    "GiftCardObject": ("id", "classId", "state", "cardNumber"),
    "EventTicketClass": ("id", "issuerName", "eventName", "reviewStatus"),
    "EventTicketObject": ("id", "classId", "state"),
    "GenericClass": ("id",),
    "GenericObject": ("id", "classId", "cardTitle", "header"),
}
_COLOUR = re.compile(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_MODULE_ID = re.compile(r"[A-Za-z0-9_-]+")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
_MOST = {
    "merchantLocations": 10,
    "textModulesData": 10,
    "valueAddedModuleData": 15,
    "imageModulesData": 1,
    "messages": 9,
}


def rules_of_whole(name: str, body: Body, partial: bool) -> Iterator[Fault]:
    """Checks 4, 7 and 8: ids, and what an insert must hold."""
    for key in _REQUIRED.get(name, ()):
        if not partial and not body.get(key):
            yield Fault(key, "is missing")
    for key in ("id", "classId"):
        value = body.get(key)
        if isinstance(value, str) and not FULL_ID.fullmatch(value):
            yield Fault(key, "should be the issuer's digits, a dot, then messages, digits, . _ -")


def _pass_rules(body: Body, _partial: bool) -> Iterator[Fault]:
    """Checks 6, 13, 14, 16 and 17 as far as they count: what a class and an object have in common."""
    for key, most in _MOST.items():
        if len(body.get(key, ())) > most:
            yield Fault(key, f"has {len(body[key])} entries; {most} is the most")
    if body.get("reviewStatus") in ("APPROVED", "REJECTED"):
        yield Fault("reviewStatus", "should be UNDER_REVIEW or DRAFT; Google sets the others")
    colour = body.get("hexBackgroundColor")
    if colour is not None and not _COLOUR.fullmatch(colour):
        yield Fault("hexBackgroundColor", "should be #rrggbb or #rgb")
    ids = Counter(module["id"] for module in body.get("textModulesData", ()) if "id" in module)
    for module_id, count in ids.items():
        if count > 1:
            yield Fault("textModulesData", f"{module_id} is the id of {count} modules")


def _balance(body: Body, _partial: bool) -> Iterator[Fault]:
    """Check 9."""
    if len(body) != 1:
        yield Fault("", f"should hold exactly one of string, int, double, money; it holds {len(body)}")


def _location(body: Body, _partial: bool) -> Iterator[Fault]:
    """Check 13."""
    for key, most in (("latitude", 90), ("longitude", 180)):
        if key not in body:
            yield Fault(key, "is missing")
        elif not -most <= body[key] <= most:
            yield Fault(key, f"should be between -{most} and {most}")


def _message(body: Body, _partial: bool) -> Iterator[Fault]:
    """Checks 14 and 15."""
    for key in ("id", "header", "body"):
        if not body.get(key) and not body.get(f"localized{key.capitalize()}"):
            yield Fault(key, "is missing")
    if "end" not in body.get("displayInterval", {}):
        yield Fault("displayInterval.end", "is missing: the message would stay for ever")
    if body.get("messageType") == "EXPIRATION_NOTIFICATION":
        yield Fault("messageType", "EXPIRATION_NOTIFICATION is not supported by Google")


def _text_module(body: Body, _partial: bool) -> Iterator[Fault]:
    """Check 16."""
    if "id" in body and not _MODULE_ID.fullmatch(body["id"]):
        yield Fault("id", "should be messages, digits, _ and -, without a dot")


def _value_added_module(body: Body, _partial: bool) -> Iterator[Fault]:
    """Check 17."""
    for key in ("header", "uri"):
        if not body.get(key):
            yield Fault(key, "is missing")
    for key, most in (("header", 60), ("body", 50)):
        for text in _texts_of(body.get(key, {})):
            if len(text) > most:
                yield Fault(key, f"{text!r} is longer than {most} characters and would be cut")


def _texts_of(localized: Body) -> Iterator[str]:
    for part in (localized.get("defaultValue", {}), *localized.get("translatedValues", ())):
        yield part.get("value", "")


def _card_template(body: Body, _partial: bool) -> Iterator[Fault]:
    """Check 18, rows."""
    rows = body.get("cardRowTemplateInfos", ())
    if len(rows) > 3:
        yield Fault("cardRowTemplateInfos", f"has {len(rows)} rows; 3 is the most")


def _card_row(body: Body, _partial: bool) -> Iterator[Fault]:
    """Check 18, row forms."""
    if len(body) != 1:
        yield Fault("", "should hold exactly one of oneItem, twoItems, threeItems")


def _image(body: Body, partial: bool) -> Iterator[Fault]:
    """Check 19."""
    if not body.get("contentDescription"):
        yield Fault("contentDescription", "is missing")
    if ("sourceUri" in body) == ("privateImageId" in body):
        yield Fault("", "should hold exactly one of sourceUri and privateImageId")


def _image_uri(body: Body, _partial: bool) -> Iterator[Fault]:
    """Check 19: Google fetches it from outside."""
    if not is_public(body.get("uri", "")):
        yield Fault("uri", "should start with https://")


def _callback(body: Body, _partial: bool) -> Iterator[Fault]:
    """Section 17."""
    if not is_public(body.get("url", "")):
        yield Fault("url", "should start with https://")


def _uri(body: Body, _partial: bool) -> Iterator[Fault]:
    """Section 6: the scheme is mandatory."""
    if not re.match(r"(https?|tel|mailto):", body.get("uri", "")):
        yield Fault("uri", "should start with https://, tel: or mailto:")


def _interval(body: Body, _partial: bool) -> Iterator[Fault]:
    """Check 20."""
    ends = [date for key in ("start", "end") if (date := body.get(key, {}).get("date"))]
    if len(ends) == 2 and len({bool(re.search(r"(Z|[+-]\d\d:\d\d)$", end)) for end in ends}) == 2:
        yield Fault("", "start and end should both have an offset from UTC, or neither")


def _date_time(body: Body, _partial: bool) -> Iterator[Fault]:
    """Section 4."""
    if not _INSTANT.fullmatch(body.get("date", "")):
        yield Fault("date", "should look like 2027-01-31T23:59:59+01:00")


def _barcode(body: Body, _partial: bool) -> Iterator[Fault]:
    """Section 10."""
    if body.get("type") == "TEXT_ONLY" and "alternateText" in body:
        yield Fault("alternateText", "does not go with TEXT_ONLY")
    if "renderEncoding" in body and body.get("type") != "QR_CODE":
        yield Fault("renderEncoding", "is for QR_CODE only")


def _rotating_barcode(body: Body, _partial: bool) -> Iterator[Fault]:
    """Section 10."""
    if body.get("type") not in ("QR_CODE", "PDF_417"):
        yield Fault("type", "should be QR_CODE or PDF_417; no other rotates")
    for index, parameter in enumerate(body.get("totpDetails", {}).get("parameters", ())):
        if not re.fullmatch(r"([0-9A-Fa-f]{2})+", parameter.get("key", "")):
            yield Fault(f"totpDetails.parameters[{index}].key", "should be hexadecimal")


def is_public(url: str) -> bool:
    """Whether Google can fetch it: https; plain http on this very machine only, where a simulator stands for Google."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost"))
    )


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_REQUIRED, _pass_rules),
    "LoyaltyPointsBalance": _balance,
    "MerchantLocation": _location,
    "Message": _message,
    "TextModuleData": _text_module,
    "ValueAddedModuleData": _value_added_module,
    "CardTemplateOverride": _card_template,
    "CardRowTemplateInfo": _card_row,
    "Image": _image,
    "ImageUri": _image_uri,
    "CallbackOptions": _callback,
    "Uri": _uri,
    "TimeInterval": _interval,
    "DateTime": _date_time,
    "Barcode": _barcode,
    "RotatingBarcode": _rotating_barcode,
}
"""By schema name."""
