"""From outside input to our frozen models, every fault named by its path in the sender's own words."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from wallet_service.errors import Fault, Invalid

Document = TypeVar("Document", bound=BaseModel)


def parse(model: type[Document], raw: Any) -> Document:
    """Validate `raw` against `model`.

    Raises:
        Invalid: with every fault's path, e.g. `lines[2].amount`.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise Invalid(*faults_of(error)) from error


def faults_of(error: ValidationError) -> list[Fault]:
    """Pydantic's errors as our faults."""
    return [Fault(_path(fault["loc"]), _words(fault["type"], fault["msg"])) for fault in error.errors()]


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _words(kind: str, message: str) -> str:
    return "unknown field" if kind == "extra_forbidden" else message.removeprefix("Value error, ")
