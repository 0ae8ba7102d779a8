"""What an iPhone shows of a pass, as a value, and what changed between two of them. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wallet_service.previews.field_text import Place, displayed
from wallet_service.previews.pass_content import expired, style_of
from wallet_service.simulators.phones.pass_rules import FIELD_ARRAYS
from wallet_service.simulators.phones.wallet_rules import PassBundle

RADIUS_M = {"storeCard": 100.0, "coupon": 100.0, "generic": 100.0, "eventTicket": 1000.0, "boardingPass": 1000.0}


@dataclass(frozen=True)
class ShownField:
    """One field as the holder sees it: `text` is the value in the phone's language, `value` the raw one."""

    key: str
    slot: str
    label: str
    text: str
    value: str | float


@dataclass(frozen=True)
class ShownBarcode:
    """The code on the card."""

    format: str
    message: str
    alt_text: str


@dataclass(frozen=True)
class ShownLocation:
    """A place at which the card comes to the lock screen; decimal degrees."""

    latitude: float
    longitude: float
    relevant_text: str


@dataclass(frozen=True)
class Screen:
    """A card as an iPhone shows it."""

    pass_type_id: str
    serial_number: str
    style: str
    organization_name: str
    description: str
    logo_text: str
    fields: Mapping[str, ShownField]
    barcode: ShownBarcode | None
    locations: tuple[ShownLocation, ...]
    max_distance_m: float | None
    background_color: str | None
    voided: bool
    expired: bool
    images: frozenset[str]
    shown_at: datetime
    last_modified: str | None

    def text(self, key: str) -> str:
        """The shown value of a field; KeyError if the card has no such field."""
        return self.fields[key].text


@dataclass(frozen=True)
class Notification:
    """What came up on the lock screen after an update. `generic`: the phone's own words, not ours."""

    at: datetime
    serial_number: str
    title: str
    text: str
    generic: bool
    field_keys: tuple[str, ...]


@dataclass(frozen=True)
class NearbyCard:
    """A card that the lock screen offers because the phone is near one of its places."""

    serial_number: str
    title: str
    text: str
    distance_m: float


def screen_of(bundle: PassBundle, place: Place, *, shown_at: datetime, last_modified: str | None) -> Screen:
    """Draw a pass in words."""
    content = bundle.content
    code = next(iter(content.get("barcodes", ())), content.get("barcode"))
    return Screen(
        pass_type_id=bundle.pass_type_id,
        serial_number=bundle.serial_number,
        style=style_of(content),
        organization_name=content["organizationName"],
        description=content["description"],
        logo_text=content.get("logoText", ""),
        fields={
            field["key"]: ShownField(
                field["key"], slot, field.get("label", ""), displayed(field, place), field["value"]
            )
            for slot, field in fields_of(content)
        },
        barcode=ShownBarcode(code["format"], code["message"], code.get("altText", "")) if code else None,
        locations=tuple(
            ShownLocation(one["latitude"], one["longitude"], one.get("relevantText", ""))
            for one in content.get("locations", ())
        ),
        max_distance_m=content.get("maxDistance"),
        background_color=content.get("backgroundColor"),
        voided=bool(content.get("voided", False)),
        expired=expired(content, place.now),
        images=frozenset(name for name in bundle.files if name.endswith(".png")),
        shown_at=shown_at,
        last_modified=last_modified,
    )


def fields_of(content: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every field of the legacy style with the name of its array."""
    dictionary = content[style_of(content)]
    for name in FIELD_ARRAYS:
        for field in dictionary.get(name, ()):
            yield name, field


def notification_for(old: PassBundle, new: PassBundle, place: Place) -> Notification | None:
    """What the lock screen says after an update, None if nothing.

    One changed field with a message that has `%@` is told in our words; several fields, or a message without it, in
    the phone's own.
    Source: apple-wallet.md, section 2.6.
    """
    before = {field["key"]: field["value"] for _, field in fields_of(old.content)}
    changed = [
        field
        for _, field in fields_of(new.content)
        if field["key"] in before and before[field["key"]] != field["value"] and field.get("changeMessage")
    ]
    if not changed:
        return None
    generic = len(changed) > 1 or "%@" not in changed[0]["changeMessage"]
    words = "Carte de fidélité modifiée" if place.locale.startswith("fr") else "Store card changed"
    text = words if generic else changed[0]["changeMessage"].replace("%@", displayed(changed[0], place))
    title, keys = new.content["organizationName"], tuple(field["key"] for field in changed)
    return Notification(place.now, new.serial_number, title, text, generic, keys)


def nearby(screen: Screen, latitude: float, longitude: float) -> NearbyCard | None:
    """What the lock screen offers of this card at a place (decimal degrees); None if it is too far, void or expired.

    The radius is the style's own, or `maxDistance` if that is less. Source: apple-wallet.md, sections 2.4 and 7.
    """
    if screen.voided or screen.expired:
        return None
    radius_m = min(RADIUS_M[screen.style], screen.max_distance_m or math.inf)
    reached = [(_distance_m(latitude, longitude, one.latitude, one.longitude), one) for one in screen.locations]
    distance_m, nearest = min(reached, key=lambda pair: pair[0], default=(math.inf, None))
    if nearest is None or distance_m > radius_m:
        return None
    return NearbyCard(screen.serial_number, screen.organization_name, nearest.relevant_text, distance_m)


def _distance_m(latitude_1: float, longitude_1: float, latitude_2: float, longitude_2: float) -> float:
    phi_1, phi_2 = math.radians(latitude_1), math.radians(latitude_2)
    half = math.sin((phi_2 - phi_1) / 2) ** 2
    half += math.cos(phi_1) * math.cos(phi_2) * math.sin(math.radians(longitude_2 - longitude_1) / 2) ** 2
    return 2 * 6_371_000 * math.asin(math.sqrt(half))
