"""What a document wants at a path: the kind of value and its limits, read from the pydantic model. Pure.

Forms take names, limits and kinds from here, so that a limit is written once: in the document that the API has.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import AwareDatetime, BaseModel, WithJsonSchema
from pydantic.fields import FieldInfo

Kind = Literal["text", "integer", "number", "flag", "date", "time", "instant", "local_time", "choice", "anything"]
_KINDS: Mapping[Any, Kind] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "flag",
    date: "date",
    time: "time",
    AwareDatetime: "instant",
    datetime: "local_time",
    Any: "anything",
}


@dataclass(frozen=True)
class Leaf:
    """One value: a text, a number, …"""

    kind: Kind
    required: bool = False
    min_length: int | None = None
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Branch:
    """Something with members: a model, a mapping of free keys, or a sequence."""

    kind: Literal["model", "mapping", "sequence"]
    of: Any
    required: bool = False


Shape = Leaf | Branch


def shapes_of(annotation: Any, required: bool = False) -> tuple[Shape, ...]:
    """What a value of this annotation may be: one shape, or several where it is a union."""
    return tuple(_shapes(annotation, (), required))


def shapes_at(document: type[BaseModel], parts: Sequence[str]) -> tuple[Shape, ...]:
    """What the document may hold at a path (`("title", "fr")`); empty where it knows no such path."""
    shapes: tuple[Shape, ...] = (Branch("model", document, True),)
    for part in parts:
        shapes = tuple(below for shape in shapes for below in below_of(shape, part))
    return shapes


def leaf_at(document: type[BaseModel], parts: Sequence[str]) -> Leaf | None:
    """The value at a path, or that of each element where it is a sequence of values; None where there is none."""
    shapes = shapes_at(document, parts)
    repeated = [
        inner
        for shape in shapes
        if isinstance(shape, Branch) and shape.kind == "sequence"
        for inner in below_of(shape, "0")
    ]
    return next((shape for shape in (*shapes, *repeated) if isinstance(shape, Leaf)), None)


def below_of(shape: Shape, part: str) -> tuple[Shape, ...]:
    """What lies under `part` of a shape."""
    if isinstance(shape, Leaf):
        return (shape,) if shape.kind == "anything" else ()
    match shape.kind:
        case "model":
            fields = shape.of.model_fields
            field = next((each for each in fields.values() if each.alias == part), None) or fields.get(part)
            return () if field is None else tuple(_of_field(field))
        case "mapping":
            return shapes_of(shape.of, shape.required)
        case "sequence":
            return shapes_of(shape.of, shape.required) if part.isdecimal() else ()


def _of_field(field: FieldInfo) -> Iterator[Shape]:
    yield from _shapes(field.annotation, tuple(field.metadata), field.is_required())


def _shapes(annotation: Any, metadata: tuple[Any, ...], required: bool) -> Iterator[Shape]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _shapes(arguments[0], (*metadata, *arguments[1:]), required)
    elif origin in (Union, types.UnionType):
        for each in arguments:
            if each is not type(None):
                yield from _shapes(each, metadata, required)
    elif origin is Literal:
        yield Leaf("choice", required, choices=tuple(str(each) for each in arguments))
    elif origin in (tuple, list):
        yield Branch("sequence", arguments[0], required)
    elif origin is dict:
        yield Branch("mapping", arguments[1], required)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield Branch("model", annotation, required)
    elif annotation in _KINDS:
        kind: Kind = "instant" if annotation is datetime and _is_instant(metadata) else _KINDS[annotation]
        yield _leaf(kind, metadata, required)
    else:
        raise TypeError(f"forms do not know how to write {annotation!r}")


def _is_instant(metadata: tuple[Any, ...]) -> bool:
    """An instant has its offset in the document's schema; a local time has not."""
    schemas = (rule.json_schema or {} for rule in metadata if isinstance(rule, WithJsonSchema))
    return any(schema.get("format") == "date-time" for schema in schemas)


def _leaf(kind: Kind, metadata: tuple[Any, ...], required: bool) -> Leaf:
    """The limits, where several are given the narrowest is left to the document itself: this only tells the browser."""
    limits: dict[str, Any] = {}
    for rule in metadata:
        for each in rule.metadata if isinstance(rule, FieldInfo) else (rule,):
            match each:
                case annotated_types.MinLen():
                    limits["min_length"] = each.min_length
                case annotated_types.MaxLen():
                    limits["max_length"] = each.max_length
                case annotated_types.Ge():
                    limits["minimum"] = each.ge
                case annotated_types.Gt() if kind == "integer":
                    limits["minimum"] = each.gt + 1  # type: ignore[operator]  # integers only
                case annotated_types.Le():
                    limits["maximum"] = each.le
                case annotated_types.Lt() if kind == "integer":
                    limits["maximum"] = each.lt - 1  # type: ignore[operator]  # integers only
    return Leaf(kind, required, **limits)
