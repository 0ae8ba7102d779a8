"""Validating bodies against Google's own published schema and its rules in words, before they are sent. Pure.

`data/walletobjects.v1.json` is Google's discovery document, unchanged (see data/README.md): names, types and enums come
from there. What it says only in prose (limits, what must go together) is in `rules`.

Source: google-wallet.md sections 4 to 13, and section 25, checks 6 to 22.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from wallet_service.errors import Fault, Invalid
from wallet_service.wallets.google.content.rules import RULES, rules_of_whole

Schema = Mapping[str, Any]
Body = dict[str, Any]
"""A class, an object or a message, as JSON."""

READ_ONLY = frozenset({"classReference", "hasUsers", "hasLinkedDevice"})
"""What Google returns and no one may send."""

_DEPRECATED_IN_WORDS = frozenset({"infoModuleData", "locations"})  # the schema marks them on some only
_INTEGERS = {"int32": range(-(2**31), 2**31), "uint32": range(2**32)}
_INTEGERS_IN_TEXT = {"int64": range(-(2**63), 2**63), "uint64": range(2**64)}
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,20}")


@cache
def schemas() -> Mapping[str, Schema]:
    """Google's schemas by name, as the discovery document has them."""
    document = orjson.loads((files(__package__) / "data" / "walletobjects.v1.json").read_bytes())
    found: Mapping[str, Schema] = document["schemas"]
    return found


def require_valid(schema_name: str, body: Mapping[str, Any], *, partial: bool = False) -> None:
    """Refuse a body that Google would refuse.

    Args:
        partial: for a PATCH: nulls are allowed, and required members may be missing.

    Raises:
        Invalid: with the path of every fault, e.g. `textModulesData[0].id`.
    """
    faults = faults_in(schema_name, body, partial=partial)
    if faults:
        raise Invalid(*faults)


def faults_in(schema_name: str, body: Mapping[str, Any], *, path: str = "", partial: bool = False) -> list[Fault]:
    """Every fault of `body`; see `require_valid`. `path` is put before each."""
    whole = (Fault(_join(path, fault.path), fault.message) for fault in rules_of_whole(schema_name, body, partial))
    return [*_object_faults(schema_name, body, path, partial), *whole]


def with_nulls(
    schema_name: str, body: Mapping[str, Any], *, but: frozenset[str] | set[str] = frozenset()
) -> dict[str, Any]:
    """`body`, with null for every member of the schema that it lacks, at every depth; deprecated members are left out.

    Members named in `but` are not added at the top. Arrays go whole, so nothing is added inside them; an absent one is
    sent empty.
    """
    full: dict[str, Any] = {}
    for name, member in schemas()[schema_name]["properties"].items():
        value = body.get(name)
        if value is None:
            if name not in but and not is_deprecated(name, member):
                full[name] = [] if member.get("type") == "array" else None
        elif "$ref" in member:
            full[name] = with_nulls(member["$ref"], value)
        else:
            full[name] = value
    return full


def is_deprecated(name: str, member: Schema) -> bool:
    """Whether Google wants that member no more."""
    return bool(member.get("deprecated")) or name in _DEPRECATED_IN_WORDS


def _object_faults(name: str, body: object, path: str, partial: bool) -> Iterator[Fault]:
    if not isinstance(body, Mapping):
        yield Fault(path, f"should be an object ({name})")
        return
    faults = list(_member_faults(name, body, path, partial))
    yield from faults
    rule = RULES.get(name)
    if rule is not None and not faults:  # a rule may rely on the types
        present = {key: value for key, value in body.items() if value is not None}
        for fault in rule(present, partial):
            yield Fault(_join(path, fault.path), fault.message)


def _member_faults(name: str, body: Mapping[str, Any], before: str, partial: bool) -> Iterator[Fault]:
    members = schemas()[name]["properties"]
    for key, value in body.items():
        path = _join(before, key)
        member = members.get(key)
        if member is None:
            yield Fault(path, f"{name} has no such member")
        elif key in READ_ONLY and not before:
            yield Fault(path, "is written by Google only")
        elif is_deprecated(key, member):
            yield Fault(path, "is deprecated and is never sent")
        elif value is None:
            if not partial:
                yield Fault(path, "is null; leave it out")
        else:
            yield from _value_faults(member, value, path, partial)


def _value_faults(member: Schema, value: object, path: str, partial: bool) -> Iterator[Fault]:
    if "$ref" in member:
        yield from _object_faults(member["$ref"], value, path, partial)
        return
    match member["type"]:
        case "array":
            if not isinstance(value, list):
                yield Fault(path, "should be an array")
                return
            for index, item in enumerate(value):
                yield from _value_faults(member["items"], item, f"{path}[{index}]", False)
        case "string":
            yield from _text_faults(member, value, path)
        case "boolean":
            if not isinstance(value, bool):
                yield Fault(path, "should be true or false")
        case "integer":
            if not isinstance(value, int) or isinstance(value, bool) or value not in _INTEGERS[member["format"]]:
                yield Fault(path, f"should be a whole number ({member['format']})")
        case _:
            if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
                yield Fault(path, "should be a finite number")


def _text_faults(member: Schema, value: object, path: str) -> Iterator[Fault]:
    if not isinstance(value, str):
        kind = member.get("format", "")
        yield Fault(path, f"should be a text that holds a whole number ({kind})" if kind else "should be a text")
        return
    whole = _INTEGERS_IN_TEXT.get(member.get("format", ""))
    if whole is not None and (not _WHOLE_NUMBER.fullmatch(value) or int(value) not in whole):
        yield Fault(path, f"should hold a whole number ({member['format']})")
    if "enum" in member:
        deprecated = member.get("enumDeprecated", [False] * len(member["enum"]))
        allowed = [
            word
            for word, old in zip(member["enum"], deprecated, strict=True)
            if not old and not word.endswith("_UNSPECIFIED")
        ]
        if value not in allowed:
            yield Fault(path, f"should be one of {', '.join(allowed)}")


def _join(before: str, path: str) -> str:
    return f"{before}.{path}" if before and path else before or path
