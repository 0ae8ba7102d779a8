"""The rules of `pass.json` for a pass that somebody else made: what Wallet takes is no error. Pure.

Keys that nobody documents, empty texts and colours in hexadecimal are told of and taken out, and the rest is checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from wallet_service.wallets.apple.findings import Finding
from wallet_service.wallets.apple.passes.model import PASS_DOCUMENT
from wallet_service.wallets.apple.passes.rules import RULE_OF_KEY, Rules, findings_in, path_of

_MOST_ROUNDS = 20
"""Taking one thing out may show another below it; a pass is nowhere so deep."""
_MOST_PLACES = 10
_SHOWN_EMPTY = ("organizationName", "description")
_NEEDED = frozenset(
    (
        "passTypeIdentifier", "serialNumber", "teamIdentifier", "key", "format", "message", "messageEncoding",
        "encryptionPublicKey", "identifier", "url", "webServiceURL", "authenticationToken",
    )
)  # fmt: skip
_HEX = re.compile(r"#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})")
_SPACED_RGB = re.compile(r"rgb\s*\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)")


def findings_in_any(document: Mapping[str, Any], rules: Rules) -> list[Finding]:
    """Every finding of a pass, ours or not.

    Args:
        rules: with `ours` False.
    """
    rest, findings = deepcopy(dict(document)), list[Finding]()
    for _ in range(_MOST_ROUNDS):
        try:
            PASS_DOCUMENT.validate_python(rest)
        except ValidationError as error:
            faults = error.errors(include_url=False, include_context=False)
            # Each look is at the document as it still is: what stood inside of something that is out is out as well.
            found = [finding for fault in faults if (finding := _taken_out(rest, fault)) is not None]
        else:
            break
        if not found:
            break
        findings += found
    return [*findings, *findings_in(rest, rules)]


def _taken_out(document: dict[str, Any], fault: ErrorDetails) -> Finding | None:
    """What is told of a fault with which Wallet takes the pass; the document is without it afterwards."""
    steps = fault["loc"]
    holder = _holder(document, steps)
    if holder is None:
        return None
    key, path = str(steps[-1]), path_of(steps)
    rule = RULE_OF_KEY.get(str(steps[0]), "25")
    match fault["type"]:
        case "extra_forbidden":
            del holder[key]
            return Finding(
                "25", path, "is not a key that Apple documents; Wallet ignores it", "correct its spelling", "warning"
            )
        case "string_too_short" if holder[key] == "" and key not in _NEEDED:
            if key in _SHOWN_EMPTY:
                holder[key] = "x"
                return Finding(rule, path, "is empty", "say what the pass is, and whose", "warning")
            del holder[key]
            return Finding(rule, path, "is empty", "leave the key out", "note")
        case "string_pattern_mismatch" if _HEX.fullmatch(str(holder[key])):
            del holder[key]
            words = "is a colour in hexadecimal, which Apple does not document"
            return Finding("27", path, words, "write it like rgb(23, 187, 82)", "warning")
        case "string_pattern_mismatch" if (parts := _SPACED_RGB.fullmatch(str(holder[key]))) is not None:
            if any(int(part) > 255 for part in parts.groups()):
                return None
            del holder[key]
            return Finding("27", path, "has other spaces than Apple's examples", "write it like rgb(1, 2, 3)", "note")
        case "too_long" if key == "locations":
            count = len(holder[key])
            holder[key] = holder[key][:_MOST_PLACES]
            words = f"are {count}; Wallet takes the first {_MOST_PLACES}"
            return Finding("32", path, words, "choose the nearest ones", "warning")
        case _:
            return None


def _holder(document: dict[str, Any], steps: tuple[int | str, ...]) -> dict[str, Any] | None:
    """The object that has the key at the end of the path; None if there is none (any more)."""
    place: Any = document
    for step in steps[:-1]:
        try:
            place = place[step]
        except (KeyError, IndexError, TypeError):
            return None
    return place if steps and isinstance(place, dict) and steps[-1] in place else None
