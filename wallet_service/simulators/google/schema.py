"""Google's own description of the API (the discovery document) as a checker of bodies. Pure.

Source: google-wallet.md, sections 4 and 16; `data/walletobjects.v1.json` is Google's published file, unchanged.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from wallet_service.simulators.google.api_error import invalid

_DOCUMENT = Path(__file__).with_name("data") / "walletobjects.v1.json"
_INTEGERS = {"int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1)}
_LONG_INTEGERS = {"int64": (-(2**63), 2**63 - 1), "uint64": (0, 2**64 - 1)}
_ALIAS = re.compile(r"Legacy alias for `(\w+)`")


@dataclass(frozen=True)
class ResourceType:
    """One kind of pass record: `loyaltyObject` with its schema, its class's type and the methods that exist."""

    name: str
    schema: str
    methods: frozenset[str]

    @property
    def is_class(self) -> bool:
        """Whether this is a class rather than an object."""
        return self.name.endswith("Class")

    @property
    def class_type(self) -> str:
        """The name of the class type that goes with it."""
        return re.sub("Object$", "Class", self.name)

    @property
    def plural(self) -> str:
        """The key in a save link's payload."""
        return f"{self.name}es" if self.is_class else f"{self.name}s"


@cache
def resource_types() -> Mapping[str, ResourceType]:
    """Every class and object type of the API by name."""
    found = {}
    for resource in _document()["resources"].values():
        if "insert" in (methods := resource.get("methods", {})):
            name = methods["insert"]["path"].rpartition("/")[2]
            if name.endswith(("Class", "Object")):
                found[name] = ResourceType(name, methods["insert"]["request"]["$ref"], frozenset(methods))
    return found


def checked(schema: str, body: Any) -> dict[str, Any]:
    """A body with its enums in their present spelling; `null` is kept.

    Raises:
        ApiError: 400, at the first unknown name or wrong type.
    """
    value: dict[str, Any] = _checked({"$ref": schema}, body, "")
    return value


@cache
def required_fields(schema: str) -> tuple[str, ...]:
    """The fields without which an insert is refused."""
    properties = _document()["schemas"][schema]["properties"]
    return tuple(sorted(k for k, v in properties.items() if v.get("description", "").startswith("Required")))


@cache
def _document() -> Any:
    return json.loads(_DOCUMENT.read_text(encoding="utf-8"))


def _checked(rule: Mapping[str, Any], value: Any, path: str) -> Any:
    if value is None:
        return None
    if "$ref" in rule:
        return _object(_document()["schemas"][rule["$ref"]]["properties"], value, path)
    match rule["type"]:
        case "object":
            return _object(rule.get("properties", {}), value, path)
        case "array":
            if not isinstance(value, list):
                raise invalid(path, "a list is expected")
            return [_checked(rule["items"], one, f"{path}[{index}]") for index, one in enumerate(value)]
        case "boolean" if isinstance(value, bool):
            return value
        case "number" if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        case "integer" if isinstance(value, int) and not isinstance(value, bool):
            least, most = _INTEGERS[rule["format"]]
            if not least <= value <= most:
                raise invalid(path, f"{value} is outside {rule['format']}")
            return value
        case "string":
            return _string(rule, value, path)
        case expected:
            raise invalid(path, f"{value!r} is not of type {expected}")


def _object(properties: Mapping[str, Any], value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(path, "an object is expected")
    for name in value:
        if name not in properties:
            raise invalid(path, f'Unknown name "{name}": Cannot find field.')
    return {name: _checked(properties[name], one, f"{path}.{name}".lstrip(".")) for name, one in value.items()}


def _string(rule: Mapping[str, Any], value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise invalid(path, f"{value!r} is not a string")
    if "enum" in rule:
        return _enum(rule, value, path)
    kind = rule.get("format")
    if kind in _LONG_INTEGERS:
        least, most = _LONG_INTEGERS[kind]
        if not re.fullmatch(r"-?\d{1,20}", value, re.ASCII) or not least <= int(value) <= most:
            raise invalid(path, f"{value!r} is not an {kind}")
    if kind == "byte":
        try:
            base64.b64decode(value, validate=True)
        except binascii.Error as error:
            raise invalid(path, "this is not base64") from error
    return value


def _enum(rule: Mapping[str, Any], value: str, path: str) -> str:
    if value not in rule["enum"]:
        raise invalid(path, f"{value!r} is not one of the values of this enum")
    alias = _ALIAS.search(rule.get("enumDescriptions", [""] * len(rule["enum"]))[rule["enum"].index(value)])
    return alias[1] if alias else value
