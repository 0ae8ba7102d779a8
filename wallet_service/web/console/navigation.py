"""The side navigation of the console, by permission, and the frame around every page of a programme."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app, request, url_for

from wallet_service.access.roles import Permission
from wallet_service.web.console.visit import Visit, session, visit
from wallet_service.web.context import services
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
    _Subject(lazy("Overlays"), "console.overlays_overlays", "look", Permission.TEXTS_READ),
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
    program_id = _shown_program(here)
    return Frame(
        program=_name_of(here, program_id),
        navigation=tuple(_entries(here, program_id)),
        current=url_for(current) if current else "",
        person=here.signed_in.name,
        account_address=url_for("console.account_account", program=program_id),
        sign_out_address=url_for("console.sign_in_sign_out"),
        programs=tuple(
            Entry(program_id, url_for("console.home_home", program_id=program_id))
            for program_id in sorted(actor.program_id for actor in here.signed_in.actors.values())
        ),
        trail=trail,
    )


def _shown_program(here: Visit) -> str | None:
    """The programme whose navigation surrounds the page: that of the address; on a person's own pages the one that they
    come from, else their first. None as long as the second step of signing in is not done.
    """
    if here.actor is not None:
        return here.actor.program_id
    if here.signed_in.second_factor_step(services().settings.second_factor_rule) != "none":
        return None
    own = sorted(actor.program_id for actor in here.signed_in.actors.values())
    asked = request.args.get("program")
    return asked if asked in own else next(iter(own), None)


def _name_of(here: Visit, program_id: str | None) -> str:
    if here.program is not None or program_id is None:
        return here.program.document.name if here.program is not None else ""
    return services().program_cache.program(session(), program_id).document.name


def _entries(here: Visit, program_id: str | None) -> list[Entry]:
    actor = here.actor or (here.signed_in.actor_in(program_id) if program_id is not None else None)
    if actor is None:
        return []
    known = current_app.view_functions
    return [
        Entry(subject.label.to(here.reader), url_for(subject.endpoint, program_id=program_id), subject.icon)
        for subject in SUBJECTS
        if subject.endpoint in known and actor.may(subject.needs)
    ]
