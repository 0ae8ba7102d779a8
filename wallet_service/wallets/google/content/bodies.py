"""Google's class and object for a card, from our template and content. Pure.

The class carries what all cards of a design share, in every language of the design; the object carries one member's
values. What becomes empty must disappear at Google too; a PATCH keeps what it does not name, so `patch_of` names it.
A member's card is a loyalty card; what is special to the other kinds is in `forms`.

Source: google-wallet.md sections 3, 6, 7, 9, 10, 13, 16 (PATCH rules) and 22.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence

from wallet_service.cards.barcodes import can_carry
from wallet_service.cards.content import Barcode, BarcodeFormat, CardContent, FieldContent
from wallet_service.cards.template import FieldSpec, Template
from wallet_service.errors import Fault, Invalid
from wallet_service.values import Money
from wallet_service.wallets.google.content import schema
from wallet_service.wallets.google.content.kind_parts import (
    POINTS,
    ImageUrl,
    Look,
    class_label,
    class_part,
    faults_in_rotation,
    faults_in_style,
    first_class_part,
    generic_pictures,
    generic_titles,
    money_of,
    object_slot,
    rotating_barcode,
    stamps_image,
)
from wallet_service.wallets.google.content.kinds import GENERIC, GIFT_CARD, LOYALTY, OFFER, Kind, kind_of
from wallet_service.wallets.google.content.schema import Body
from wallet_service.wallets.protocol import CardView, ProgramView

CLASS = "LoyaltyClass"
OBJECT = "LoyaltyObject"
LONGEST_SUFFIX = 64

_BARCODES: Mapping[BarcodeFormat, str] = {
    "qr": "QR_CODE",
    "aztec": "AZTEC",
    "pdf417": "PDF_417",
    "code128": "CODE_128",
    "code39": "CODE_39",
    "codabar": "CODABAR",
    "ean13": "EAN_13",
    "itf": "ITF_14",
}
_ITF_DIGITS = 14
_NO_NUMBER = "-"
_INT32 = range(-(2**31), 2**31)
# Not ours to clear: other tasks write these, or Google does.
_OTHERS = {"id", "messages", "linkedObjectIds", "linkedOfferIds", "notifyPreference", "review"} | schema.READ_ONLY
_NOT_RAW = {"id", "classId", "state", "reviewStatus", "callbackOptions", "rotatingBarcode"} | _OTHERS


def new_object_id(issuer_id: str, id_prefix: str = "") -> str:
    """An id that names nobody: 128 random bits after the issuer and the installation's prefix."""
    return f"{issuer_id}.{id_prefix}{secrets.token_hex(16)}"


def variant_of(template: Template, content: CardContent) -> str:
    """What divides a design's holders into classes: the tier, where the design puts it on the class; else nothing."""
    tier = next((spec.id for spec in template.document.fields if spec.google == "tier"), None)
    field = content.field(tier) if tier is not None and kind_of(template) is LOYALTY else None
    return field.text if field is not None else ""


def class_id_of(program: ProgramView, template_id: str, id_prefix: str = "", variant: str = "") -> str:
    """The class of a design; the same for all versions of the design, at most 64 characters after the issuer.

    Raises:
        Invalid: the programme has no issuer.
    """
    if program.issuer_id is None:
        raise Invalid.at("google.issuer_id", f"the programme {program.program_id} is not on Google")
    suffix = f"{id_prefix}{program.program_id}-{template_id}"
    if variant:
        suffix += f"-{hashlib.sha256(variant.encode()).hexdigest()[:8]}"
    if len(suffix) > LONGEST_SUFFIX:
        suffix = f"{suffix[: LONGEST_SUFFIX - 9]}-{hashlib.sha256(suffix.encode()).hexdigest()[:8]}"
    return f"{program.issuer_id}.{suffix}"


