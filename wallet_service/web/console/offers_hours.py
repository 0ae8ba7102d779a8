"""The hours of the week in which an offer holds, as rows of its form and in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ConfigDict, Field

from wallet_service.documents.offers import WEEKDAYS
from wallet_service.values import Value
from wallet_service.web.form_values import Raw
from wallet_service.web.pages import current_reader

_ROWS = 2
"""A day has so many spans on the page, more where an offer has more."""
_NAME = re.compile(r"weekly\.(?P<day>[a-z]{3})\.(?P<row>[0-9]{1,2})\.(from|to)", re.ASCII)
_ENDS = ("from", "to")
_MIDNIGHT, _END_OF_DAY = "00:00", "24:00"
"""A browser's field of a clock ends at 23:59: midnight there is the end of the day here."""


class RowOfHours(Value):
    """One span of a day."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    begins: str | None = Field(default=None, alias="from")
    ends: str | None = Field(default=None, alias="to")


def labels_of_hours(raw: Raw) -> dict[str, str]:
    """The fields of the week."""
    _ = current_reader().gettext
    words = {"from": _("%(day)s, from"), "to": _("%(day)s, until")}
    again = {"from": _("%(day)s, again from"), "to": _("%(day)s, again until")}
    return {
        f"weekly.{day}.{row}.{end}": (again if row else words)[end] % {"day": name}
        for day, name in day_names().items()
        for row in range(rows_of(raw, day))
        for end in _ENDS
    }


def rows_of(raw: Raw, day: str) -> int:
    """How many spans the page has for a day."""
    found = (_NAME.fullmatch(name) for name in raw)
    rows = [int(name["row"]) + 1 for name in found if name is not None and name["day"] == day]
    return max([_ROWS, *rows])


def hours_in(weekly: Any) -> list[tuple[str, dict[str, Any]]]:
    """What was typed as the document's spans, each with the beginning of the names of its fields."""
    found = []
    for day in WEEKDAYS:
        rows = weekly.get(day) if isinstance(weekly, dict) else None
        for number, row in enumerate(rows if isinstance(rows, list) else ()):
            span = {"day": day, **row} if isinstance(row, dict) else {"day": day}
            if span.get("to") == _MIDNIGHT:
                span["to"] = _END_OF_DAY
            found.append((f"weekly.{day}.{number}", span))
    return found


def is_same_hours(one: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]]) -> bool:
    """Whether two lists of spans are the same but for their order."""

    def ordered(spans: Sequence[Mapping[str, Any]]) -> list[list[tuple[str, str]]]:
        return sorted(sorted((name, str(value)) for name, value in span.items()) for span in spans)

    return ordered(one) == ordered(other)


def written_hours(stored: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """The spans of an offer as its form writes them."""
    raw: dict[str, list[str]] = {}
    counts = dict.fromkeys(WEEKDAYS, 0)
    for span in stored:
        day = next(each for each in WEEKDAYS if each == span["day"])
        name = f"weekly.{day}.{counts[day]}"
        raw |= {f"{name}.from": [span["from"]], f"{name}.to": [span["to"].replace(_END_OF_DAY, _MIDNIGHT)]}
        counts[day] += 1
    return raw


def hours_in_words(stored: Sequence[Mapping[str, str]]) -> str:
    """`Monday 10:00–12:00 and 14:00–18:00, Tuesday …`."""
    told = []
    for day, name in day_names().items():
        spans = [f"{span['from']}–{span['to']}" for span in stored if span["day"] == day]
        if spans:
            told.append(f"{name} {', '.join(spans)}")
    return "; ".join(told) if current_reader().language != "fr" else "\u202f; ".join(told)


def day_names() -> dict[str, str]:
    """The days of the week, from Monday."""
    _ = current_reader().gettext
    names = (_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday"))
    return dict(zip(WEEKDAYS, names, strict=True))
