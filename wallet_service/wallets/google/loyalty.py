"""Google's class and object for a loyalty card, from our template and content. Pure.

The class carries what all cards of a design share, in every language of the design; the object carries one member's
values. What becomes empty must disappear at Google too; a PATCH keeps what it does not name, so `patch_of` names it.

Source: google-wallet.md sections 3, 6, 7, 9, 10, 13, 16 (PATCH rules) and 22.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from babel.numbers import get_currency_precision

from wallet_service.cards.content import Barcode, BarcodeFormat, CardContent, FieldContent, Money
from wallet_service.cards.template import FieldSpec, GoogleSlot, ImageName, Template
from wallet_service.errors import Fault, Invalid
from wallet_service.wallets.google import schema
from wallet_service.wallets.protocol import CardView, ProgramView

Body = dict[str, Any]
ImageUrl = Callable[[ImageName], str]
"""The public address of one of a template's images."""

CLASS = "LoyaltyClass"
OBJECT = "LoyaltyObject"
LONGEST_SUFFIX = 64

_BARCODES: Mapping[BarcodeFormat, str] = {
    "qr": "QR_CODE",
    "aztec": "AZTEC",
    "pdf417": "PDF_417",
    "code128": "CODE_128",
    "ean13": "EAN_13",
}
_POINTS: Mapping[GoogleSlot, str] = {"points": "loyaltyPoints", "secondary_points": "secondaryLoyaltyPoints"}
_ACCOUNT: Mapping[GoogleSlot, str] = {"account_name": "accountName", "account_id": "accountId"}
_INT32 = range(-(2**31), 2**31)
# Not ours to clear: other duties write these, or Google does.
_OTHERS = {"id", "messages", "linkedObjectIds", "linkedOfferIds", "notifyPreference", "review"} | schema.READ_ONLY
_NOT_RAW = {"id", "classId", "state", "reviewStatus", "callbackOptions"} | _OTHERS


def new_object_id(issuer_id: str, id_prefix: str = "") -> str:
    """An id that names nobody: 128 random bits after the issuer and the installation's prefix."""
    return f"{issuer_id}.{id_prefix}{secrets.token_hex(16)}"


def class_id_of(program: ProgramView, template_id: str, id_prefix: str = "") -> str:
    """The class of a design; the same for all versions of the design, at most 64 characters after the issuer.

    Raises:
        Invalid: the programme has no issuer.
    """
    if program.issuer_id is None:
        raise Invalid.at("google.issuer_id", f"the programme {program.program_id} is not on Google")
    suffix = f"{id_prefix}{program.program_id}-{template_id}"
    if len(suffix) > LONGEST_SUFFIX:
        suffix = f"{suffix[: LONGEST_SUFFIX - 9]}-{hashlib.sha256(suffix.encode()).hexdigest()[:8]}"
    return f"{program.issuer_id}.{suffix}"


def class_body(
    program: ProgramView, template: Template, *, class_id: str, image_url: ImageUrl, callback_url: str
) -> Body:
    """A LoyaltyClass as it is inserted; `patch_of` makes a patch of it."""
    document = template.document
    description = localized(template, document.description, program.locale)

    def image(name: ImageName) -> Body:
        return {"sourceUri": {"uri": image_url(name)}, "contentDescription": description}

    body: Body = {
        "id": class_id,
        "issuerName": program.brand,
        "programName": program.name,
        "programLogo": image("logo"),
        "reviewStatus": "UNDER_REVIEW",
        "hexBackgroundColor": document.colours.background.lower(),
        "multipleDevicesAndHoldersAllowedStatus": "ONE_USER_ALL_DEVICES",
        "callbackOptions": {"url": callback_url},
    }
    if "hero" in template.images:
        body["heroImage"] = image("hero")
    for spec in document.fields:
        if name := _ACCOUNT.get(spec.google):
            body[f"{name}Label"] = template.words[template.locale_for(program.locale, "")][spec.label]
            body[f"localized{name[0].upper()}{name[1:]}Label"] = localized(template, spec.label, program.locale)
    if document.links:
        body["linksModuleData"] = {
            "uris": [
                {
                    "id": link.id,
                    "uri": link.url,
                    "localizedDescription": localized(template, link.label, program.locale),
                }
                for link in document.links
            ]
        }
    return {**body, **document.google.get("class", {})}


def first_class(
    program: ProgramView, template: Template, *, class_id: str, image_url: ImageUrl, callback_url: str
) -> Body:
    """The smallest class that Google accepts; short enough to travel in a save link beside the first object."""
    return {
        "id": class_id,
        "issuerName": program.brand,
        "programName": program.name,
        "programLogo": {
            "sourceUri": {"uri": image_url("logo")},
            "contentDescription": {"defaultValue": {"language": program.locale, "value": program.brand}},
        },
        "reviewStatus": "UNDER_REVIEW",
        "callbackOptions": {"url": callback_url},
    }


