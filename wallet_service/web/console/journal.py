"""Journal: who did what to what, when, and from what to what."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, time, timedelta
from typing import Any

from flask import Response, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access import journal as kept
from wallet_service.access.roles import Permission
from wallet_service.stores.csv_file import inert
from wallet_service.web.console.gate import Console
from wallet_service.web.console.navigation import frame
from wallet_service.web.console.visit import number_asked, program, program_zone, session
from wallet_service.web.headers import Audience
from wallet_service.web.locale import Lazy, lazy
from wallet_service.web.pages import current_reader, page

_HERE = "console.journal_journal"
ACTIONS: dict[str, Lazy] = {
    "user_invited": lazy("Invited"),
    "user_changed": lazy("Changed a person"),
    "user_locked": lazy("Locked out"),
    "user_unlocked": lazy("Let in again"),
    "grant_set": lazy("Gave a role"),
    "grant_removed": lazy("Took a role away"),
    "password_set": lazy("Chose a password"),
    "reset_link_made": lazy("Asked for a new password"),
    "second_factor_set": lazy("Set up the second step"),
    "second_factor_removed": lazy("Removed the second step"),
    "store_created": lazy("Added a store"),
    "store_changed": lazy("Changed a store"),
    "store_deleted": lazy("Deleted a store"),
    "offer_drafted": lazy("Drafted an offer"),
    "offer_changed": lazy("Changed an offer"),
    "offer_published": lazy("Published an offer"),
    "offer_unpublished": lazy("Took back the publication of an offer"),
    "offer_ended": lazy("Ended an offer"),
    "offer_cancelled": lazy("Called an offer off"),
    "places_looked_at": lazy("Looked at the places of a card"),
    "overlay_created": lazy("Drafted an overlay"),
    "overlay_changed": lazy("Changed an overlay"),
    "overlay_published": lazy("Published an overlay"),
    "overlay_withdrawn": lazy("Withdrew an overlay"),
    "overlay_deleted": lazy("Deleted an overlay"),
    "recovery_code_used": lazy("Used a recovery code"),
}
"""The words of each action; one without is shown as it is kept."""
_KINDS: dict[str, Lazy] = {
    "member": lazy("Member"),
    "offer": lazy("Offer"),
    "store": lazy("Store"),
    "user": lazy("Person"),
}
_NOBODY: dict[str, Lazy] = {"operator": lazy("command line"), "system": lazy("the service itself")}
_MOST_EXPORTED = 10_000


def add_pages(console: Console) -> None:
    """Register the pages."""
    console.page("/journal", journal, needs=Permission.JOURNAL_READ)
    console.page("/journal.csv", export, needs=Permission.JOURNAL_READ)


def journal() -> AnyResponse:
    """A page of entries, newest first."""
    found = _entries(before=number_asked("before"), limit=50)
    older = dict(request.args) | {"before": str(found.before)} if found.before is not None else None
    return page(
        "console/journal/journal.html",
        Audience.CONSOLE,
        frame=frame(_HERE),
        entries=[_shown(entry) for entry in found.entries],
        filters={name: request.args.get(name, "") for name in ("kind", "since", "until")},
        older=url_for(_HERE, **older) if older else None,  # type: ignore[arg-type]
        csv=url_for("console.journal_export", **_filters()),  # type: ignore[arg-type]
    )


def export() -> AnyResponse:
    """The same as CSV, all of it up to ten thousand entries."""
    written = io.StringIO()
    rows = csv.writer(written, delimiter=";")

    def row(*cells: str) -> None:
        rows.writerow([inert(cell) for cell in cells])

    _ = current_reader().gettext
    row(_("When"), _("Who"), _("What"), _("On what"), _("Number"), _("Changes"))
    before: int | None = None
    for _page in range(_MOST_EXPORTED // kept.MOST_ENTRIES):
        found = _entries(before=before, limit=kept.MOST_ENTRIES)
        for entry in found.entries:
            shown = _shown(entry)
            changes = "; ".join(f"{name}: {old} → {new}" for name, old, new in shown["changes"])
            at = entry.at.astimezone(program_zone()).isoformat(timespec="seconds")
            row(at, shown["who"], shown["action"], entry.object_kind, entry.object_id, changes)
        if (before := found.before) is None:
            break
    headers = {"Content-Disposition": "attachment; filename=journal.csv", "Cache-Control": "no-store"}
    return Response("\ufeff" + written.getvalue(), mimetype="text/csv", headers=headers)


def _entries(*, before: int | None, limit: int) -> kept.Page:
    since, until = _day(request.args.get("since")), _day(request.args.get("until"))
    return kept.entries(
        session(),
        program().program_id,
        object_kind=request.args.get("kind") or None,
        since=_midnight(since) if since else None,
        until=_midnight(until + timedelta(days=1)) if until and until < date.max else None,
        before=before,
        limit=limit,
    )


def _filters() -> dict[str, str]:
    return {name: request.args[name] for name in ("kind", "since", "until") if request.args.get(name)}


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), program_zone())


def _shown(entry: kept.Entry) -> dict[str, Any]:
    reader = current_reader()
    words = ACTIONS.get(entry.action)
    return {
        "at": entry.at,
        "who": _who(entry),
        "action": words.to(reader) if words else entry.action,
        "object": f"{_kind(entry)} {entry.object_id}",
        "changes": [
            (name, _value(change.get("from")), _value(change.get("to"))) for name, change in entry.changes.items()
        ],
    }


def _kind(entry: kept.Entry) -> str:
    words = _KINDS.get(entry.object_kind)
    return words.to(current_reader()) if words is not None else entry.object_kind


def _who(entry: kept.Entry) -> str:
    """A person's or a key's name; what is nobody in particular in the reader's words."""
    nobody = _NOBODY.get(entry.actor_kind)
    return nobody.to(current_reader()) if nobody is not None else entry.actor_name


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
