"""The side navigation of the console, by permission, and the frame around every page of a programme."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app, url_for

from wallet_service.access.roles import Permission
from wallet_service.web.console.visit import visit
from wallet_service.web.frame import Entry, Frame
from wallet_service.web.locale import Lazy, lazy


@dataclass(frozen=True)
class _Subject:
    """One subject of the console: its first page, and who sees it in the navigation."""

    label: Lazy
    endpoint: str
    icon: str
    needs: Permission


SUBJECTS = (
    _Subject(lazy("Home"), "console.home_home", "home", Permission.STORES_READ),
    _Subject(lazy("Offers"), "console.offers_offers", "offer", Permission.OFFERS_READ),
    _Subject(lazy("Stores"), "console.stores_stores", "store", Permission.STORES_READ),
    _Subject(lazy("Near a store"), "console.simulator_simulator", "card", Permission.OFFERS_READ),
    _Subject(lazy("Team"), "console.team_team", "members", Permission.TEAM_READ),
    _Subject(lazy("Journal"), "console.journal_journal", "figures", Permission.JOURNAL_READ),
)


def frame(current: str = "", trail: tuple[tuple[str, str], ...] = ()) -> Frame:
    """The frame of this request's page.

    Args:
        current: the endpoint of the subject that the page belongs to.
        trail: the pages above this one: words and address, from the top.
    """
    here = visit()
    names = {entry.program_id: entry for entry in here.signed_in.actors.values()}
    shown = here.program.document.name if here.program else ""
    return Frame(
        program=shown,
        navigation=tuple(_entries()),
        current=url_for(current) if current else "",
        person=here.signed_in.name,
        account_address=url_for("console.account_account"),
        sign_out_address=url_for("console.sign_in_sign_out"),
        programs=tuple(
            Entry(program_id, url_for("console.home_home", program_id=program_id)) for program_id in sorted(names)
        ),
        trail=trail,
    )


def _entries() -> list[Entry]:
    here = visit()
    if here.actor is None:
        return []
    known = current_app.view_functions
    return [
        Entry(subject.label.to(here.reader), url_for(subject.endpoint), subject.icon)
        for subject in SUBJECTS
        if subject.endpoint in known and here.actor.may(subject.needs)
    ]
