"""From a card to the `pass.json` that shows it. Pure: the same card gives the same document.

Apple, "Pass" and the pages below it; "Creating a store card pass". Text is in the member's language already, so no
`.lproj` folders; numbers, money and dates are left to the phone's own formatting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from html import escape
from typing import Any

from wallet_service.cards.barcodes import can_carry
from wallet_service.cards.content import Barcode, BarcodeFormat, FieldContent
from wallet_service.cards.template import LinkSpec
from wallet_service.errors import Invalid
from wallet_service.offers.facts import Place
from wallet_service.values import Money, minor_digits
from wallet_service.wallets.protocol import CardView

STYLE_KEYS = {
    "store_card": "storeCard",
    "gift_card": "storeCard",
    "coupon": "coupon",
    "generic": "generic",
    "event_ticket": "eventTicket",
}
_ARRAYS = {
    "header": "headerFields",
    "primary": "primaryFields",
    "secondary": "secondaryFields",
    "auxiliary": "auxiliaryFields",
    "back": "backFields",
}
_FORMATS: Mapping[BarcodeFormat, str] = {
    "qr": "PKBarcodeFormatQR",
    "aztec": "PKBarcodeFormatAztec",
    "pdf417": "PKBarcodeFormatPDF417",
    "code128": "PKBarcodeFormatCode128",
    "code39": "PKBarcodeFormatCode39",
    "codabar": "PKBarcodeFormatCodabar",
    "ean13": "PKBarcodeFormatEAN13",
    "itf": "PKBarcodeFormatI2of5",
}
FORMAT_OF: Mapping[str, BarcodeFormat] = {name: format_ for format_, name in _FORMATS.items()}
"""Apple's names → ours."""
LONGEST_NFC_BYTES = 64
_DRAWN_EVERYWHERE: frozenset[BarcodeFormat] = frozenset(("qr", "aztec", "pdf417"))

FIELDS_TABLE = "fields"
"""`[apple.fields.<id>]` sets raw keys of one field, e.g. `textAlignment`."""
POSTER_TABLE, NFC_TABLE, PERSONALIZATION_TABLE, LOCALIZED_KEY = "poster", "nfc", "personalization", "localized"
"""Keys of `[apple]` that are this program's own; `wallets.apple.design` says what they hold."""
OWN_KEYS = frozenset((FIELDS_TABLE, POSTER_TABLE, NFC_TABLE, PERSONALIZATION_TABLE, LOCALIZED_KEY, "boardingPass"))
COMPUTED_KEYS = frozenset(
    (
        "formatVersion", "passTypeIdentifier", "serialNumber", "teamIdentifier", "organizationName", "description",
        "webServiceURL", "authenticationToken", "barcodes", "barcode", "locations", "maxDistance", "voided",
        "backgroundColor", "foregroundColor", "labelColor", "logoText",
        "storeCard", "coupon", "generic", "eventTicket", "posterGeneric",
    )
)  # fmt: skip
"""Keys that come from the card, the program or the design's neutral words; `[apple]` may not set them."""
COMPUTED_FIELD_KEYS = frozenset(("key", "label", "value", "attributedValue", "changeMessage"))
_OF_VALUES = frozenset(
    ("currencyCode", "numberStyle", "dateStyle", "timeStyle", "isRelative", "ignoresTimeZone", "semantics")
)
"""Keys of a field that say how its value is written: not of words that stand where there is none."""
MOST_BEACONS = 10
_ISSUER_LABEL = {"fr": "Émetteur", "en": "Issued by"}


