"""Importing stores: a file, which column is which, what would happen, and then how far it is."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, redirect, request, url_for
from pydantic import Field
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access.roles import Permission
from wallet_service.errors import Fault, Invalid
from wallet_service.stores.columns import IGNORED, columns_for
from wallet_service.stores.csv_file import MOST_CHARACTERS, Table, decoded, match, table_of
from wallet_service.stores.import_jobs import keep_file, plan_of, require_import, start_import
from wallet_service.stores.importing import ImportPlan
from wallet_service.values import Value
from wallet_service.web.console.gate import Console
from wallet_service.web.console.navigation import frame
from wallet_service.web.console.stores import HERE, trail
from wallet_service.web.console.visit import program, session, visit
from wallet_service.web.context import now
from wallet_service.web.forms import Form
from wallet_service.web.headers import Audience
from wallet_service.web.pages import current_reader, page
from wallet_service.web.refused_rows import column_words, refused_csv, sentences_of

_MOST_SHOWN = 100
_LARGEST_FILE = 2 * MOST_CHARACTERS


class FileForm(Value):
    """The file that somebody brings."""

    file: str = Field(default="", max_length=200)


def add_pages(console: Console) -> None:
    """Register the pages."""
    needs, methods = Permission.STORES_IMPORT, ("GET", "POST")
    console.page("/stores/import", bring, needs=needs, methods=methods)
    console.page("/stores/import/<int:number>", rehearsal, needs=needs, methods=methods)
    console.page("/stores/import/<int:number>/refused.csv", refused, needs=needs)
    console.page("/stores/import/<int:number>/apply", apply, needs=needs, methods=("POST",))
    console.page("/stores/import/<int:number>/progress", progress, needs=needs)


def bring() -> AnyResponse:
    """Choose a file."""
    faults: tuple[Fault, ...] = ()
    if request.method == "POST":
        request.max_content_length = _LARGEST_FILE
        brought = request.files.get("file")
        content = b""
        if brought is not None:
            with brought.stream:
                content = brought.read()
        try:
            if brought is None or not brought.filename:
                raise Invalid.at("file", "is missing", "no_file")
            text = decoded(content)
            table_of(text)
        except Invalid as error:
            faults = error.faults
        else:
            number = keep_file(
                session(), program().program_id, visit().author, file_name=brought.filename, text=text, columns={},
                now=now(),
            )  # fmt: skip
            return _to("rehearsal", number)
    labels = {"file": current_reader().gettext("CSV file")}
    return page(
        "console/stores/import.html",
        Audience.CONSOLE,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        frame=frame(HERE, trail=trail()),
        form=Form(FileForm, {}, faults, current_reader(), labels),
        refused=bool(faults),
    )


def rehearsal(number: int) -> AnyResponse:
    """Which column is which, and what would happen; nothing has."""
    kept = require_import(session(), program().program_id, number)
    if kept.state != "read":
        return _to("progress", number)
    table = table_of(kept.content)
    if request.method == "POST":
        kept.columns = {str(place): request.form.get(f"column.{place}", IGNORED) for place in range(len(table.headers))}
        return _to("rehearsal", number)
    document = program().document
    plan: ImportPlan | None = None
    faults: tuple[Fault, ...] = ()
    try:
        plan = plan_of(session(), document, kept)
    except Invalid as error:
        faults = error.faults
    matched = match(table, document.locales, kept.columns)
    reader = current_reader()
    options = [(IGNORED, reader.gettext("Do not read"))]
    options += [(column, column_words(column, reader)) for column in columns_for(document.locales)]
    return page(
        "console/stores/rehearsal.html",
        Audience.CONSOLE,
        frame=frame(HERE, trail=trail()),
        number=number,
        file_name=kept.file_name,
        form=Form(FileForm, {}, faults, reader, {}),
        columns=[
            {
                "place": place,
                "header": header or "–",
                "chosen": matched.get(place, IGNORED),
                "sample": _sample(table, place),
            }
            for place, header in enumerate(table.headers)
        ],
        options=options,
        rows=len(table.rows),
        plan=plan,
        counts=_counts(plan) if plan is not None else {},
        changes=[
            {"line": row.line, "store_id": row.store_id, "name": row.document.name, "kind": row.kind}
            for row in (plan.to_write[:_MOST_SHOWN] if plan is not None else ())
        ],
        refusals=_refusals(plan) if plan is not None else [],
        most=_MOST_SHOWN,
    )


def refused(number: int) -> AnyResponse:
    """The refused rows as a file, each with its reasons."""
    kept = require_import(session(), program().program_id, number)
    plan = plan_of(session(), program().document, kept)
    written = refused_csv(table_of(kept.content).headers, plan.refused)
    headers = {"Content-Disposition": "attachment; filename=refused.csv", "Cache-Control": "no-store"}
    return Response(written, mimetype="text/csv", headers=headers)


def apply(number: int) -> AnyResponse:
    """Have the file applied."""
    start_import(session(), program().document, number, visit().author, now=now())
    return _to("progress", number)


def progress(number: int) -> AnyResponse:
    """How far it is."""
    kept = require_import(session(), program().program_id, number)
    if kept.state == "read":
        return _to("rehearsal", number)
    return page(
        "console/stores/progress.html",
        Audience.CONSOLE,
        frame=frame(HERE, trail=trail()),
        number=number,
        file_name=kept.file_name,
        is_over=kept.state == "applied",
        done=kept.done,
        total=kept.total,
        counts=kept.counts,
        at=kept.finished_at,
    )


def _counts(plan: ImportPlan) -> dict[str, int]:
    counts: dict[str, int] = {kind: plan.count(kind) for kind in ("new", "changed", "unchanged")}
    return counts | {"refused": len(plan.refused)}


def _refusals(plan: ImportPlan) -> list[dict[str, Any]]:
    reader = current_reader()
    return [
        {"line": row.line, "store_id": row.store_id or "–", "reasons": sentences_of(row, reader)}
        for row in plan.refused[:_MOST_SHOWN]
    ]


def _sample(table: Table, place: int) -> str:
    """What the first rows have there."""
    found = [row.cells[place] for row in table.rows[:20] if place < len(row.cells) and row.cells[place]]
    return found[0][:60] if found else ""


def _to(view: str, number: int) -> AnyResponse:
    return redirect(url_for(f"console.store_imports_{view}", number=number), code=HTTPStatus.SEE_OTHER)
