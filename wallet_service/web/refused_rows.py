"""The rows of a file that were refused: why, in both languages; and as a file to correct and bring again. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC

from wallet_service.stores.csv_file import inert
from wallet_service.stores.importing import RefusedRow
from wallet_service.web.fault_words import sentence_of
from wallet_service.web.locale import LANGUAGES, Lazy, Reader, lazy

COLUMNS: Mapping[str, Lazy] = {
    "store_id": lazy("Identifier"),
    "name": lazy("Name"),
    "short_name": lazy("Short name"),
    "latitude": lazy("Latitude"),
    "longitude": lazy("Longitude"),
    "position": lazy("Coordinates or map link"),
    "street": lazy("Street"),
    "postal_code": lazy("Postal code"),
    "city": lazy("City"),
    "country": lazy("Country"),
    "phone": lazy("Telephone"),
    "time_zone": lazy("Time zone"),
    "groups": lazy("Groups"),
    "mo": lazy("Monday"),
    "tu": lazy("Tuesday"),
    "we": lazy("Wednesday"),
    "th": lazy("Thursday"),
    "fr": lazy("Friday"),
    "sa": lazy("Saturday"),
    "su": lazy("Sunday"),
    "closed_on_public_holidays": lazy("Closed on public holidays"),
    "exceptions": lazy("Days with other hours"),
    "opening_hours": lazy("Opening hours"),
    "beacons": lazy("Beacons"),
}
"""The words of each column; the texts of each language are beside them."""
_TEXT = lazy("Lock-screen text")
_REASON = {"fr": "Motif", "en": "Reason"}


def reasons_of(row: RefusedRow) -> dict[str, list[str]]:
    """Language → the sentences of what is wrong, each with its column."""
    return {language: sentences_of(row, Reader(language, UTC)) for language in LANGUAGES}


def sentences_of(row: RefusedRow, reader: Reader) -> list[str]:
    """What is wrong with a row, in the reader's language."""
    told = (
        reader.gettext(
            "%(label)s: %(sentence)s", label=column_words(fault.path, reader), sentence=sentence_of(fault, reader)
        )
        for fault in row.faults
    )
    return list(dict.fromkeys(told))


def column_words(column: str, reader: Reader) -> str:
    """A column, or the path of a fault in it, in words."""
    name, _, below = column.replace("[", ".").partition(".")
    if name == "proximity_text":
        return reader.gettext("Lock-screen text (%(language)s)", language=below) if below else _TEXT.to(reader)
    return COLUMNS[name].to(reader) if name in COLUMNS else column


def refused_csv(headers: Sequence[str], refused: Sequence[RefusedRow]) -> str:
    """The refused rows as they are in the file, each with its line and the reason in both languages behind it. The
    added columns have names that an import passes over.
    """
    written = io.StringIO()
    rows = csv.writer(written, delimiter=";")
    rows.writerow(
        [*map(inert, headers), "Ligne / Line", *(f"{_REASON[language]} ({language})" for language in LANGUAGES)]
    )
    for row in refused:
        cells = [*row.cells[: len(headers)], *[""] * (len(headers) - len(row.cells))]
        rows.writerow([*map(inert, cells), row.line, *(" ".join(reasons) for reasons in reasons_of(row).values())])
    return "\ufeff" + written.getvalue()
