"""The rows of a file that were refused: why, in both languages; and as a file to correct and bring again. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC

from wallet_service.stores.importing import RefusedRow
from wallet_service.web.fault_words import sentence_of
from wallet_service.web.locale import LANGUAGES, Reader

_REASON = {"fr": "Motif", "en": "Reason"}


def reasons_of(row: RefusedRow) -> dict[str, list[str]]:
    """Language → the sentences of what is wrong, each with its column."""
    return {language: sentences_of(row, Reader(language, UTC)) for language in LANGUAGES}


def sentences_of(row: RefusedRow, reader: Reader) -> list[str]:
    """What is wrong with a row, in the reader's language."""
    told = (
        reader.gettext("%(label)s: %(sentence)s", label=fault.path, sentence=sentence_of(fault, reader))
        for fault in row.faults
    )
    return list(dict.fromkeys(told))


def refused_csv(headers: Sequence[str], refused: Sequence[RefusedRow]) -> str:
    """The refused rows as they are in the file, each with its line and the reason in both languages behind it. The
    added columns have names that an import passes over.
    """
    written = io.StringIO()
    rows = csv.writer(written, delimiter=";")
    rows.writerow([*headers, "Ligne / Line", *(f"{_REASON[language]} ({language})" for language in LANGUAGES)])
    for row in refused:
        cells = [*row.cells[: len(headers)], *[""] * (len(headers) - len(row.cells))]
        rows.writerow([*cells, row.line, *(" ".join(reasons) for reasons in reasons_of(row).values())])
    return "\ufeff" + written.getvalue()
