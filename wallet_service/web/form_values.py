"""From a form's fields to a document and back. Pure.

Names are paths: `title.fr`, `store_ids` repeated, `opening_hours.mo.0.from`. A form is another way of writing the
document that the API has; what is wrong is said by the document. Names that begin with `_` are the page's own and no
part of the document.

A box that is left empty is absent. An unticked one cannot be told from one that the page does not have, so each has a
hidden companion of the same name and no value: a form of three fields changes three fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from pydantic import BaseModel

from wallet_service.web.document_shape import Branch, Leaf, Shape, below_of, shapes_at
from wallet_service.web.locale import Reader

Raw = Mapping[str, Sequence[str]]
"""What a browser sent: each name with its values, as typed (`request.form.to_dict(flat=False)`)."""

TICKED = "on"
_DEEPEST = 8
_LONGEST_NUMBER = 18
"""Digits; whatever is shorter is one that PostgreSQL can hold."""
_SPACES = str.maketrans("", "", " \u00a0\u202f\u2009'’")
_PLAIN_NUMBER = re.compile(r"[-+]?[0-9]{1,30}(\.[0-9]{1,30})?")
_ENGLISH_GROUPS = re.compile(r"[-+]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
_DAY = re.compile(r"([0-9]{1,2})[/.]([0-9]{1,2})[/.]([0-9]{4})")
_CLOCK = re.compile(r"([0-9]{1,2})\s*[:hH]\s*([0-9]{2})?(?::([0-9]{2}))?")


def nest(document: type[BaseModel], raw: Raw, reader: Reader) -> dict[str, Any]:
    """What was typed, as the document that the API would get.

    Texts are trimmed; numbers and dates are read as the reader's language writes them, times in the reader's zone. What
    cannot be read is left as typed, and the document refuses it at its path.
    """
    tree: dict[str, Any] = {}
    for name, values in compact(raw).items():
        if name.startswith("_"):
            continue
        *branches, last = name.split(".", _DEEPEST)
        place = tree
        for part in branches:
            below = place.setdefault(part, {})
            if not isinstance(below, dict):
                below = place[part] = {}
            place = below
        place.setdefault(last, list(values))
    return {
        key: value
        for key, below in tree.items()
        if (value := _value(shapes_at(document, (key,)), below, reader)) is not None
    }


def flatten(value: BaseModel | Mapping[str, Any], reader: Reader) -> dict[str, list[str]]:
    """A document as a form writes it, so that `nest` gives it back. Fields that are None are absent."""
    raw: dict[str, list[str]] = {}
    _write(value, "", raw, reader)
    return raw


def compact(raw: Raw) -> dict[str, Sequence[str]]:
    """The same with rows that were left empty taken out: `beacons.0`, `beacons.2` become `beacons.0`, `beacons.1`."""
    rows: dict[str, set[int]] = {}
    for name, values in raw.items():
        for prefix, index in rows_in(name):
            if any(value.strip() for value in values):
                rows.setdefault(prefix, set()).add(index)
    places = {prefix: {old: new for new, old in enumerate(sorted(kept))} for prefix, kept in rows.items()}
    renamed: dict[str, Sequence[str]] = {}
    for name, values in raw.items():
        parts = name.split(".")
        for prefix, index in rows_in(name):
            if index not in places.get(prefix, {}):
                break
            parts[prefix.count(".") + 1] = str(places[prefix][index])
        else:
            renamed[".".join(parts)] = values
    return renamed


def last_in(raw: Raw, name: str) -> str:
    """The last value that was typed under a name, without space around it; empty where there is none."""
    values = [value.strip().replace("\r\n", "\n") for value in raw.get(name, ()) if value.strip()]
    return values[-1] if values else ""


def number_in(text: str) -> int | None:
    """A version or a number of a row, as a page or an address of ours writes it; None where it is neither."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _LONGEST_NUMBER else None


def rows_in(name: str) -> list[tuple[str, int]]:
    """The rows in a name: `beacons.0.uuid` has row 0 of `beacons`."""
    parts = name.split(".")
    return [(".".join(parts[:at]), int(part)) for at, part in enumerate(parts) if at and _is_index(part)]


def _is_index(part: str) -> bool:
    return part.isascii() and part.isdecimal() and len(part) <= 4


def _value(shapes: tuple[Shape, ...], typed: Any, reader: Reader) -> Any:
    """What was typed at one place; None where that is nothing."""
    if isinstance(typed, list):
        return _read_all(shapes, typed, reader)
    read = {
        part: value
        for part, below in typed.items()
        if (value := _value(tuple(each for shape in shapes for each in below_of(shape, part)), below, reader))
        is not None
    }
    if not read:
        return None
    if all(_is_index(part) for part in read) and _may_be_sequence(shapes):
        return [read[part] for part in sorted(read, key=int)]
    return read