def class_body(
    program: ProgramView,
    template: Template,
    *,
    class_id: str,
    image_url: ImageUrl,
    callback_url: str,
    variant: str = "",
) -> Body:
    """A class as it is inserted; `patch_of` makes a patch of it. `variant` is the tier, where that is on the class."""
    document, kind = template.document, kind_of(template)
    look = Look(program, template, image_url)
    body: Body = {
        "id": class_id,
        "multipleDevicesAndHoldersAllowedStatus": "ONE_USER_ALL_DEVICES",
        "callbackOptions": {"url": callback_url},
    }
    if kind.is_reviewed:
        body |= {
            "issuerName": program.brand,
            "reviewStatus": "UNDER_REVIEW",
            "hexBackgroundColor": document.colours.background.lower(),
        }
        if "hero" in template.images:
            body["heroImage"] = look.image("hero")
    body |= class_part(kind, look)
    for spec in document.fields:
        if name := class_label(kind, spec.google):
            body[name] = look.word(spec.label)
            body[f"localized{name[0].upper()}{name[1:]}"] = look.words(spec.label)
        if spec.google == "tier" and variant:
            body |= {"rewardsTier": variant, "rewardsTierLabel": look.word(spec.label)}
            body["localizedRewardsTierLabel"] = look.words(spec.label)
    if document.links:
        body["linksModuleData"] = {
            "uris": [
                {"id": link.id, "uri": link.url, "localizedDescription": look.words(link.label)}
                for link in document.links
            ]
        }
    return {**body, **document.google.get("class", {})}


def first_class(
    program: ProgramView, template: Template, *, class_id: str, image_url: ImageUrl, callback_url: str
) -> Body:
    """The smallest class that Google accepts; short enough to travel in a save link beside the first object."""
    kind = kind_of(template)
    body: Body = {"id": class_id, "callbackOptions": {"url": callback_url}}
    if kind.is_reviewed:
        body |= {"issuerName": program.brand, "reviewStatus": "UNDER_REVIEW"}
    return body | first_class_part(kind, Look(program, template, image_url))


def object_body(
    card: CardView,
    *,
    class_id: str,
    image_url: ImageUrl | None = None,
    totp_key: str | None = None,
    linked_ids: Sequence[str] = (),
) -> Body:
    """An object as it is inserted, with everything that the member sees.

    Args:
        image_url: needed by generic cards, whose pictures are on the object, and by stamp cards.
        totp_key: the secret of the rotating barcode, hexadecimal.
        linked_ids: objects of the same issuer that Google brings to the holder with this card.

    Raises:
        Invalid: the card has no object id.
    """
    template, content = card.template, card.content
    kind = kind_of(template)
    look = Look(card.program, template, image_url, content.locale)
    body = first_body(card, class_id=class_id)
    texts = []
    for spec, field in _shown(template, content):
        name = object_slot(kind, spec.google)
        if name is not None and name in POINTS:
            body[name]["localizedLabel"] = look.words(spec.label)
        elif name is None and spec.google != "tier":
            header = look.words(spec.label)
            texts.append({"id": spec.id, "header": field.label, "localizedHeader": header, "body": field.text})
    if texts:
        body["textModulesData"] = texts
    if content.places:
        body["merchantLocations"] = [
            {"latitude": place.latitude, "longitude": place.longitude} for place in content.places
        ]
    if kind is GENERIC:
        body |= generic_pictures(look)
    if content.stamps is not None and image_url is not None:
        body["heroImage"] = stamps_image(look, content.stamps)
    if content.barcode is not None:
        body |= rotating_barcode(template, content.barcode, totp_key)
        if template.document.google.get("class", {}).get("enableSmartTap") and content.barcode.value.isascii():
            body["smartTapRedemptionValue"] = content.barcode.value
    if content.expires_at is not None:
        body["validTimeInterval"] = {"end": {"date": content.expires_at}}
    if linked_ids:
        body["linkedObjectIds"] = list(linked_ids)
    return {**body, **template.document.google.get("object", {})}


