"""The `fields` parameter: a partial answer. Pure.

Source: google-wallet.md, section 16; Google's "Performance tips": `id`, `resources(id,hasUsers)`, `a/b`, `*`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wallet_service.simulators.google.api_error import invalid

Mask = Mapping[str, "Mask"]


def partial(answer: Mapping[str, Any], fields: str | None) -> dict[str, Any]:
    """What `fields` asks for of an answer; all of it without.

    Raises:
        ApiError: 400, the parameter cannot be read.
    """
    if not fields:
        return dict(answer)
    mask, rest = _mask(fields)
    if rest:
        raise invalid("fields", f"cannot be read from {rest!r} on")
    return {name: _taken(answer[name], inner) for name, inner in mask.items() if name in answer}


def _taken(value: Any, mask: Mask) -> Any:
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [_taken(one, mask) for one in value]
    if isinstance(value, Mapping):
        return {name: _taken(value[name], inner) for name, inner in mask.items() if name in value}
    return value


def _mask(text: str) -> tuple[dict[str, Mask], str]:
    """Read `a,b(c,d),e/f` up to its end or a closing bracket."""
    mask: dict[str, Mask] = {}
    while True:
        name, text = _name(text)
        if text.startswith("("):
            inner, text = _mask(text[1:])
            if not text.startswith(")"):
                raise invalid("fields", "a bracket is not closed")
            text = text[1:]
        elif text.startswith("/"):
            inner_name, text = _name(text[1:])
            inner = {inner_name: {}}
        else:
            inner = {}
        mask[name] = inner
        if not text.startswith(","):
            return mask, text
        text = text[1:]


def _name(text: str) -> tuple[str, str]:
    end = next((index for index, letter in enumerate(text) if letter in ",()/"), len(text))
    if end == 0:
        raise invalid("fields", "a name is missing")
    return text[:end], text[end:]