def object_body(card: CardView, *, class_id: str) -> Body:
    """A LoyaltyObject as it is inserted, with everything that the member sees.

    Raises:
        Invalid: the card has no object id.
    """
    template, content = card.template, card.content
    body = first_body(card, class_id=class_id)
    texts = []
    for spec, field in _shown(template, content):
        if spec.google in _POINTS:
            body[_POINTS[spec.google]]["localizedLabel"] = localized(template, spec.label, content.locale)
        elif spec.google == "text":
            header = localized(template, spec.label, content.locale)
            texts.append({"id": spec.id, "header": field.label, "localizedHeader": header, "body": field.text})
    if texts:
        body["textModulesData"] = texts
    if content.places:
        body["merchantLocations"] = [
            {"latitude": place.latitude, "longitude": place.longitude} for place in content.places
        ]
    return {**body, **template.document.google.get("object", {})}


def first_body(card: CardView, *, class_id: str) -> Body:
    """The smallest object worth saving: state, account, points, barcode. Short enough to travel in a save link.

    Raises:
        Invalid: the card has no object id.
    """
    if card.google_object_id is None:
        raise Invalid.at("google_object_id", f"the card {card.serial_number} has no object at Google")
    content = card.content
    body: Body = {
        "id": card.google_object_id,
        "classId": class_id,
        "state": "INACTIVE" if content.voided else "ACTIVE",
    }
    for spec, field in _shown(card.template, content):
        if name := _POINTS.get(spec.google):
            body[name] = {"label": field.label, "balance": _balance(field)}
        elif name := _ACCOUNT.get(spec.google):
            body[name] = field.text
    if content.barcode is not None:
        body["barcode"] = _barcode(content.barcode)
    return body


def patch_of(schema_name: str, body: Body) -> Body:
    """The PATCH that leaves at Google exactly what `body` says: null for whatever it does not hold, arrays whole.

    Messages and links between passes stay as they are: other duties own them. Source: section 16, checks 30 and 31.
    """
    return schema.with_nulls(schema_name, body, but=_OTHERS)


def speaks_on_google(template: Template, content: CardContent) -> bool:
    """Whether the field that has news is one that Google notifies about. Source: section 12."""
    return any(spec.id == content.notify_field and spec.google in _POINTS for spec in template.document.fields)


def faults_in_raw_keys(template: Template) -> list[Fault]:
    """What is wrong in the template's `[google.class]` and `[google.object]`, which go to Google as they stand."""
    faults: list[Fault] = []
    for table, value in template.document.google.items():
        path = f"google.{table}"
        if table not in ("class", "object"):
            faults.append(Fault(path, "unknown table; there are google.class and google.object"))
        elif not isinstance(value, dict):
            faults.append(Fault(path, "should be a table"))
        else:
            faults += [Fault(f"{path}.{key}", "is set by the service") for key in value if key in _NOT_RAW]
            mine = {key: part for key, part in value.items() if key not in _NOT_RAW}
            faults += schema.faults_in(CLASS if table == "class" else OBJECT, mine, path=path, partial=True)
    return faults


def localized(template: Template, key: str, locale: str) -> Body:
    """A word of the design as Google's LocalizedString: `locale` is the default, the others are translations."""
    first = template.locale_for(locale, "")
    others = [tag for tag in sorted(template.words) if tag != first]
    body: Body = {"defaultValue": {"language": first, "value": template.words[first][key]}}
    if others:
        body["translatedValues"] = [{"language": tag, "value": template.words[tag][key]} for tag in others]
    return body


def _shown(template: Template, content: CardContent) -> list[tuple[FieldSpec, FieldContent]]:
    pairs = ((spec, content.field(spec.id)) for spec in template.document.fields)
    return [(spec, field) for spec, field in pairs if field is not None and spec.google != "none"]


def _balance(field: FieldContent) -> Body:
    if isinstance(field.value, Money):
        scale = 6 - int(get_currency_precision(field.value.currency))
        return {"money": {"currencyCode": field.value.currency, "micros": str(field.value.amount * 10**scale)}}
    if isinstance(field.value, int) and field.value in _INT32:
        return {"int": field.value}
    return {"string": field.text}


def _barcode(barcode: Barcode) -> Body:
    body: Body = {"type": _BARCODES[barcode.format], "value": barcode.value}
    if barcode.text is not None:
        body["alternateText"] = barcode.text
    if barcode.format == "qr" and not barcode.value.isascii():
        body["renderEncoding"] = "UTF_8"
    return body
