"""What can go wrong, by whose move it is.

`NotFound` (and `Erased`), `Invalid`, `Forbidden` and `Conflict` are the caller's, `SettingsError` is the operator's,
`Unreachable` is the world's. Anything else is ours and rises.
"""

from __future__ import annotations

from dataclasses import dataclass


class WalletServiceError(Exception):
    """The root of all errors that this program raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong place in some input: `path` as its sender wrote it (`lines[2].amount`), `message` in words."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class Invalid(WalletServiceError):
    """Input that is refused, with every fault that was found in it."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = faults

    @classmethod
    def at(cls, path: str, message: str) -> Invalid:
        """One fault at `path`."""
        return cls(Fault(path, message))

    def under(self, root: str) -> Invalid:
        """The same faults, their paths under `root`."""
        return Invalid(*(Fault(f"{root}.{fault.path}" if fault.path else root, fault.message) for fault in self.faults))


class NotFound(WalletServiceError):
    """The thing that was named does not exist, or not for this caller."""


class Erased(NotFound):
    """The thing that was named was here, and was erased with the data of the person it was about."""


class Forbidden(WalletServiceError):
    """The caller is known, and may not do this."""


class Conflict(WalletServiceError):
    """The thing exists already, in another shape."""


class SettingsError(WalletServiceError):
    """A setting is missing or wrong; the message names it and says what it should look like."""


class Unreachable(WalletServiceError):
    """A far side did not answer; try again later."""
