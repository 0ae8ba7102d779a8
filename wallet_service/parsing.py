"""From outside input to our frozen models, every fault named by its path in the sender's own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, Discriminator, Tag, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from wallet_service.errors import Fault, Invalid

Document = TypeVar("Document", bound=BaseModel)
_BRANCH = "\0"
OBJECT, PLAIN = Tag(f"{_BRANCH}object"), Tag(f"{_BRANCH}plain")
OBJECT_OR_PLAIN = Discriminator(lambda value: OBJECT.tag if isinstance(value, Mapping | BaseModel) else PLAIN.tag)
"""For a field that is an object or a plain value: with both branches tagged, one wrong value is one fault."""
_OURS = {"extra_forbidden": "unknown_field", "value_error": "invalid"}
"""Where our word for a kind of fault is not pydantic's."""


def parse(model: type[Document], raw: Any) -> Document:
    """Validate `raw` against `model`.

    Raises:
        Invalid: with every fault's path, e.g. `lines[2].amount`.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise Invalid(*faults_of(error)) from error


def refusal(code: str, message: str, *, path: str = "", **values: Any) -> PydanticCustomError:
    """What a validator raises. `path` names the field, below the model that refuses, where a rule concerns several.

    `message` may hold `{name}` of the values.
    """
    return PydanticCustomError(code, message, {"path": path, **values})


def faults_of(error: ValidationError) -> list[Fault]:
    """Pydantic's errors as our faults."""
    return [_fault_of(one) for one in error.errors(include_url=False)]


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
            path += f".{part}" if path else part
    return path


def _words(kind: str, message: str) -> str:
    return "unknown field" if kind == "extra_forbidden" else message.removeprefix("Value error, ")
