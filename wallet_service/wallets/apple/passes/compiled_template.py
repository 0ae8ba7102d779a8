"""The part of a `pass.json` that cards share: composed, checked and encoded once, then filled in for each card.

`pass_json` and `pass_rules` say what a right document is. A compiled is made of a document that they found right: its
text, cut where a card's own values stand. Filling takes only values whose rightness is plain to see; for anything else
it gives up, and the card goes the long way through those two, which then say what is wrong. (Composing and checking
cost 20 µs in the cold cache that a signature leaves behind; filling costs 5.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from wallet_service.cards.barcodes import SAMPLES, can_carry
from wallet_service.cards.content import Barcode, FieldContent
from wallet_service.values import Money
from wallet_service.wallets.apple.passes.model import DATE_PATTERN
from wallet_service.wallets.apple.passes.pass_json import (
    FORMAT_OF,
    beacons,
    drawn_date,
    formats_drawn,
    location,
    major_units,
)
from wallet_service.wallets.apple.passes.rules import Rules, validate
from wallet_service.wallets.protocol import CardView

_MARK = "placeholder 7f4c1d {}"
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_SERIAL = re.compile(r"[A-Za-z0-9_-]{8,64}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,128}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(DATE_PATTERN)
_LARGEST = 2**53
_MOST_PLACES = 10

Fill = Callable[[CardView], bytes | None]
"""The JSON of a card's own value; None where the long way must be gone."""


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """The text around a card's own values, and what fills each gap."""

    pieces: tuple[bytes, ...]
    fills: tuple[Fill, ...]

    def render(self, card: CardView) -> bytes | None:
        """The card's `pass.json`, or None if this template does not fit it."""
        parts = [self.pieces[0]]
        for fill, piece in zip(self.fills, self.pieces[1:], strict=True):
            value = fill(card)
            if value is None:
                return None
            parts += (value, piece)
        return b"".join(parts)


def shape_of(card: CardView) -> Hashable:
    """What two cards must have in common to share a compiled template."""
    content, code = card.content, card.content.barcode
    return (
        card.template.digest,
        card.program,
        content.locale,
        content.voided,
        content.notify_field,
        bool(content.places),
        any(place.beacons for place in content.places),
        content.radius_m is None,
        content.look,
        content.expires_at is None,
        content.nameless,
        code and (formats_drawn(card), code.value.isascii(), bool(code.text)),
        tuple(
            (field.id, field.kind, field.label, field.value.currency if isinstance(field.value, Money) else None)
            for field in content.fields
        ),
    )


_NOT_COMPILED = CompiledTemplate((b"", b""), (lambda _card: None,))


def compile_template(card: CardView, document: Mapping[str, Any], rules: Rules) -> CompiledTemplate:
    """Compile a card's document, which has been found right.

    If its rightness rests on the very values that vary (a back field that alone names the issuer's address, say), the
    compiled takes no card, and all of that shape go the long way.
    """
    code = card.content.barcode
    if code is not None and not code.value.isascii():
        return _NOT_COMPILED
    placeholders: list[tuple[Fill, Any]] = []

    def placeholder(fill: Fill, neutral: Any) -> dict[str, Any]:
        placeholders.append((fill, neutral))
        return {_MARK.format(len(placeholders) - 1): None}

    marked = _marked(card, document, placeholder)
    if validate(_neutral(marked, placeholders), rules):
        return _NOT_COMPILED
    pieces, order = [], []
    rest = orjson.dumps(marked)
    while (cut := re.search(rb'\{"placeholder 7f4c1d (\d+)":null\}', rest)) is not None:
        pieces.append(rest[: cut.start()])
        order.append(int(cut[1]))
        rest = rest[cut.end() :]
    return CompiledTemplate((*pieces, rest), tuple(placeholders[number][0] for number in order))


Placeholder = Callable[[Fill, Any], dict[str, Any]]


def _marked(card: CardView, document: Mapping[str, Any], placeholder: Placeholder) -> dict[str, Any]:
    """The document with a mark in place of each value that is the card's own."""
    own = {field.id: index for index, field in enumerate(card.content.fields)}
    marked = dict(document)
    marked["serialNumber"] = placeholder(_serial_number, "x" * 8)
    marked["authenticationToken"] = placeholder(_auth_token, "x" * 32)
    for key, fill, neutral in (
        ("locations", _locations, [{"latitude": 0, "longitude": 0}]),
        ("beacons", _beacons, [{"proximityUUID": "00000000-0000-0000-0000-000000000000"}]),
        ("maxDistance", _radius, 1),
        ("expirationDate", _expiry, "2999-12-31T00:00:00Z"),
    ):
        # a design may have beacons of its own, which are the same on every card
        if key in document and (key != "beacons" or beacons(card.content.places)):
            marked[key] = placeholder(fill, neutral)
    if "barcodes" in document:
        marked["barcodes"] = [_marked_code(code, placeholder) for code in document["barcodes"]]
    if "nfc" in document:
        marked["nfc"] = document["nfc"] | {"message": placeholder(_nfc_message, "x")}
    for style, arrays in document.items():
        if isinstance(arrays, dict) and any(name.endswith("Fields") for name in arrays):
            marked[style] = {
                name: [_marked_field(card, field, own, placeholder) for field in fields]
                if name.endswith("Fields")
                else fields
                for name, fields in arrays.items()
            }
    return marked


