"""What Apple asks of the fields of a style beyond their shape: checklist 41, 42, 43 and 45. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from wallet_service.wallets.apple.findings import Finding, Severity
from wallet_service.wallets.apple.passes.model import DATE_PATTERN, STYLES, PassDocument, PassField
from wallet_service.wallets.apple.passes.semantics import semantic_faults

_PLACED_KEYS = frozenset(("textAlignment", "dataDetectorTypes", "row"))
_TOGETHER = 4

_LIMITS: Mapping[str, Mapping[str, int]] = {
    "storeCard": {"headerFields": 3, "primaryFields": 1},
    "coupon": {"headerFields": 3, "primaryFields": 1},
    "generic": {"headerFields": 3, "primaryFields": 1, "secondaryFields": 4, "auxiliaryFields": 4},
    "eventTicket": {"headerFields": 3, "primaryFields": 1, "secondaryFields": 4, "auxiliaryFields": 8},
    "boardingPass": {"headerFields": 3, "primaryFields": 2, "secondaryFields": 5, "auxiliaryFields": 5},
    "posterGeneric": {
        "headerFields": 1, "primaryFields": 4, "secondaryFields": 0, "auxiliaryFields": 0, "footerFields": 1,
    },
}  # fmt: skip
"""How many fields each style draws (Wallet Developer Guide; others are dropped in silence)."""

_DATE = re.compile(DATE_PATTERN)
_TAG = re.compile(r"<[^>]*>?")
_GOOD_TAG = re.compile(r"""</a>|<a href=('[^'<>]*'|"[^"<>]*")>""")
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9A-Fa-f]+);)")
_CONTACT = re.compile(r"\S@\S+\.\S|https?://\S|mailto:\S|tel:\S|\+?\d(?:[ .()-]{0,2}\d){7,}")


_LOOKED_AT = 2000
"""Characters of a text in which the issuer's address is looked for."""

Arrays = dict[str, list[PassField]]


def styles_in(document: PassDocument) -> Iterator[tuple[str, Arrays]]:
    """The style dictionaries that a pass carries, with their keys."""
    anything: Mapping[str, Any] = document
    for style in (*STYLES, "posterGeneric"):
        if style in anything:
            yield style, {array: fields for array, fields in anything[style].items() if array != "transitType"}


def field_findings(document: PassDocument, *, shown: Severity, own: Severity) -> Iterator[Finding]:
    """Broken field rules of every style in the pass.

    Args:
        shown: the severity of what Wallet merely drops or shows wrongly.
        own: the severity of our own rules.
    """
    reachable = False
    for style, arrays in styles_in(document):
        keys = [field["key"] for fields in arrays.values() for field in fields]
        if len(set(keys)) != len(keys):
            repeated = sorted({key for key in keys if keys.count(key) > 1})
            words = f"uses {', '.join(repeated)} for more than one field"
            yield Finding("41", f"{style} keys", words, "give each field its own key")
        for array, fields in arrays.items():
            for index, field in enumerate(fields):
                # Nothing can be wrong with a key, a value and a label; this runs for every pass that is issued.
                if len(field) > 2 + ("label" in field):
                    for refused, rule, key, message, remedy in _one_field(style, array, field):
                        path = f"{style}.{array}[{index}].{key}"
                        yield Finding(rule, path, message, remedy, "error" if refused else shown)
        yield from _counts(style, arrays, document, shown)
        reachable = reachable or any(_tells_contact(field) for field in arrays.get("backFields", ()))
    if not reachable:
        remedy = "add a link (https://, mailto: or tel:) or a back field with an address of the brand"
        yield Finding("45", "backFields", "hold no contact of the issuer", remedy, own)


def _tells_contact(field: PassField) -> bool:
    return any(_is_contact(str(field.get(key, ""))[:_LOOKED_AT]) for key in ("value", "attributedValue"))


@lru_cache(maxsize=1024)
def _is_contact(text: str) -> bool:
    return _CONTACT.search(text) is not None


