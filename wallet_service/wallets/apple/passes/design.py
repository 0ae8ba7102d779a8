"""Apple's rules for a card design; for whoever loads designs, before any card exists.

A design's `[apple]` table sets raw keys of `pass.json`, and five of this program's own:

    localized = true                    one pass for all languages: .lproj folders beside the member's own
    [apple.fields.<id>]                 raw keys of one field
    [apple.poster]                      header, primary, footer: ids of fields; iOS 27 draws the card as a poster
    [apple.nfc]                         tap to pay out the number; needs the programme's nfc_encryption_public_key
    [apple.personalization]             description, fields, terms: Wallet asks a member without a name who they are
    [apple.boardingPass]                transitType: drawn as a boarding pass
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Literal, get_args

import orjson
from pydantic import Field

from wallet_service.cards.barcodes import SAMPLES
from wallet_service.cards.content import Barcode, CardContent, FieldContent, FieldKind
from wallet_service.cards.template import Template
from wallet_service.errors import Fault, Invalid
from wallet_service.parsing import parse
from wallet_service.values import Money, Value
from wallet_service.wallets.apple.passes.images import constant_images, slots_of
from wallet_service.wallets.apple.passes.model import PassDocument, PassField
from wallet_service.wallets.apple.passes.pass_json import (
    COMPUTED_FIELD_KEYS,
    COMPUTED_KEYS,
    FIELDS_TABLE,
    LOCALIZED_KEY,
    NFC_TABLE,
    OWN_KEYS,
    PERSONALIZATION_TABLE,
    POSTER_TABLE,
    pass_json,
)
from wallet_service.wallets.apple.passes.rules import Rules, validate
from wallet_service.wallets.protocol import CardView, ProgramView

SignUpField = Literal["name", "postal_code", "email", "phone"]
_PROGRAM = ProgramView(
    program_id="design", name="x", brand="x", locale="en", organization_name="x", pass_type_id="pass.design",  # noqa: S106
    team_id="DESIGN0000", issuer_id=None, nfc_key=None,
)  # fmt: skip
_VALUES: Mapping[FieldKind, str | int | Money] = {
    "text": "x",
    "number": 0,
    "money": Money(amount=0, currency="EUR"),
    "date": "2026-01-01",
    "instant": "2026-01-01T00:00:00Z",
}


class PosterTable(Value):
    """`[apple.poster]`: ids of fields."""

    header: tuple[str, ...] = Field(default=(), max_length=1)
    primary: tuple[str, ...] = Field(min_length=1, max_length=4)
    footer: tuple[str, ...] = Field(default=(), max_length=1)


class NfcTable(Value):
    """`[apple.nfc]`; the message is the barcode's value, the key the programme's."""

    requiresAuthentication: bool = False  # noqa: N815  (Apple's word)


class PersonalizationTable(Value):
    """`[apple.personalization]`: `description` and `terms` are keys of the words."""

    description: str
    fields: tuple[SignUpField, ...] = Field(min_length=1)
    terms: str | None = None


class JourneyTable(Value):
    """`[apple.boardingPass]`."""

    transitType: Literal[  # noqa: N815  (Apple's word)
        "PKTransitTypeAir", "PKTransitTypeBoat", "PKTransitTypeBus", "PKTransitTypeGeneric", "PKTransitTypeTrain"
    ]


_TABLES: Mapping[str, type[Value]] = {
    POSTER_TABLE: PosterTable,
    NFC_TABLE: NfcTable,
    PERSONALIZATION_TABLE: PersonalizationTable,
    "boardingPass": JourneyTable,
}


def template_faults(template: Template) -> list[Fault]:
    """Everything of a design that Apple would refuse, each with its path in `template.toml` or in the folder.

    Besides the tables, a pass of the design is composed in every language with neutral values and checked whole.
    """
    faults = list(chain(_keys(template), _tables(template), _notify_words(template)))
    if not faults:
        faults += chain(_poster(template), _sign_up(template), _languages(template))
        faults += _images(template)
    if not faults:
        for locale in sorted(template.words):
            faults += _neutral_faults(template, locale)
    return list(dict.fromkeys(faults))


def _keys(template: Template) -> Iterator[Fault]:
    for key in template.document.apple:
        if key in COMPUTED_KEYS:
            yield Fault(f"apple.{key}", "comes from the card or the design and cannot be set here")
        elif key not in OWN_KEYS and key not in PassDocument.__annotations__:
            yield Fault(f"apple.{key}", "is not a key of pass.json that Apple documents")


def _tables(template: Template) -> Iterator[Fault]:
    apple = template.document.apple
    if FIELDS_TABLE in apple:
        yield from _field_table_faults(apple[FIELDS_TABLE], {field.id for field in template.document.fields})
    if not isinstance(apple.get(LOCALIZED_KEY, False), bool):
        yield Fault(f"apple.{LOCALIZED_KEY}", "should be true or false")
    for key, model in _TABLES.items():
        if key in apple:
            try:
                parse(model, apple[key])
            except Invalid as refused:
                for fault in refused.faults:
                    yield Fault(f"apple.{key}.{fault.path}".rstrip("."), fault.message)


def _field_table_faults(table: object, known: set[str]) -> Iterator[Fault]:
    if not isinstance(table, dict):
        yield Fault("apple.fields", "should be a table of tables, one for each field")
        return
    for field_id, extras in table.items():
        path = f"apple.fields.{field_id}"
        if field_id not in known:
            yield Fault(path, "is not a field of this design")
        elif not isinstance(extras, dict):
            yield Fault(path, "should be a table")
        else:
            for key in extras:
                if key in COMPUTED_FIELD_KEYS or key not in PassField.__annotations__:
                    yield Fault(f"{path}.{key}", "is not a key of a pass field that can be set here")


def _notify_words(template: Template) -> Iterator[Fault]:
    for index, field in enumerate(template.document.fields):
        for locale, words in template.words.items():
            if field.notify is not None and "%@" not in words.get(field.notify, "%@"):
                yield Fault(f"fields[{index}].notify", f"its words in {locale} do not contain %@")


def _poster(template: Template) -> Iterator[Fault]:
    poster = template.document.apple.get(POSTER_TABLE)
    if poster is None:
        return
    slots = {field.id: field.apple for field in template.document.fields}
    for slot, ids in poster.items():
        for index, field_id in enumerate(ids):
            if slots.get(field_id, "none") == "none":
                yield Fault(f"apple.poster.{slot}[{index}]", f"{field_id} is not a field with a slot on Apple")
    if "artwork" not in template.images:
        yield Fault("images/artwork.png", "is missing, and the poster is drawn on it")


def _sign_up(template: Template) -> Iterator[Fault]:
    form = template.document.apple.get(PERSONALIZATION_TABLE)
    if form is None:
        return
    if "name" not in form["fields"]:
        yield Fault("apple.personalization.fields", "should ask for the name: by it we see who has signed up")
    if "personalization_logo" not in template.images:
        yield Fault("images/personalization_logo.png", "is missing, and Wallet's form is headed by it")
    if NFC_TABLE not in template.document.apple:
        yield Fault("apple.personalization", "needs an [apple.nfc] table: Wallet shows the form for no other pass")


def _languages(template: Template) -> Iterator[Fault]:
    """Where one pass carries all languages, equal texts of one language must be equal in the others, too."""
    if not template.document.apple.get(LOCALIZED_KEY):
        return
    for locale, words in template.words.items():
        meant: dict[str, str] = {}
        for key, text in words.items():
            other = meant.setdefault(text, key)
            if any(there[key] != there[other] for there in template.words.values()):
                words_path = f"words/{locale}.toml"
                yield Fault(words_path, f"{key} and {other} read alike here and differ in another language")


def _images(template: Template) -> Iterator[Fault]:
    if {"strip", "background"} <= template.images.keys() or {"strip", "thumbnail"} <= template.images.keys():
        stems = {slot.stem for slot in slots_of(template)}
        if "strip" in stems and stems & {"background", "thumbnail"}:
            yield Fault("images/strip.png", "excludes background and thumbnail on an event ticket")
    for locale in (None, *template.local_images):
        try:
            constant_images(template, locale, with_strip=True)
        except Invalid as refused:
            yield from refused.faults


def _neutral_faults(template: Template, locale: str) -> Iterator[Fault]:
    rules = Rules(nfc=True, now=datetime(2000, 1, 1, tzinfo=UTC))
    full, bare = (neutral_pass(template, locale, filled=filled) for filled in (True, False))
    for fault in dict.fromkeys((*validate(full, rules), *validate(bare, rules))):
        top = fault.path.partition(".")[0].partition("[")[0]
        raw = top in template.document.apple and top not in OWN_KEYS
        yield Fault(f"apple.{fault.path}" if raw else f"pass.json {fault.path}", fault.message)


def neutral_pass(template: Template, locale: str, *, filled: bool = True) -> dict[str, Any]:
    """The `pass.json` of a card of this design on which every field shows something; else, on which none has a value.

    Raises:
        Invalid: it cannot even be composed.
    """
    document = template.document
    fields = tuple(
        FieldContent(
            id=spec.id, kind=spec.kind, label=template.words[locale][spec.label], value=_VALUES[spec.kind], text="x"
        )
        for spec in document.fields
        if filled
    )
    barcode = None
    if document.barcode is not None:
        first = document.barcode.formats[0]
        barcode = Barcode(format=first, value=SAMPLES[first])
    notifying = next((spec.id for spec in document.fields if spec.notify is not None), None)
    content = CardContent(
        locale=locale, template_digest=template.digest, fields=fields, barcode=barcode, notify_field=notifying
    )
    card = CardView(
        program=_PROGRAM,
        template=template,
        content=content,
        serial_number="0" * 8,
        auth_token="0" * 32,
        card_link="https://cards.example.com/c/x",
        version=1,
    )
    return pass_json(card, web_service_url="https://cards.example.com/apple")


_REQUESTED_PASS = dict(
    zip(
        get_args(SignUpField),
        (f"PKPassPersonalizationField{name}" for name in ("Name", "PostalCode", "EmailAddress", "PhoneNumber")),
        strict=True,
    )
)


def constant_files(card: CardView, document: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a bundle that are neither images nor the card's own: languages, and the sign-up form."""
    files: dict[str, bytes] = {}
    apple, words = card.template.document.apple, card.template.words
    locale = card.template.locale_for(card.content.locale, card.program.locale)
    if apple.get(LOCALIZED_KEY):
        files |= _strings(words, locale, document)
    form = apple.get(PERSONALIZATION_TABLE)
    if form is not None and card.program.sign_up and card.content.nameless and "nfc" in document:
        asked: dict[str, Any] = {
            "description": words[locale][form["description"]],
            "requiredPersonalizationFields": [_REQUESTED_PASS[field] for field in form["fields"]],
        }
        if form.get("terms") is not None:
            asked["termsAndConditions"] = words[locale][form["terms"]]
        files["personalization.json"] = orjson.dumps(asked)
    return files


def _strings(words: Mapping[str, Mapping[str, str]], locale: str, document: Mapping[str, Any]) -> dict[str, bytes]:
    """`pass.strings` for every language: keys are the texts as this card shows them, in its own language.

    Apple replaces a text by the entry of exactly that key, so phones in other languages read theirs, and a language
    that the design does not have reads the member's. UTF-16 with a byte order mark (Apple, "Building a Pass").
    """
    shown = set(_texts(document))
    keys = [key for key, text in words[locale].items() if text in shown]
    return {
        f"{language}.lproj/pass.strings": "".join(
            f'"{_escaped(words[locale][key])}" = "{_escaped(there[key])}";\n' for key in keys
        ).encode("utf-16")
        for language, there in words.items()
    }


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            yield from chain.from_iterable(_texts(inner) for inner in value.values())
        case list():
            yield from chain.from_iterable(_texts(inner) for inner in value)