def pass_json(card: CardView, *, web_service_url: str) -> dict[str, Any]:
    """Compose the document of one card.

    Args:
        web_service_url: the base that phones append `/v1/…` to.

    Raises:
        Invalid: the programme has no pass type, or the content names what its design does not have.

    The result is checked by `pass_rules.validate` before it is signed.
    """
    template, content = card.template, card.content
    words = template.words[template.locale_for(content.locale, card.program.locale)]
    document = template.document
    looks = document.looks.cases if document.looks is not None else {}
    colours = looks.get(content.look or "", document.colours)
    result: dict[str, Any] = {
        "formatVersion": 1,
        "passTypeIdentifier": card.program.pass_type_id,
        "serialNumber": card.serial_number,
        "teamIdentifier": card.program.team_id,
        "organizationName": card.program.organization_name,
        "description": words[document.description],
        "backgroundColor": _rgb(colours.background),
        "foregroundColor": _rgb(colours.text),
        "labelColor": _rgb(colours.label),
        "webServiceURL": web_service_url,
        "authenticationToken": card.auth_token,
        "sharingProhibited": True,
    }
    if document.logo_text is not None:
        result["logoText"] = words[document.logo_text]
    result.update((key, value) for key, value in document.apple.items() if key not in OWN_KEYS)
    result |= _styles(card, words)
    if content.expires_at is not None:
        result["expirationDate"] = _whole_seconds("expires", content.expires_at)
    if content.voided:
        result["voided"] = True
    elif content.barcode is not None:
        result["barcodes"] = list(_barcodes(content.barcode, formats_drawn(card)))
        fits_nfc = len(content.barcode.value.encode()) <= LONGEST_NFC_BYTES
        if NFC_TABLE in document.apple and card.program.nfc_key is not None and fits_nfc:
            reader = {"message": content.barcode.value, "encryptionPublicKey": card.program.nfc_key}
            result["nfc"] = reader | document.apple[NFC_TABLE]
    if content.places:
        result["locations"] = [location(place) for place in content.places]
    if spots := beacons(content.places):
        result["beacons"] = spots
    if content.radius_m is not None:
        result["maxDistance"] = content.radius_m
    return result


def _styles(card: CardView, words: Mapping[str, str]) -> dict[str, Any]:
    """The style that every iPhone draws, and beside it the poster of iOS 27 if the design has one."""
    document = card.template.document
    fields = _fields(card, words)
    if (journey := document.apple.get("boardingPass")) is not None:
        styles: dict[str, Any] = {"boardingPass": journey | fields}
    else:
        styles = {STYLE_KEYS[document.style]: fields}
    poster = document.apple.get(POSTER_TABLE)
    if poster is not None:
        drawn = {field["key"]: field for array in fields.values() for field in array}
        arrays = {
            f"{slot}Fields": [drawn[field_id] for field_id in poster.get(slot, ()) if field_id in drawn]
            for slot in ("header", "primary", "footer")
        }
        if arrays["primaryFields"]:  # without its label the first one is drawn as the poster's title
            first = {key: value for key, value in arrays["primaryFields"][0].items() if key != "label"}
            arrays["primaryFields"] = [first, *arrays["primaryFields"][1:]]
        styles["posterGeneric"] = {name: array for name, array in arrays.items() if array}
        styles["posterGeneric"]["backFields"] = fields["backFields"]
    return styles


