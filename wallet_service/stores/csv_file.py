"""Reading a CSV file as spreadsheets write it: `;`, `,` or tabs, UTF-8 or Windows-1252. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wallet_service.errors import Invalid
from wallet_service.stores.columns import IGNORED, column_named

MOST_ROWS = 20_000
MOST_CHARACTERS = 10_000_000
_MOST_COLUMNS = 200


@dataclass(frozen=True)
class Row:
    """One row: the line of the file on which it begins, and its cells by header."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A file: its headers and its rows; rows that are empty are left out."""

    headers: tuple[str, ...]
    rows: tuple[Row, ...]


def inert(cell: str, *, is_number: bool = False) -> str:
    """A cell that no spreadsheet takes for a formula."""
    is_formula = cell[:1] in ("=", "@", "\t", "\r") or (cell[:1] in ("+", "-") and not is_number and len(cell) > 1)
    return f" {cell}" if is_formula else cell


def decoded(content: bytes) -> str:
    """The text of a file: UTF-8 if it is that, UTF-16 where it says so, else Windows-1252.

    Raises:
        Invalid: it is not a text at all.
    """
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", errors="replace")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252", errors="replace")
    if "\0" in text:
        raise Invalid.at("file", "should be a CSV file: a text with a line for each store", "not_csv")
    if len(text) > MOST_CHARACTERS:
        raise Invalid.at("file", f"should have at most {MOST_ROWS} rows", "too_many_rows", limit=MOST_ROWS)
    return text


def table_of(text: str) -> Table:
    """The rows of a file.

    Raises:
        Invalid: there is no header, no row, or there are too many.
    """
    csv.field_size_limit(max(csv.field_size_limit(), MOST_CHARACTERS))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter_of(text))
    rows: list[Row] = []
    headers: tuple[str, ...] = ()
    line = 1
    try:
        for cells in reader:
            trimmed = tuple(cell.strip() for cell in cells)
            if any(trimmed):
                if not headers:
                    headers = trimmed
                else:
                    rows.append(Row(line, trimmed))
            line = reader.line_num + 1
    except csv.Error as error:
        raise Invalid.at("file", f"cannot be read as CSV: {error}", "not_csv") from error
    if not rows or len(headers) > _MOST_COLUMNS:
        raise Invalid.at("file", "should have a line of headers, and a line for each store", "no_rows")
    if len(rows) > MOST_ROWS:
        raise Invalid.at("file", f"should have at most {MOST_ROWS} rows", "too_many_rows", limit=MOST_ROWS)
    return Table(headers, tuple(rows))


def match(table: Table, locales: Sequence[str], chosen: Mapping[str, str] | None = None) -> dict[int, str]:
    """Which column each header is: what somebody has `chosen` for it (by its place), else what its name says. Of
    several headers for one column the first counts.
    """
    matched: dict[int, str] = {}
    for place, header in enumerate(table.headers):
        wish = (chosen or {}).get(str(place))
        column = wish if wish is not None else column_named(header, locales)
        if column and column != IGNORED and column not in matched.values():
            matched[place] = column
    return matched


def _delimiter_of(text: str) -> str:
    """The mark that the first line has most of, outside quotes."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    outside = "".join(first.split('"')[::2])
    return max(";,\t", key=lambda mark: (outside.count(mark), mark == ";"))
