"""What differs between a body that we want and the one that Google holds. Pure.

Only what we could have sent is compared; absent, null and empty are one; an enum in its old spelling is the same word.
Source: google-wallet.md sections 4 and 16.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wallet_service.wallets.google.content import schema

_ALIAS = re.compile(r"Legacy alias for `(\w+)`")
_NOT_OURS = frozenset(
    {
        "id",
        "messages",
        "linkedObjectIds",
        "linkedOfferIds",
        "notifyPreference",
        "review",
        "reviewStatus",
        "rotatingBarcode",
    }
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One place: what we want there and what Google has; None is nothing."""

    path: str
    want: Any
    have: Any

    def __str__(self) -> str:
        return f"{self.path}: {_short(self.have)} → {_short(self.want)}"


def differences(schema_name: str, want: Mapping[str, Any], have: Mapping[str, Any]) -> list[Difference]:
    """Every difference, in the order of Google's schema; messages, links and secrets are left out."""
    return list(_in_object(schema_name, want, have, "", _NOT_OURS | schema.READ_ONLY))


def comparable_fields(schema_name: str) -> str:
    """The members to ask for, as the `fields` parameter wants them."""
    members = schema.schemas()[schema_name]["properties"]
    names = [name for name in members if name not in _NOT_OURS and not schema.is_deprecated(name, members[name])]
    return ",".join(["id", *(name for name in names if name != "classReference")])


def _in_object(
    name: str, want: Mapping[str, Any], have: Mapping[str, Any], before: str, but: frozenset[str] = frozenset()
) -> Iterator[Difference]:
    for key, member in schema.schemas()[name]["properties"].items():
        if key not in but and not schema.is_deprecated(key, member):
            yield from _in_value(member, want.get(key), have.get(key), f"{before}.{key}" if before else key)


def _in_value(member: schema.Schema, want: Any, have: Any, path: str) -> Iterator[Difference]:
    if _is_nothing(want) and _is_nothing(have):
        return
    if "$ref" in member and isinstance(want, Mapping) and isinstance(have, Mapping):
        yield from _in_object(member["$ref"], want, have, path)
    elif isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        for index, (mine, theirs) in enumerate(zip(want, have, strict=True)):
            yield from _in_value(member["items"], mine, theirs, f"{path}[{index}]")
    elif _word(member, want) != _word(member, have):
        yield Difference(path, want, have)


def _is_nothing(value: Any) -> bool:
    return value is None or value in ([], {}, "") or value is False


def _word(member: schema.Schema, value: Any) -> Any:
    """A value, an enum's old spelling put into the new."""
    if "enum" not in member or value not in member["enum"]:
        return value
    said = member.get("enumDescriptions", [""] * len(member["enum"]))[member["enum"].index(value)]
    alias = _ALIAS.search(said)
    return alias[1] if alias else value


def _short(value: Any) -> str:
    text = "nothing" if _is_nothing(value) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
