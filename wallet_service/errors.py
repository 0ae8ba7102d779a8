"""What can go wrong, by whose move it is.

`NotFound` (and `Erased`), `Invalid`, `Forbidden` and `Conflict` are the caller's, `SettingsError` is the operator's,
`Unreachable` is the world's. Anything else is ours and rises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


class WalletServiceError(Exception):
    """The root of all errors that this program raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong place in some input.

    Attributes:
        path: as its sender wrote it (`lines[2].amount`); empty only where the input as a whole cannot be read.
        message: what is wrong, in English.
        code: what is wrong, for programs and for other languages: pydantic's error type, or a word of ours.
        values: what the sentence of that code is filled with (`max_length`, `found`).
    """

    path: str
    message: str
    code: str = "invalid"
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def as_json(self) -> dict[str, Any]:
        """As its sender reads it; a value that JSON does not have is written as text."""
        values = {
            name: value if isinstance(value, str | int | float | bool | None) else str(value)
            for name, value in self.values.items()
        }
        return {"path": self.path, "message": self.message, "code": self.code, "values": values}


class Invalid(WalletServiceError):
    """Input that is refused, with every fault that was found in it."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = faults

    @classmethod
    def at(cls, path: str, message: str, code: str = "invalid", **values: Any) -> Invalid:
        """One fault at `path`; `values` fill the sentence of its code in other languages."""
        return cls(Fault(path, message, code, values))

    def under(self, root: str) -> Invalid:
        """The same faults, their paths under `root`."""
        return Invalid(*(replace(fault, path=f"{root}.{fault.path}" if fault.path else root) for fault in self.faults))


class NotFound(WalletServiceError):
    """The thing that was named does not exist, or not for this caller."""


class NotInWallet(NotFound):
    """The programme has no cards in the wallet that was asked for."""


class Erased(NotFound):
    """The thing that was named was here, and was erased with the data of the person it was about."""


class Unreadable(Invalid):
    """Input that is not even in the form that it claims: no JSON, or JSON that says two things at once."""


class Unsupported(Invalid):
    """Input of a content type that is not read here."""


class Forbidden(WalletServiceError):
    """The caller is known, and may not do this."""


class Conflict(WalletServiceError):
    """The thing exists already, in another shape."""


class SettingsError(WalletServiceError):
    """A setting is missing or wrong; the message names it and says what it should look like."""


class Unreachable(WalletServiceError):
    """A far side did not answer; try again later."""