def _marked_field(
    card: CardView, field: dict[str, Any], own: Mapping[str, int], placeholder: Placeholder
) -> dict[str, Any]:
    index = own.get(field["key"])
    if index is None:
        return field
    kind = card.content.fields[index].kind
    write, neutral = _WRITERS[kind]
    return field | {"value": placeholder(lambda card: write(card.content.fields[index]), neutral)}


def _marked_code(code: dict[str, Any], placeholder: Placeholder) -> dict[str, Any]:
    marked = code | {"message": placeholder(_code_message, SAMPLES[FORMAT_OF[code["format"]]])}
    return marked | {"altText": placeholder(_code_text, "x")} if "altText" in code else marked


def _neutral(marked: Any, placeholders: Sequence[tuple[Fill, Any]]) -> Any:
    match marked:
        case dict() if len(marked) == 1 and (key := next(iter(marked))).startswith("placeholder 7f4c1d "):
            return placeholders[int(key.rpartition(" ")[2])][1]
        case dict():
            return {key: _neutral(value, placeholders) for key, value in marked.items()}
        case list():
            return [_neutral(value, placeholders) for value in marked]
        case _:
            return marked


def _serial_number(card: CardView) -> bytes | None:
    return f'"{card.serial_number}"'.encode() if _SERIAL.fullmatch(card.serial_number) else None


def _auth_token(card: CardView) -> bytes | None:
    return f'"{card.auth_token}"'.encode() if _TOKEN.fullmatch(card.auth_token) else None


def _locations(card: CardView) -> bytes | None:
    places = card.content.places
    if len(places) > _MOST_PLACES:
        return None
    if not all(-90 <= place.latitude <= 90 and -180 <= place.longitude <= 180 for place in places):
        return None
    return orjson.dumps([location(place) for place in places])


def _beacons(card: CardView) -> bytes | None:
    spots = beacons(card.content.places)
    return orjson.dumps(spots) if spots and all(_is_uuid(spot["proximityUUID"]) for spot in spots) else None


def _is_uuid(text: object) -> bool:
    return isinstance(text, str) and _UUID.fullmatch(text) is not None


def _radius(card: CardView) -> bytes | None:
    radius = card.content.radius_m
    return b"%d" % radius if isinstance(radius, int) and radius > 0 else None


def _expiry(card: CardView) -> bytes | None:
    return _instant_text(card.content.expires_at)


def _instant_text(text: object) -> bytes | None:
    return f'"{text}"'.encode() if isinstance(text, str) and text.isascii() and _INSTANT.fullmatch(text) else None


def _code_message(card: CardView) -> bytes | None:
    code = card.content.barcode
    return _text(code.value) if code is not None and _is_plain(code) else None


def _is_plain(code: Barcode) -> bool:
    return code.value.isascii() and can_carry(code.format, code.value)


def _nfc_message(card: CardView) -> bytes | None:
    code = card.content.barcode
    return _text(code.value) if code is not None and code.value.isascii() and len(code.value) <= 64 else None


def _code_text(card: CardView) -> bytes | None:
    return _text(card.content.barcode.text) if card.content.barcode else None


def _text(value: object) -> bytes | None:
    return orjson.dumps(value) if isinstance(value, str) and value else None


def _number(field: FieldContent) -> bytes | None:
    value = field.value
    return b"%d" % value if type(value) is int and -_LARGEST < value < _LARGEST else None


def _money(field: FieldContent) -> bytes | None:
    return orjson.dumps(major_units(field.value)) if isinstance(field.value, Money) else None


def _date(field: FieldContent) -> bytes | None:
    value = field.value
    return f'"{drawn_date(value)}"'.encode() if isinstance(value, str) and _DAY.fullmatch(value) else None


def _moment(field: FieldContent) -> bytes | None:
    # Written with whole seconds already, as the composer writes it.
    value = field.value
    if not isinstance(value, str) or len(value) not in (20, 25):
        return None
    return _instant_text(value.replace("+00:00", "Z"))


_WRITERS: Mapping[str, tuple[Callable[[FieldContent], bytes | None], Any]] = {
    "text": (lambda field: _text(field.value), "x"),
    "number": (_number, 0),
    "money": (_money, 0),
    "date": (_date, "2999-12-31T12:00:00Z"),
    "instant": (_moment, "2999-12-31T12:00:00Z"),
}