_Fault = tuple[bool, str, str, str, str]
"""Whether Wallet refuses it, rule, key, message, remedy."""
_REFUSED, _SHOWN = True, False


def _one_field(style: str, array: str, field: PassField) -> Iterator[_Fault]:
    if "changeMessage" in field and "%@" not in field["changeMessage"]:
        yield _SHOWN, "41", "changeMessage", "does not contain %@", "say where the new value goes with %@"
    has_currency, has_number_style = "currencyCode" in field, "numberStyle" in field
    if (has_currency or has_number_style) and isinstance(field["value"], str):
        key = "currencyCode" if has_currency else "numberStyle"
        yield _REFUSED, "41", key, "needs a number as value, not a text", "give the value as a number"
    if has_currency and has_number_style:
        yield _REFUSED, "41", "numberStyle", "cannot stand beside currencyCode", "keep one of the two"
    if "dateStyle" in field or "timeStyle" in field:
        value = field["value"]
        if isinstance(value, str) and not _DATE.fullmatch(value):
            message = f"is not a date with its time and zone, in whole seconds: {value!r}"
            yield _REFUSED, "28", "value", message, "write it like 2026-12-31T21:59:00Z"
    if "attributedValue" in field:
        for message, remedy in _markup_faults(str(field["attributedValue"])):
            yield _SHOWN, "43", "attributedValue", message, remedy
    if "semantics" in field:
        for path, message in semantic_faults("semantics", field["semantics"]):
            yield _SHOWN, "25", path, message, "correct it or leave it out"
    if not _PLACED_KEYS.isdisjoint(field):
        yield from _misplaced(style, array, field)


def _misplaced(style: str, array: str, field: PassField) -> Iterator[_Fault]:
    if "textAlignment" in field and array in ("primaryFields", "backFields"):
        yield _SHOWN, "41", "textAlignment", "is not allowed on primary and back fields", "leave it out"
    if "dataDetectorTypes" in field and array != "backFields":
        yield _SHOWN, "41", "dataDetectorTypes", "is allowed on back fields only", "leave it out"
    if "row" in field and not (style == "eventTicket" and array == "auxiliaryFields"):
        yield _SHOWN, "41", "row", "is allowed on auxiliary fields of event tickets only", "leave it out"


@lru_cache(maxsize=1024)
def _markup_faults(text: str) -> tuple[tuple[str, str], ...]:
    """Kept, for the links on the back are the same on every card of a design."""
    faults = []
    for tag in _TAG.findall(text):
        if not _GOOD_TAG.fullmatch(tag):
            faults.append((f"holds {tag!r}", "only <a href='…'> and </a> are drawn"))
        elif _BARE_AMPERSAND.search(tag):
            faults.append((f"holds a bare & in {tag!r}", "write &amp;"))
    return tuple(faults)


def _counts(style: str, arrays: Arrays, document: PassDocument, severity: Severity) -> Iterator[Finding]:
    counts = {array: len(fields) for array, fields in arrays.items()}
    for array, limit in _LIMITS[style].items():
        if counts.get(array, 0) > limit:
            message = f"holds {counts[array]} fields, of which at most {limit} are drawn"
            yield Finding("42", f"{style}.{array}", message, "move fields to the back", severity)
    if style in ("storeCard", "coupon") or (style == "generic" and _square_code(document)):
        together = counts.get("secondaryFields", 0) + counts.get("auxiliaryFields", 0)
        if together > _TOGETHER:
            message = f"hold {together} fields together, of which at most {_TOGETHER} are drawn"
            path = f"{style}.secondaryFields and auxiliaryFields"
            yield Finding("42", path, message, "move fields to the back", severity)
    if style != "posterGeneric" and counts.get("footerFields"):
        yield Finding("42", f"{style}.footerFields", "is drawn on posterGeneric only", "move the fields", severity)


def _square_code(document: PassDocument) -> bool:
    codes = document.get("barcodes", [])
    return bool(codes) and codes[0]["format"] in ("PKBarcodeFormatQR", "PKBarcodeFormatAztec")
