"""What is special to each of Google's kinds of pass: offers, gift cards, event tickets, generic cards, loyalty cards.
Pure.

A slot of the neutral template that a kind does not have becomes a text module, so nothing of the card is lost, and a
row on the card's face where Google would not show it there by itself.

Source: google-wallet.md sections 6 to 8, 10, and "Other types at a glance".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wallet_service.cards.content import Barcode, CardContent, Stamps
from wallet_service.cards.template import FieldSpec, GoogleSlot, ImageName, Template, TemplateDocument
from wallet_service.errors import Fault
from wallet_service.values import Money, minor_digits
from wallet_service.wallets.google.content.kinds import EVENT_TICKET, GENERIC, GIFT_CARD, LOYALTY, OFFER, Kind
from wallet_service.wallets.google.content.schema import Body
from wallet_service.wallets.protocol import ProgramView

ImageUrl = Callable[[ImageName], str]
"""The public address of one of a template's images."""

POINTS = frozenset({"loyaltyPoints", "secondaryLoyaltyPoints"})
MOST_TEXTS = 10
_SLOTS: Mapping[Kind, Mapping[GoogleSlot, str]] = {
    LOYALTY: {
        "points": "loyaltyPoints",
        "secondary_points": "secondaryLoyaltyPoints",
        "account_name": "accountName",
        "account_id": "accountId",
    },
    OFFER: {},
    GIFT_CARD: {"points": "balance", "account_id": "cardNumber"},
    EVENT_TICKET: {"account_name": "ticketHolderName", "account_id": "ticketNumber"},
    GENERIC: {"account_name": "header"},
}
_LABELS: Mapping[Kind, Mapping[GoogleSlot, str]] = {
    LOYALTY: {"account_name": "accountNameLabel", "account_id": "accountIdLabel"},
    GIFT_CARD: {"account_id": "cardNumberLabel"},
}
_ROTATION = {"pattern": str, "period_s": int, "digits": int}
_ROTATING_TYPES = {"qr": "QR_CODE", "pdf417": "PDF_417"}


@dataclass(frozen=True)
class Look:
    """A design in the words of a programme: its texts in every language, its pictures by address."""

    program: ProgramView
    template: Template
    image_url: ImageUrl | None
    locale: str = ""

    @property
    def language(self) -> str:
        """The language that comes first: the card's, or the programme's."""
        return self.template.locale_for(self.locale or self.program.locale, "")

    def word(self, key: str) -> str:
        """One text of the design in that language."""
        return self.template.words[self.language][key]

    def words(self, key: str) -> Body:
        """One text of the design as Google's LocalizedString: the first language is the default."""
        others = [tag for tag in sorted(self.template.words) if tag != self.language]
        body = self.text(self.word(key))
        if others:
            body["translatedValues"] = [{"language": tag, "value": self.template.words[tag][key]} for tag in others]
        return body

    def text(self, value: str) -> Body:
        """A text that is the same in every language."""
        return {"defaultValue": {"language": self.language, "value": value}}

    def image(self, name: ImageName, *, short: bool = False) -> Body:
        """A picture, described in words; `short` names only the brand."""
        address = self.image_url(name) if self.image_url is not None else ""
        words = self.text(self.program.brand) if short else self.words(self.template.document.description)
        return {"sourceUri": {"uri": address}, "contentDescription": words}


def stamps_image(look: Look, stamps: Stamps) -> Body:
    """The picture of a card's stamps, over the class's own: one address for each count, so Google fetches it once."""
    address = look.image_url("stamp") if look.image_url is not None else ""
    name = f"stamps-{stamps.earned}-{stamps.total}.{look.language}.png"
    return {
        "sourceUri": {"uri": address.removesuffix("stamp.png") + name},
        "contentDescription": look.text(f"{stamps.earned} / {stamps.total}"),
    }


def object_slot(kind: Kind, slot: GoogleSlot) -> str | None:
    """The object's member that a slot fills; None: it becomes a text module."""
    return _SLOTS[kind].get(slot)


def class_label(kind: Kind, slot: GoogleSlot) -> str | None:
    """The class's member that holds the label of a slot."""
    return _LABELS.get(kind, {}).get(slot)


def class_part(kind: Kind, look: Look) -> Body:
    """What only classes of this kind hold."""
    body = first_class_part(kind, look, short=False)
    if kind is OFFER:
        body |= {"localizedTitle": look.words(look.template.document.description)}
    if kind is not LOYALTY and (rows := _face_rows(kind, look.template.document)):
        body["classTemplateInfo"] = {"cardTemplateOverride": {"cardRowTemplateInfos": rows}}
    return body


def first_class_part(kind: Kind, look: Look, *, short: bool = True) -> Body:
    """The least that an insert of this kind needs."""
    if kind is LOYALTY:
        return {"programName": look.program.name, "programLogo": look.image("logo", short=short)}
    if kind is OFFER:
        return {
            "title": look.word(look.template.document.description),
            "provider": look.program.brand,
            "redemptionChannel": "BOTH",
            "titleImage": look.image("logo", short=short),
        }
    if kind is GIFT_CARD:
        return {"merchantName": look.program.brand, "programLogo": look.image("logo", short=short)}
    if kind is EVENT_TICKET:
        return {
            "eventName": look.words(look.template.document.description),
            "logo": look.image("logo", short=short),
        }
    return {}


