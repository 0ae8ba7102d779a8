"""What happened on a simulated iPhone, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Step = Literal[
    "added",
    "registered",
    "unregistered",
    "pushed",
    "slept",
    "lied",
    "listed",
    "fetched",
    "unchanged",
    "shown",
    "notified",
    "refused",
    "gave_up",
    "logged",
    "removed",
]


@dataclass(frozen=True)
class PhoneEvent:
    """One thing that happened on a phone, for a timeline."""

    at: datetime
    step: Step
    serial_number: str | None
    detail: str = ""