def _may_be_sequence(shapes: tuple[Shape, ...]) -> bool:
    return any(shape.kind == "sequence" if isinstance(shape, Branch) else shape.kind == "anything" for shape in shapes)


def _read_all(shapes: tuple[Shape, ...], typed: list[str], reader: Reader) -> Any:
    leaf = next((shape for shape in shapes if isinstance(shape, Leaf)), Leaf("text"))
    for shape in shapes:
        if isinstance(shape, Branch) and shape.kind == "sequence":
            of_each = next((each for each in below_of(shape, "0") if isinstance(each, Leaf)), Leaf("text"))
            return [_read(of_each, text, reader) for text in typed if text.strip()]
    if leaf.kind == "flag":
        return any(text.strip() for text in typed)
    filled = [text for text in typed if text.strip()]
    if leaf.kind == "anything" and len(filled) > 1:
        return [_read(leaf, text, reader) for text in filled]
    return _read(leaf, filled[-1], reader) if filled else None


def _read(leaf: Leaf, typed: str, reader: Reader) -> Any:
    text = typed.strip().replace("\r\n", "\n")
    match leaf.kind:
        case "integer" | "number":
            return _number(text, reader)
        case "date" | "time" | "instant" | "local_time":
            return _time(leaf.kind, text, reader)
        case _:
            return text


def _number(text: str, reader: Reader) -> int | float | str:
    plain = text.translate(_SPACES).replace("\u2212", "-")
    if reader.language == "en" and _ENGLISH_GROUPS.fullmatch(plain):
        plain = plain.replace(",", "")
    plain = plain.replace(",", ".")
    if _PLAIN_NUMBER.fullmatch(plain) is None:
        return text
    return float(plain) if "." in plain else int(plain)


def _time(kind: str, text: str, reader: Reader) -> Any:
    day, rest = _DAY.match(text), text
    try:
        if day is not None:
            on = f"{int(day[3]):04}-{int(day[2]):02}-{int(day[1]):02}"
            rest = text[day.end() :].strip(" \u00a0\u202f,àTt")
            text = f"{on}T{rest}" if rest else on
        clock = _CLOCK.fullmatch(rest)
        if clock is not None:
            rest = f"{int(clock[1]):02}:{clock[2] or '00'}:{clock[3] or '00'}"
            text = f"{text.split('T')[0]}T{rest}" if day is not None else rest
        if kind != "date" and ":" not in text:
            raise ValueError("a day or a number is not a time")
        match kind:
            case "date":
                return date.fromisoformat(text)
            case "time":
                return time.fromisoformat(text)
            case "local_time":
                return datetime.fromisoformat(text)
            case _:
                at = datetime.fromisoformat(text)
                return at.replace(tzinfo=reader.zone) if at.tzinfo is None else at
    except ValueError:
        return (
            f"{text}?"  # so that pydantic does not guess: it takes a number for an instant, and a day for its midnight
        )


def _write(value: Any, name: str, raw: dict[str, list[str]], reader: Reader) -> None:
    below = f"{name}." if name else ""
    match value:
        case None:
            pass
        case BaseModel():
            for key, field in type(value).model_fields.items():
                _write(getattr(value, key), f"{below}{field.alias or key}", raw, reader)
        case Mapping():
            for key, each in value.items():
                _write(each, f"{below}{key}", raw, reader)
        case list() | tuple():
            if all(isinstance(each, str | int | float) for each in value):
                raw[name] = [_text(each, reader) for each in value] or [""]
            else:
                for index, each in enumerate(value):
                    _write(each, f"{below}{index}", raw, reader)
        case _:
            raw[name] = [_text(value, reader)]


def _text(value: Any, reader: Reader) -> str:
    match value:
        case bool():
            return TICKED if value else ""
        case int() | float():
            plain = format(Decimal(repr(value)), "f")
            return plain.replace(".", ",") if reader.language == "fr" else plain
        case datetime() if value.tzinfo is not None:
            return _shortest(value.astimezone(reader.zone).replace(tzinfo=None))
        case datetime() | time():
            return _shortest(value)
        case date():
            return value.isoformat()
        case _:
            return str(value)


def _shortest(at: datetime | time) -> str:
    """As a browser's own field writes it: seconds only where there are some."""
    return at.isoformat(timespec="auto" if at.second or at.microsecond else "minutes")
