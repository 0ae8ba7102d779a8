"""From the cells of one row to a store, and back. Pure.

A column that the file does not have leaves the store's value as it is; an empty cell empties it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from wallet_service.documents.coordinates import coordinates_in
from wallet_service.documents.opening_hours import DAYS, WeeklyHours
from wallet_service.documents.stores import Beacon, StoreDocument
from wallet_service.documents.types import texts_of
from wallet_service.errors import Fault, Invalid
from wallet_service.parsing import parse
from wallet_service.stores.columns import HOURS, PLACE, columns_for

_ADDRESS = ("street", "postal_code", "city", "country")
_SPACED = re.compile(r"(\d{1,2})\s+h\s+(\d{2})(?!\s*[h:.\d])", re.IGNORECASE)
"""`9 h 30`, as printers write it; in `12 h 14 h` and `12h 14` the second number is an hour."""
_SPAN = re.compile(r"(\d{1,2})\s*(?:[h:.](\d{2})?)?\s*(?:-|–|à|a|to)\s*(\d{1,2})\s*(?:[h:.](\d{2})?)?", re.IGNORECASE)
_CLOSED = frozenset({"", "-", "–", "x", "ferme", "fermé", "fermée", "closed", "off"})
_YES = frozenset({"1", "x", "oui", "yes", "true", "vrai", "o", "y", "on"})
_NO = frozenset({"", "0", "non", "no", "false", "faux", "n", "off"})


def store_of(cells: Mapping[str, str], known: StoreDocument | None, locales: Sequence[str]) -> StoreDocument:
    """The store that a row describes, over the one that is there.

    Raises:
        Invalid: with every fault of the row, each at its column.
    """
    faults: list[Fault] = []
    raw: dict[str, Any] = {} if known is None else known.model_dump(mode="json", by_alias=True, exclude_unset=True)
    for column in ("name", "short_name", "phone", "time_zone"):
        _put(raw, column, cells)
    if not _ADDRESS_IN.isdisjoint(cells):
        address = dict(raw.get("address") or {})
        for column in _ADDRESS:
            _put(address, column, cells)
        raw["address"] = address
    if "groups" in cells:
        raw["groups"] = [part for part in re.split(r"[,;|/]\s*", cells["groups"]) if part]
    _read_texts(raw, cells, known, locales)
    for reading in (_read_place, _read_hours, _read_beacons):
        try:
            reading(raw, cells, known)
        except Invalid as error:
            faults += error.faults
    try:
        document = parse(StoreDocument, raw)
    except Invalid as error:
        seen = {fault.path.split(".")[0].split("[")[0] for fault in faults}
        faults += [fault for fault in error.faults if fault.path.split(".")[0].split("[")[0] not in seen]
    if faults:
        raise Invalid(*faults)
    return document


def cells_of(store_id: str, document: StoreDocument, locales: Sequence[str]) -> dict[str, str]:
    """A store as a row of our own files: reading it again changes nothing."""
    texts = texts_of(document.proximity_text, locales[0])
    cells = dict.fromkeys(columns_for(locales), "")
    cells |= {
        "store_id": store_id,
        "name": document.name,
        "short_name": document.short_name or "",
        "latitude": repr(document.latitude),
        "longitude": repr(document.longitude),
        "phone": document.phone or "",
        "time_zone": document.time_zone or "",
        "groups": ", ".join(document.groups),
        "beacons": beacons_text(document.beacons),
    }
    cells |= {column: getattr(document.address, column) or "" for column in _ADDRESS}
    cells |= {f"proximity_text.{locale}": texts.get(locale, "") for locale in locales}
    match document.opening_hours:
        case WeeklyHours() as hours if not hours.is_blank:
            cells |= {day: _spans_text(getattr(hours, day)) or "-" for day in DAYS}
            cells["closed_on_public_holidays"] = "oui" if hours.closed_on_public_holidays else "non"
            cells["exceptions"] = exceptions_text(hours)
        case str() as text:
            cells["opening_hours"] = text
    return cells


_ADDRESS_IN = frozenset(_ADDRESS)


def _put(raw: dict[str, Any], column: str, cells: Mapping[str, str]) -> None:
    if column in cells:
        raw.pop(column, None)
        if cells[column]:
            raw[column] = cells[column]


def _read_texts(
    raw: dict[str, Any], cells: Mapping[str, str], known: StoreDocument | None, locales: Sequence[str]
) -> None:
    columns = {
        column: column.partition(".")[2] or locales[0] for column in cells if column.startswith("proximity_text")
    }
    if not columns:
        return
    texts = texts_of(known.proximity_text if known else None, locales[0])
    for column, locale in columns.items():
        texts.pop(locale, None)
        if cells[column]:
            texts[locale] = cells[column]
    raw["proximity_text"] = texts or None


def _read_place(raw: dict[str, Any], cells: Mapping[str, str], _known: StoreDocument | None) -> None:
    if not any(column in cells for column in PLACE):
        return
    faults: list[Fault] = []
    if cells.get("position"):
        found = coordinates_in(cells["position"])
        if found is None:
            raise Invalid.at("position", "should be coordinates or a map link", "coordinates")
        raw["latitude"], raw["longitude"] = found
        return
    for column in ("latitude", "longitude"):
        if column not in cells:
            continue
        text = re.sub(r"[\s\u00a0\u202f°]", "", cells[column]).replace(",", ".").replace("\u2212", "-")
        raw.pop(column, None)
        if not text:
            continue
        try:
            raw[column] = float(text)
        except ValueError:
            faults.append(Fault(column, "should be a number such as 45.764", "float_parsing"))
    if faults:
        raise Invalid(*faults)


def _read_hours(raw: dict[str, Any], cells: Mapping[str, str], known: StoreDocument | None) -> None:
    here = [column for column in HOURS if column in cells]
    if not here:
        return
    if cells.get("opening_hours"):
        raw["opening_hours"] = cells["opening_hours"]
        return
    before = known.opening_hours if known is not None else None
    hours: dict[str, Any] = before.model_dump(mode="json", by_alias=True) if isinstance(before, WeeklyHours) else {}
    faults: list[Fault] = []
    for column in here:
        try:
            match column:
                case "opening_hours":
                    pass
                case "closed_on_public_holidays":
                    hours[column] = _yes_or_no(column, cells[column])
                case "exceptions":
                    hours[column] = exceptions_in(cells[column])
                case _:
                    hours[column] = spans_in(column, cells[column])
        except Invalid as error:
            faults += error.faults
    if faults:
        raise Invalid(*faults)
    raw["opening_hours"] = hours


def spans_in(column: str, text: str) -> list[dict[str, str]]:
    """`10:00-12:30 14:00-19:00`, `10h-19h`, `9 h 30 – 12 h`, `fermé`.

    Raises:
        Invalid: at `column`, it says no hours.
    """
    if text.strip().casefold() in _CLOSED:
        return []
    spans: list[dict[str, str]] = []
    rest = _SPACED.sub(r"\1h\2", text)
    while rest.strip(" ,;/+&\u00a0") and rest.strip().casefold() not in ("et", "and"):
        found = _SPAN.match(rest.lstrip(" ,;/+&\u00a0").removeprefix("et ").removeprefix("and "))
        if found is None or len(spans) == 2:
            raise Invalid.at(column, "should be hours such as 10:00-12:30 14:00-19:00", "spans")
        opens, closes = (_clock_text(column, found[at], found[at + 1]) for at in (1, 3))
        spans.append({"from": opens, "to": closes})
        rest = found.string[found.end() :]
    return spans


def _clock_text(column: str, hour: str, minute: str | None) -> str:
    if int(hour) > 24 or int(minute or 0) > 59 or (int(hour) == 24 and int(minute or 0)):
        raise Invalid.at(column, "should be hours such as 10:00-12:30 14:00-19:00", "spans")
    return f"{int(hour) % 24:02}:{minute or '00'}"


def exceptions_in(text: str) -> dict[str, Any]:
    """`2026-12-24 10:00-17:00; 25/12/2026 fermé`.

    Raises:
        Invalid: something is not of that form.
    """
    found: dict[str, Any] = {}
    for part in (each.strip() for each in text.split(";")):
        if not part:
            continue
        day, _, hours = part.partition(" ")
        french = re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", day)
        try:
            on = date(int(french[3]), int(french[2]), int(french[1])) if french else date.fromisoformat(day)
        except ValueError as error:
            message = "should be days with their hours, such as 2026-12-24 10:00-17:00; 2026-12-25 closed"
            raise Invalid.at("exceptions", message, "exceptions") from error
        found[on.isoformat()] = spans_in("exceptions", hours)
    return found


def _yes_or_no(column: str, text: str) -> bool:
    word = text.strip().casefold()
    if word not in _YES | _NO:
        raise Invalid.at(column, "should be yes or no", "bool_parsing")
    return word in _YES


def _read_beacons(raw: dict[str, Any], cells: Mapping[str, str], _known: StoreDocument | None) -> None:
    if "beacons" not in cells:
        return
    raw["beacons"] = beacons_in(cells["beacons"])


def beacons_in(text: str) -> list[dict[str, Any]]:
    """`UUID/major/minor`, separated by spaces.

    Raises:
        Invalid: something is not of that form.
    """
    beacons = []
    for part in text.replace(",", " ").split():
        uuid, *numbers = part.split("/")
        if len(numbers) > 2 or not all(number.isascii() and number.isdecimal() for number in numbers):
            raise Invalid.at("beacons", "should be UUID/major/minor", "beacons")
        names = zip(("major", "minor"), map(int, numbers), strict=False)
        beacons.append({"uuid": uuid, **dict(names)})
    return beacons


def beacons_text(beacons: Sequence[Beacon]) -> str:
    """Beacons as `beacons_in` reads them."""
    return " ".join(_beacon_text(beacon.uuid, beacon.major, beacon.minor) for beacon in beacons)


def exceptions_text(hours: WeeklyHours) -> str:
    """Days with other hours, as `exceptions_in` reads them."""
    return "; ".join(
        f"{day.isoformat()} {_spans_text(spans) or '-'}" for day, spans in sorted(hours.exceptions.items())
    )


def _beacon_text(uuid: str, major: int | None, minor: int | None) -> str:
    return "/".join(str(part) for part in (uuid, major, minor) if part is not None)


def _spans_text(spans: Sequence[Any]) -> str:
    return " ".join(f"{span.opens:%H:%M}-{span.closes:%H:%M}" for span in spans)
