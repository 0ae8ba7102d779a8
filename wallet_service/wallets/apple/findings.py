"""A finding of a check: one broken rule at one place, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from wallet_service.errors import Fault

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        rule: the number of the line in the conformance checklist (`docs`), as text.
        path: the place: a file of the bundle, a path in its JSON, or a certificate.
        message: what is wrong, in words that its sender understands.
        remedy: what to do.
    """

    rule: str
    path: str
    message: str
    remedy: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f" ({self.remedy})" if self.remedy else "")


def faults_in(findings: Iterable[Finding]) -> list[Fault]:
    """The errors among `findings`, in the shape in which input is refused."""
    return [Fault(finding.path, finding.message) for finding in findings if finding.severity == "error"]