def _fields(card: CardView, words: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    document, content = card.template.document, card.content
    extras = document.apple.get(FIELDS_TABLE, {})
    arrays: dict[str, list[dict[str, Any]]] = {}
    for spec in document.fields:
        # Content composed for an earlier edition of the design may hold a field that this one has dropped.
        field = content.field(spec.id)
        extra = extras.get(spec.id, {})
        if spec.apple == "none":
            continue
        if field is not None:
            drawn = _field(field)
            if field.id == content.notify_field and spec.notify is not None:
                drawn["changeMessage"] = words[spec.notify]
        elif spec.stays and not content.erased:
            drawn = {"key": spec.id, "value": spec.placeholder(words), "label": words[spec.label]}
            extra = {key: value for key, value in extra.items() if key not in _OF_VALUES}
        else:
            continue
        drawn.update(extra)
        arrays.setdefault(_ARRAYS[spec.apple], []).append(drawn)
    back = arrays.setdefault("backFields", [])
    back += [_link(link, words[link.label]) for link in document.links]
    back.append(_issuer(card))
    return arrays


def _field(field: FieldContent) -> dict[str, Any]:
    drawn: dict[str, Any] = {"key": field.id, "value": field.value}
    if field.label:
        drawn["label"] = field.label
    match field.kind:
        case "number":
            drawn["numberStyle"] = "PKNumberStyleDecimal"
        case "money":
            if not isinstance(field.value, Money):
                raise Invalid.at(f"fields.{field.id}.value", "is of kind money and holds no amount with its currency")
            drawn["value"] = major_units(field.value)
            drawn["currencyCode"] = field.value.currency
        case "date":
            drawn["value"] = drawn_date(str(field.value))
            drawn |= {"dateStyle": "PKDateStyleMedium", "timeStyle": "PKDateStyleNone", "ignoresTimeZone": True}
        case "instant":
            drawn["value"] = _whole_seconds(field.id, str(field.value))
            drawn |= {"dateStyle": "PKDateStyleMedium", "timeStyle": "PKDateStyleShort"}
        case "text":
            pass
    return drawn


def drawn_date(day: str) -> str:
    """A day as an instant: noon UTC is that day nearly everywhere, should a reader overlook ignoresTimeZone."""
    return f"{day}T12:00:00Z"


def _whole_seconds(field_id: str, text: str) -> str:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid.at(f"fields.{field_id}.value", f"is of kind instant and reads {text!r}") from error
    return instant.isoformat(timespec="seconds").replace("+00:00", "Z")


def major_units(money: Money) -> int | float:
    """79.9 for 7990 cents: Apple's currency fields take the currency's main unit."""
    digits = minor_digits(money.currency)
    return money.amount / 10**digits if digits else money.amount


def _link(link: LinkSpec, label: str) -> dict[str, Any]:
    shown = link.url.removeprefix("mailto:").removeprefix("tel:")
    return {"key": f"link_{link.id}", "label": label, "value": shown, "attributedValue": _anchor(link.url, label)}


@lru_cache(maxsize=1024)
def _anchor(url: str, label: str) -> str:
    return f"<a href='{escape(url)}'>{escape(label, quote=False)}</a>"


def _issuer(card: CardView) -> dict[str, Any]:
    """Apple asks for the issuer's contact on the back; the design's mail address and telephone are that."""
    lines = [card.program.organization_name]
    lines += [
        url.partition(":")[2]
        for link in card.template.document.links
        if (url := link.url).startswith(("mailto", "tel"))
    ]
    language = card.content.locale.split("-")[0]
    return {"key": "issuer", "label": _ISSUER_LABEL.get(language, _ISSUER_LABEL["en"]), "value": "\n".join(lines)}


@lru_cache(maxsize=256)
def _rgb(colour: str) -> str:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return f"rgb({red}, {green}, {blue})"


def formats_drawn(card: CardView) -> tuple[BarcodeFormat, ...]:
    """The card's format, then those of the design's next ones that can carry the value, then a QR if none that every
    device draws is among them.
    """
    code, spec = card.content.barcode, card.template.document.barcode
    if code is None:
        return ()
    preferred = spec.formats if spec is not None else ()
    after = preferred[preferred.index(code.format) + 1 :] if code.format in preferred else ()
    formats = list(dict.fromkeys((code.format, *(each for each in after if can_carry(each, code.value)))))
    if not _DRAWN_EVERYWHERE.intersection(formats):
        formats.append("qr")
    return tuple(formats)


def _barcodes(barcode: Barcode, formats: tuple[BarcodeFormat, ...]) -> Iterator[dict[str, str]]:
    for format_ in formats:
        drawn = {
            "format": _FORMATS[format_],
            "message": barcode.value,
            "messageEncoding": _encoding(barcode.value) if format_ in ("qr", "aztec") else "iso-8859-1",
        }
        if barcode.text:
            drawn["altText"] = barcode.text
        yield drawn


def _encoding(message: str) -> str:
    try:
        message.encode("iso-8859-1")
    except UnicodeEncodeError:
        return "utf-8"
    return "iso-8859-1"


def beacons(places: Sequence[Place]) -> list[dict[str, Any]]:
    """`beacons`: those of the first places, ten at most.

    Source: Apple, Wallet Passes, "Pass.Beacons": at most ten different UUIDs; ten in all keeps within any reading.
    """
    spots: list[dict[str, Any]] = []
    for place in places:
        for beacon in place.beacons:
            spot: dict[str, Any] = {"proximityUUID": beacon.uuid}
            spot |= {name: value for name in ("major", "minor") if (value := getattr(beacon, name)) is not None}
            spots.append(spot | ({"relevantText": place.text} if place.text else {}))
    return spots[:MOST_BEACONS]


def location(place: Place) -> dict[str, Any]:
    """One of `locations`."""
    spot: dict[str, Any] = {"latitude": place.latitude, "longitude": place.longitude}
    if place.text:
        spot["relevantText"] = place.text
    return spot