def generic_titles(look: Look, content: CardContent) -> Body:
    """The two texts that a generic card must have: the brand above, the holder or else the programme in large."""
    spec = next((spec for spec in look.template.document.fields if spec.google == "account_name"), None)
    field = content.field(spec.id) if spec is not None else None
    header = look.text(field.text if field is not None else look.program.name)
    return {"cardTitle": look.text(look.program.brand), "header": header}


def generic_pictures(look: Look) -> Body:
    """A generic card carries its look itself: the class has none."""
    body: Body = {"hexBackgroundColor": look.template.document.colours.background.lower()}
    if look.image_url is not None:
        body["logo"] = look.image("logo")
        if "hero" in look.template.images:
            body["heroImage"] = look.image("hero")
    return body


def money_of(money: Money) -> Body:
    """Google's Money: millionths, as text."""
    scale = 6 - minor_digits(money.currency)
    return {"currencyCode": money.currency, "micros": str(money.amount * 10**scale)}


def rotating_barcode(template: Template, barcode: Barcode, totp_key: str | None) -> Body:
    """The barcode that changes every half minute, where the design asks for one and the card has its secret.

    Source: section 10. The design's pattern holds `{value}`, the static code, beside Google's own places.
    """
    wanted = template.document.google.get("rotating_barcode")
    if wanted is None or totp_key is None or barcode.format not in _ROTATING_TYPES:
        return {}
    rotating: Body = {
        "type": _ROTATING_TYPES[barcode.format],
        "valuePattern": wanted["pattern"].replace("{value}", barcode.value),
        "totpDetails": {
            "algorithm": "TOTP_SHA1",
            "periodMillis": str(wanted.get("period_s", 30) * 1000),
            "parameters": [{"key": totp_key, "valueLength": wanted.get("digits", 6)}],
        },
    }
    if barcode.text is not None:
        rotating["alternateText"] = barcode.text
    return {"rotatingBarcode": rotating}


def faults_in_style(kind: Kind, document: TemplateDocument) -> Iterator[Fault]:
    """What a kind needs that a design may lack."""
    slots = {spec.google: spec for spec in document.fields}
    if kind is GIFT_CARD:
        if "account_id" not in slots:
            yield Fault("fields", 'a gift card needs a field with google = "account_id": its number')
        if "points" in slots and slots["points"].kind != "money":
            yield Fault("fields", 'the field with google = "points" of a gift card is its balance: kind = "money"')
    texts = sum(_is_text(kind, spec) for spec in document.fields)
    if texts > MOST_TEXTS:
        yield Fault("fields", f"{texts} fields become texts on Google, which shows {MOST_TEXTS}")


def faults_in_rotation(table: Mapping[str, Any], has_barcode: bool) -> Iterator[Fault]:
    """What is wrong in `[google.rotating_barcode]`."""
    path = "google.rotating_barcode"
    for key, value in table.items():
        if key not in _ROTATION:
            yield Fault(f"{path}.{key}", f"unknown key; there are {', '.join(_ROTATION)}")
        elif not isinstance(value, _ROTATION[key]) or isinstance(value, bool):
            yield Fault(f"{path}.{key}", "should be a text" if key == "pattern" else "should be a whole number")
    pattern = table.get("pattern")
    if not isinstance(pattern, str) or "{totp_value_0}" not in pattern:
        yield Fault(f"{path}.pattern", "should hold {totp_value_0}, and {value} where the card's own code belongs")
    digits, period = table.get("digits", 6), table.get("period_s", 30)
    if isinstance(digits, int) and not 6 <= digits <= 8:
        yield Fault(f"{path}.digits", "should be 6, 7 or 8")
    if isinstance(period, int) and not 3 <= period <= 3600:
        yield Fault(f"{path}.period_s", "should be 3 to 3600 seconds")
    if not has_barcode:
        yield Fault(path, "needs a [barcode] as well, for phones that cannot show one that rotates")


def _is_text(kind: Kind, spec: FieldSpec) -> bool:
    return spec.google not in ("none", "tier") and object_slot(kind, spec.google) is None


def _face_rows(kind: Kind, document: TemplateDocument) -> list[Body]:
    """Rows for the fields that belong on the face and that this kind has no place of its own for."""
    wanted: tuple[GoogleSlot, ...] = ("points", "secondary_points", "account_name", "account_id")
    items = [
        {"firstValue": {"fields": [{"fieldPath": f"object.textModulesData['{spec.id}']"}]}}
        for spec in document.fields
        if spec.google in wanted and _is_text(kind, spec)
    ]
    pairs = [items[start : start + 2] for start in range(0, len(items), 2)]
    return [
        {"twoItems": {"startItem": pair[0], "endItem": pair[1]}} if len(pair) == 2 else {"oneItem": {"item": pair[0]}}
        for pair in pairs
    ]