def first_body(card: CardView, *, class_id: str) -> Body:
    """The smallest object worth saving: state, account, points, barcode. Short enough for a save link; it never holds a
    secret.

    Raises:
        Invalid: the card has no object id.
    """
    if card.google_object_id is None:
        raise Invalid.at("google_object_id", f"the card {card.serial_number} has no object at Google")
    content, kind = card.content, kind_of(card.template)
    body: Body = {
        "id": card.google_object_id,
        "classId": class_id,
        "state": state_of(kind, content),
    }
    if kind is GENERIC:
        body |= generic_titles(Look(card.program, card.template, None, content.locale), content)
    for spec, field in _shown(card.template, content):
        name = object_slot(kind, spec.google)
        if name is not None and name in POINTS:
            body[name] = {"label": field.label, "balance": _balance(field)}
        elif name == "balance" and isinstance(field.value, Money):
            body[name] = money_of(field.value)
        elif name is not None and name != "header":
            body[name] = field.text
    if content.barcode is not None:
        body["barcode"] = _barcode(card.template, content.barcode)
    if content.erased and kind is GIFT_CARD:
        body["cardNumber"] = _NO_NUMBER  # Google demands one
    return body


def state_of(kind: Kind, content: CardContent) -> str:
    """A blocked card is INACTIVE, and so is that of a member who left; a voucher or gift card that is over has been
    used: COMPLETED. Source: section 22.
    """
    if not content.voided:
        return "ACTIVE"
    return "COMPLETED" if kind in (OFFER, GIFT_CARD) and not content.erased else "INACTIVE"


def patch_of(schema_name: str, body: Body) -> Body:
    """The PATCH that leaves at Google exactly what `body` says: null for whatever it does not hold, arrays whole.

    Messages and links between passes stay as they are: other tasks own them. Source: section 16, checks 30 and 31.
    """
    return schema.with_nulls(schema_name, body, but=_OTHERS)


def faults_in_raw_keys(template: Template) -> list[Fault]:
    """What is wrong in the template's `[google]` table, whose parts go to Google as they stand, and with its style."""
    kind = kind_of(template)
    faults: list[Fault] = [*faults_in_style(kind, template.document)]
    for table, value in template.document.google.items():
        path = f"google.{table}"
        if table not in ("class", "object", "rotating_barcode"):
            faults.append(
                Fault(path, "unknown table; there are google.class, google.object and google.rotating_barcode")
            )
        elif not isinstance(value, dict):
            faults.append(Fault(path, "should be a table"))
        elif table == "rotating_barcode":
            faults += faults_in_rotation(value, template.document.barcode is not None)
        else:
            faults += [Fault(f"{path}.{key}", "is set by the service") for key in value if key in _NOT_RAW]
            mine = {key: part for key, part in value.items() if key not in _NOT_RAW}
            name = kind.class_schema if table == "class" else kind.object_schema
            faults += schema.faults_in(name, mine, path=path, partial=True)
    return faults


def _shown(template: Template, content: CardContent) -> list[tuple[FieldSpec, FieldContent]]:
    pairs = ((spec, content.field(spec.id)) for spec in template.document.fields)
    return [(spec, field) for spec, field in pairs if field is not None and spec.google != "none"]


def _balance(field: FieldContent) -> Body:
    if isinstance(field.value, Money):
        return {"money": money_of(field.value)}
    if isinstance(field.value, int) and field.value in _INT32:
        return {"int": field.value}
    return {"string": field.text}


def _barcode(template: Template, barcode: Barcode) -> Body:
    format_ = _format_on_google(template, barcode)
    body: Body = {"type": _BARCODES[format_], "value": barcode.value}
    if barcode.text is not None:
        body["alternateText"] = barcode.text
    if format_ == "qr" and not barcode.value.isascii():
        body["renderEncoding"] = "UTF_8"
    return body


def _format_on_google(template: Template, barcode: Barcode) -> BarcodeFormat:
    """The card's format; where that is an ITF of another length than Google's 14 digits, the design's next one that
    can carry the value, and a QR at last.
    """
    if barcode.format != "itf" or len(barcode.value) == _ITF_DIGITS:
        return barcode.format
    spec = template.document.barcode
    others = [each for each in spec.formats if each != "itf"] if spec is not None else []
    return next((each for each in others if can_carry(each, barcode.value)), "qr")
