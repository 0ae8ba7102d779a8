"""From outside input to our frozen models, every fault named by its path in the sender's own words.

`read_json` is the one reader of JSON that others sent: what it lets through can be stored, read back and sent on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, Discriminator, Tag, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from wallet_service.errors import Fault, Invalid, Unreadable

Document = TypeVar("Document", bound=BaseModel)
_BRANCH = "\0"
OBJECT, PLAIN = Tag(f"{_BRANCH}object"), Tag(f"{_BRANCH}plain")
OBJECT_OR_PLAIN = Discriminator(lambda value: OBJECT.tag if isinstance(value, Mapping | BaseModel) else PLAIN.tag)
"""For a field that is an object or a plain value: with both branches tagged, one wrong value is one fault."""
_OURS = {"extra_forbidden": "unknown_field", "value_error": "invalid"}
"""Where our word for a kind of fault is not pydantic's."""

DEEPEST = 32
"""How far lists and objects may lie in each other."""
_INT64 = range(-(2**63), 2**63)
_NUL, _FIRST_SURROGATE, _LAST_SURROGATE = "\0", "\ud800", "\udfff"


class _NotANumber(float):
    """What JSON has no number for: `NaN`, `Infinity`, `1e999`."""


class _Doubled(dict[str, Any]):
    """An object of which a key came twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.key = next(name for name in names if names.count(name) > 1)


def parse(model: type[Document], raw: Any) -> Document:
    """Validate `raw` against `model`.

    Raises:
        Invalid: with every fault's path, e.g. `lines[2].amount`.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise Invalid(*faults_of(error)) from error


def read_json(body: bytes | str, path: str = "") -> Any:
    """Read JSON that somebody sent; `path` names it in faults.

    Raises:
        Unreadable: it is not JSON (RFC 8259), it is nested too deep, or a key comes twice.
        Invalid: a text or a number in it cannot be kept: NUL, half a surrogate pair, an integer beyond 64 bits.
    """
    document = load_json(body, path)
    require_sound(document, path)
    return document


def load_json(body: bytes | str, path: str = "") -> Any:
    """Read JSON without a look at its values: for several documents in one, each checked by `require_sound` for itself.

    Raises:
        Unreadable: it is not JSON at all.
    """
    try:
        text = body if isinstance(body, str) else body.decode("utf-8")
        return json.loads(text, object_pairs_hook=_object, parse_float=_float, parse_constant=_NotANumber)
    except UnicodeDecodeError as error:
        raise Unreadable.at(path, f"is not UTF-8, at byte {error.start}", "not_json") from error
    except RecursionError as error:
        raise Unreadable.at(path, f"is nested more than {DEEPEST} deep", "too_deep", most=DEEPEST) from error
    except ValueError as error:  # also an integer of thousands of digits
        raise Unreadable.at(path, f"is not JSON: {error}", "not_json") from error


def require_sound(document: Any, path: str = "") -> None:
    """Refuse what no database and no wallet can keep, wherever in a document it stands.

    Raises:
        Unreadable: a number that is none (NaN, Infinity), a key that comes twice, or nesting beyond `DEEPEST`.
        Invalid: a NUL, half a surrogate pair, or an integer beyond 64 bits, in a value or in a key.
    """
    if _is_surely_sound(document):
        return
    faults = list(_unsound(document, path, DEEPEST))
    if not faults:
        return
    kind = Unreadable if any(fault.code in _UNREADABLE for fault in faults) else Invalid
    raise kind(*faults)


_UNREADABLE = frozenset(("too_deep", "doubled_key", "not_a_number"))


def refusal(code: str, message: str, *, path: str = "", **values: Any) -> PydanticCustomError:
    """What a validator raises. `path` names the field, below the model that refuses, where a rule concerns several.

    `message` may hold `{name}` of the values.
    """
    return PydanticCustomError(code, message, {"path": path, **values})


def faults_of(error: ValidationError) -> list[Fault]:
    """Pydantic's errors as our faults."""
    return [_fault_of(one) for one in error.errors(include_url=False)]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    return made if len(made) == len(pairs) else _Doubled(pairs)


def _float(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _NotANumber(number)


_STRICT = orjson.OPT_STRICT_INTEGER | orjson.OPT_PASSTHROUGH_SUBCLASS


def _is_surely_sound(document: Any) -> bool:
    """A quick look that is never wrong where it says yes: orjson writes neither half pairs nor our two marks."""
    try:
        written = orjson.dumps(document, option=_STRICT)
    except TypeError:
        return False
    return written.count(b"{") + written.count(b"[") <= DEEPEST and b"\\u0000" not in written


def _unsound(value: Any, path: str, depth: int) -> Iterator[Fault]:
    match value:
        case str():
            yield from _unsound_text(value, path)
        case int() if value not in _INT64:
            yield Fault(path, "is an integer of more than 64 bits", "integer_too_large")
        case _NotANumber():
            yield Fault(path, "is not a number that JSON has", "not_a_number")
        case dict() | list() if depth <= 0:
            yield Fault(path, f"is nested more than {DEEPEST} deep", "too_deep", {"most": DEEPEST})
        case dict():
            if isinstance(value, _Doubled):
                doubled = _visible(value.key)
                yield Fault(_below(path, doubled), f"the key {doubled!r} comes twice", "doubled_key", {"key": doubled})
            for key, below in value.items():
                yield from _unsound_text(key, _below(path, _visible(key)))
                yield from _unsound(below, _below(path, _visible(key)), depth - 1)
        case list():
            for index, below in enumerate(value):
                yield from _unsound(below, f"{path}[{index}]", depth - 1)
        case _:
            pass


def _unsound_text(text: str, path: str) -> Iterator[Fault]:
    if _NUL in text:
        yield Fault(path, "holds a NUL character", "nul_character")
    if any(_FIRST_SURROGATE <= letter <= _LAST_SURROGATE for letter in text):
        yield Fault(path, "holds half a surrogate pair: a text cut in the middle of a character", "half_character")


def _visible(key: str) -> str:
    """A key as a path can show it."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in key)


def _fault_of(detail: ErrorDetails) -> Fault:
    values = {name: value for name, value in detail.get("ctx", {}).items() if name not in ("path", "error")}
    below = detail.get("ctx", {}).get("path", "") if detail["type"] not in _OURS else ""
    path = _path(detail["loc"])
    return Fault(
        f"{path}.{below}" if path and below else path or below,
        _words(detail["type"], detail["msg"]),
        _OURS.get(detail["type"], detail["type"]),
        values,
    )


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif not part.startswith(_BRANCH) and part != "[key]":  # "[key]": it is the key itself that is wrong
            path = _below(path, _visible(part))
    return path


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _words(kind: str, message: str) -> str:
    return "unknown field" if kind == "extra_forbidden" else message.removeprefix("Value error, ")
