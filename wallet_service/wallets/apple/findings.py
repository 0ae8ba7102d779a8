"""A finding of a check: one broken rule at one place, what to do about it, and who says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from wallet_service.errors import Fault

Severity = Literal["error", "warning", "note"]
"""Refused by Wallet; shown or updated wrongly; our advice, which Wallet does not mind."""
WORST_FIRST: tuple[Severity, ...] = ("error", "warning", "note")

_BUILDING, _SOURCE, _PASS = "Apple, Building a Pass", "Apple, Creating the Source for a Pass", "Apple, Pass"
_FIELDS = "Apple, PassFieldContent"
_SOURCES = {
    **dict.fromkeys(("1", "2", "5", "6", "7"), _BUILDING),
    **dict.fromkeys(("3", "4"), "what working issuers write; Apple publishes no profile of ZIP"),
    "8": f"{_SOURCE}; RFC 8259",
    **dict.fromkeys(("10", "11"), "Apple, Human Interface Guidelines: Wallet"),
    "12": _SOURCE,
    **dict.fromkeys(("13", "14", "15"), "Apple, Wallet Developer Guide: Pass Design and Creation; RFC 5652"),
    **dict.fromkeys(("16", "18", "19"), _BUILDING),
    "20": "Apple, WWDR intermediate certificates",
    **dict.fromkeys(("23", "24", "25", "26", "27", "28", "33", "40"), _PASS),
    **dict.fromkeys(("29", "30", "31"), "Apple, Adding a Web Service to Update Passes"),
    "32": "Apple, Pass.Locations",
    "34": "Apple, Pass.Beacons",
    "35": "Apple, Pass.RelevantDates; Wallet Developer Guide, table 4-2",
    **dict.fromkeys(("36", "37"), "Apple, Pass.Barcodes"),
    "38": "Apple, Pass.NFC",
    "39": _PASS,
    **dict.fromkeys(("41", "43"), _FIELDS),
    "42": "Apple, Wallet Developer Guide: Pass Design and Creation",
    "44": "Apple, Creating a poster generic pass",
    "66": "Apple, Personalize",
    "75": "Apple, Handling notification responses from APNs",
    "82": "Apple, Distributing and updating a pass",
}
OUR_ADVICE = "our advice"


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

    @property
    def source(self) -> str:
        """Who says so: the page of Apple's that the rule is from. A note is our advice, whatever page led to it."""
        page = _SOURCES.get(self.rule)
        if self.severity == "note":
            return f"{OUR_ADVICE}, after {page}" if page else OUR_ADVICE
        return page or OUR_ADVICE

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f" ({self.remedy})" if self.remedy else "")


def faults_in(findings: Iterable[Finding]) -> list[Fault]:
    """The errors among `findings`, in the shape in which input is refused."""
    return [Fault(finding.path, finding.message) for finding in findings if finding.severity == "error"]
