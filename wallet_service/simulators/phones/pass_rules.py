"""What Wallet demands of `pass.json`. Pure.

Source: apple-wallet.md, sections 2 and 8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from wallet_service.errors import Fault
from wallet_service.previews.pass_content import STYLES

FIELD_ARRAYS = (
    "headerFields",
    "primaryFields",
    "secondaryFields",
    "auxiliaryFields",
    "footerFields",
    "backFields",
    "additionalInfoFields",
)
BARCODE_FORMATS = frozenset(
    f"PKBarcodeFormat{name}" for name in ("QR", "PDF417", "Aztec", "Code128", "Code39", "Codabar", "EAN13", "I2of5")
)
PLACES_LIMIT = 10

_IDENTITY = ("passTypeIdentifier", "serialNumber", "teamIdentifier", "organizationName", "description")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})")
_COLOUR = re.compile(r"rgb\((\d{1,3}), ?(\d{1,3}), ?(\d{1,3})\)")
_DATE_STYLES = frozenset(f"PKDateStyle{name}" for name in ("None", "Short", "Medium", "Long", "Full"))
_NUMBER_STYLES = frozenset(f"PKNumberStyle{name}" for name in ("Decimal", "Percent", "Scientific", "SpellOut"))


def pass_faults(content: Any, *, allow_http: bool) -> list[Fault]:
    """Everything for which Wallet would refuse this `pass.json`, paths beginning with `pass.json: `."""
    if not isinstance(content, dict):
        return [Fault("pass.json", "this must be an object")]
    found = (
        *_identity(content),
        *_appearance(content),
        *_web_service(content, allow_http=allow_http),
        *_places(content),
        *_barcodes(content),
        *_style(content),
        *_nulls(content, ""),
    )
    return [Fault(f"pass.json: {path}", message) for path, message in found]


def _identity(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    version = content.get("formatVersion")
    if version != 1 or isinstance(version, bool):
        yield "formatVersion", "this must be the number 1"
    for key in _IDENTITY:
        if not isinstance(content.get(key), str) or not content[key]:
            yield key, "this text is required"


def _appearance(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("backgroundColor", "foregroundColor", "labelColor"):
        if key in content and not _is_colour(content[key]):
            yield key, "a colour looks like rgb(23, 187, 82)"
    for key in ("expirationDate", "relevantDate"):
        if key in content and not _is_date(content[key]):
            yield key, "a date looks like 2026-12-31T23:59+01:00"
    if "voided" in content and not isinstance(content["voided"], bool):
        yield "voided", "this must be true or false"


def _web_service(content: dict[str, Any], *, allow_http: bool) -> Iterator[tuple[str, str]]:
    if "webServiceURL" not in content:
        return
    address = urlsplit(str(content["webServiceURL"]))
    if address.scheme != "https" and not (allow_http and address.scheme == "http"):
        yield "webServiceURL", "this must be an https address"
    secret = content.get("authenticationToken")
    if not isinstance(secret, str) or len(secret) < 16:
        yield "authenticationToken", "at least 16 characters are required with a web service"


def _places(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("locations", "beacons"):
        places = content.get(key, [])
        if not isinstance(places, list) or len(places) > PLACES_LIMIT:
            yield key, f"this must be a list of at most {PLACES_LIMIT}"
    for index, place in enumerate(content.get("locations", [])):
        for key, most in (("latitude", 90), ("longitude", 180)):
            if not _is_number(place.get(key)) or abs(place[key]) > most:
                yield f"locations[{index}].{key}", f"this must be a number from -{most} to {most}"
        if "relevantText" in place and not isinstance(place["relevantText"], str):
            yield f"locations[{index}].relevantText", "this must be text"
    if "maxDistance" in content and not (_is_number(content["maxDistance"]) and content["maxDistance"] > 0):
        yield "maxDistance", "this must be a number of metres above 0"


def _barcodes(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    codes = content.get("barcodes", [])
    if not isinstance(codes, list):
        yield "barcodes", "this must be a list"
        return
    for index, code in enumerate(codes):
        if code.get("format") not in BARCODE_FORMATS:
            yield f"barcodes[{index}].format", "this barcode format is not known"
        for key in ("message", "messageEncoding"):
            if not isinstance(code.get(key), str) or not code[key]:
                yield f"barcodes[{index}].{key}", "this text is required"
                return
        try:
            code["message"].encode(code["messageEncoding"])
        except (LookupError, UnicodeEncodeError):
            yield f"barcodes[{index}].message", f"this cannot be written in {code['messageEncoding']}"


def _style(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    styles = [style for style in STYLES if style in content]
    if len(styles) != 1:
        yield "", f"exactly one style of {', '.join(STYLES)} is required"
    for style in (*styles, *(["posterGeneric"] if "posterGeneric" in content else [])):
        keys: set[str] = set()
        for name in FIELD_ARRAYS:
            for index, field in enumerate(content[style].get(name, [])):
                path = f"{style}.{name}[{index}]"
                yield from _field(path, field)
                if field.get("key") in keys:
                    yield f"{path}.key", f"the key {field['key']!r} appears twice"
                keys.add(str(field.get("key")))


def _field(path: str, field: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if not isinstance(field.get("key"), str) or not field["key"]:
        yield f"{path}.key", "this text is required"
    value = field.get("value")
    if not isinstance(value, str) and not _is_number(value):
        yield f"{path}.value", "this must be text, a number or a date"
    for key in ("dateStyle", "timeStyle"):
        if key in field and (field[key] not in _DATE_STYLES or not _is_date(value)):
            yield f"{path}.{key}", "a date style needs a known name and a date as value"
    if "numberStyle" in field and (field["numberStyle"] not in _NUMBER_STYLES or not _is_number(value)):
        yield f"{path}.numberStyle", "a number style needs a known name and a number as value"
    if "currencyCode" in field and (not re.fullmatch("[A-Z]{3}", str(field["currencyCode"])) or not _is_number(value)):
        yield f"{path}.currencyCode", "a currency needs three letters and a number as value"
    if "changeMessage" in field and not isinstance(field["changeMessage"], str):
        yield f"{path}.changeMessage", "this must be text"


def _nulls(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if value is None:
        yield path, "leave the key out instead of sending null"
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _nulls(one, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _nulls(one, f"{path}[{index}]")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_date(value: Any) -> bool:
    return isinstance(value, str) and bool(_DATE.fullmatch(value))


def _is_colour(value: Any) -> bool:
    match = _COLOUR.fullmatch(value) if isinstance(value, str) else None
    return match is not None and all(int(part) <= 255 for part in match.groups())
