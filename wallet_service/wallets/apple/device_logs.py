"""Device logs: messages that phones post, read into findings about cards. Apple, "Log a Message".

The shapes are those that phones have been seen to write (spec apple-wallet, 4.6). Of a message the task, the card and
the error are kept; ids, addresses and times are not, and repeats are counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from wallet_service.storage.tables import Card, DeviceReport, Program

Task = Literal["register", "unregister", "list", "fetch", "other"]
MOST_FOR_A_CARD = 20
LONGEST_ERROR = 200

_TASKS: dict[str, Task] = {
    "Register": "register",
    "Unregister": "unregister",
    "Get serial #s": "list",
    "Get pass": "fetch",
}
_MESSAGE = re.compile(
    r"(?:\[[^\]]*\] )?(?P<task>Register|Unregister|Get serial #s|Get pass) task \((?P<about>.*)\) "
    r"encountered (?P<kind>error|warning): (?P<error>.*)",
    re.DOTALL,
)
_ANSWER = re.compile(
    r"(?:\[[^\]]*\] )?Web service (?P<kind>error|warning) for (?P<type>\S+) \(.*?\): (?P<error>.*)", re.DOTALL
)
_ABOUT = re.compile(r"(?P<name>device|pass type|serial number) (?P<value>[^,;)\s]+)")
_SECRETS = re.compile(r"https?://\S+|\b[0-9a-fA-F]{16,}\b|\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Report:
    """One message, read. `serial_number` is None where the message names no pass (a list is a device's)."""

    task: Task
    pass_type_id: str | None
    serial_number: str | None
    error: str


def read_report(message: str) -> Report:
    """Read one message; what has none of the known shapes is a report of task `other`."""
    if (found := _MESSAGE.match(message)) is not None:
        about = {part["name"]: part["value"] for part in _ABOUT.finditer(found["about"])}
        return Report(
            _TASKS[found["task"]], about.get("pass type"), about.get("serial number"), _without_secrets(found["error"])
        )
    if (found := _ANSWER.match(message)) is not None:
        return Report("list", found["type"], None, _without_secrets(found["error"]))
    return Report("other", None, None, _without_secrets(message))


def _without_secrets(error: str) -> str:
    return " ".join(_SECRETS.sub("…", error).split())[:LONGEST_ERROR]


def keep_reports(db: Session, reports: Sequence[Report], *, now: datetime) -> int:
    """Keep what is about cards of ours, at most `MOST_FOR_A_CARD` findings for each; returns how many were kept."""
    kept = 0
    for report in reports:
        if report.serial_number is None:
            continue
        card_id = db.scalar(
            select(Card.id)
            .join(Card.program)
            .where(Card.serial_number == report.serial_number, Program.pass_type_id == report.pass_type_id)
        )
        if card_id is None:
            continue
        db.execute(
            insert(DeviceReport)
            .values(card_id=card_id, task=report.task, error=report.error, first_at=now, last_at=now)
            .on_conflict_do_update(
                index_elements=["card_id", "task", "error"], set_={"times": DeviceReport.times + 1, "last_at": now}
            )
        )
        _forget_the_oldest(db, card_id)
        kept += 1
    return kept


def _forget_the_oldest(db: Session, card_id: int) -> None:
    beyond = (
        select(DeviceReport.id)
        .where(DeviceReport.card_id == card_id)
        .order_by(DeviceReport.last_at.desc(), DeviceReport.id.desc())
        .offset(MOST_FOR_A_CARD)
    )
    db.execute(delete(DeviceReport).where(DeviceReport.id.in_(beyond)))


def reports_of(db: Session, card_id: int) -> list[DeviceReport]:
    """What phones have reported of a card, the newest first."""
    mine = select(DeviceReport).where(DeviceReport.card_id == card_id)
    return list(db.scalars(mine.order_by(DeviceReport.last_at.desc(), DeviceReport.id.desc())))


def troubled_cards(db: Session, program_id: str, *, since: datetime, most: int = 100) -> list[tuple[str, int]]:
    """Serial numbers of a programme's cards that phones had trouble with since then, and how many kinds of it."""
    query = (
        select(Card.serial_number, func.count())
        .join(DeviceReport, DeviceReport.card_id == Card.id)
        .where(Card.program_id == program_id, DeviceReport.last_at >= since)
        .group_by(Card.serial_number)
        .order_by(func.count().desc(), Card.serial_number)
        .limit(most)
    )
    return [(serial, count) for serial, count in db.execute(query)]
