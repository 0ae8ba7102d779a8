"""Team: who works in a programme, with which role, for which stores; inviting, changing, locking, taking away."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal

from flask import redirect, request, url_for
from pydantic import Field
from sqlalchemy import select
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access.links import link_address
from wallet_service.access.roles import STORE_ROLES, Permission, Role
from wallet_service.access.users import (
    Person,
    invite,
    lock_user,
    people,
    person_of,
    remove_grant,
    set_grant,
    unlock_user,
)
from wallet_service.errors import Conflict, Fault, Invalid, NotFound
from wallet_service.parsing import parse
from wallet_service.storage.tables import Store
from wallet_service.values import Value
from wallet_service.web.console.gate import Console
from wallet_service.web.console.mails import invitation_mail
from wallet_service.web.console.navigation import frame
from wallet_service.web.console.visit import program, session, typed, visit
from wallet_service.web.context import now, services
from wallet_service.web.form_values import Raw, nest
from wallet_service.web.forms import Form
from wallet_service.web.headers import Audience
from wallet_service.web.locale import Lazy, lazy
from wallet_service.web.pages import current_reader, page

ROLES: dict[Role, tuple[Lazy, Lazy]] = {
    Role.ADMIN: (lazy("Administrator"), lazy("Everything, and the team.")),
    Role.MARKETING: (lazy("Marketing"), lazy("Offers, stores, members, figures.")),
    Role.STORE: (lazy("Store manager"), lazy("The offers, hours and figures of their own stores.")),
    Role.TILL: (lazy("Cashier"), lazy("The till of their own stores.")),
    Role.TECHNICAL: (lazy("Technical"), lazy("Keys, certificates, deliveries; no names of members.")),
}
_HERE = "console.team_team"


class PlaceDocument(Value):
    """What somebody is in this programme."""

    role: Literal["admin", "marketing", "store", "till", "technical"]
    store: tuple[str, ...] = ()


class InvitationDocument(PlaceDocument):
    """Somebody to be invited."""

    email: str = Field(min_length=1, max_length=254)
    name: str = Field(default="", max_length=200)


def add_pages(console: Console) -> None:
    """Register the pages."""
    console.page("/team", team, needs=Permission.TEAM_READ)
    console.page("/team/invite", invitation, needs=Permission.TEAM_WRITE, methods=("GET", "POST"))
    console.page("/team/<int:user_id>", person, needs=Permission.TEAM_WRITE, methods=("GET", "POST"))
    console.page("/team/<int:user_id>/<any(lock,unlock,remove):act>", act, needs=Permission.TEAM_WRITE,
                 methods=("GET", "POST"))  # fmt: skip


def team() -> AnyResponse:
    """Everybody of the programme."""
    found = people(session(), program_id=program().program_id)
    return page(
        "console/team/team.html",
        Audience.CONSOLE,
        frame=frame(_HERE),
        people=[_shown(one) for one in found],
        roles=_role_words(),
        done=request.args.get("done"),
    )


def invitation() -> AnyResponse:
    """Invite somebody: the link goes by mail to them alone."""
    faults: tuple[Fault, ...] = ()
    if request.method == "POST":
        try:
            document = parse(InvitationDocument, nest(InvitationDocument, typed(), current_reader()))
            _invite(document)
        except Invalid as error:
            faults = error.faults
        except Conflict as error:
            faults = (Fault("email", str(error), "locked_person"),)
        else:
            return _back(done="invited")
    return _place_page("console/team/invite.html", InvitationDocument, typed(), faults)


def _invite(document: InvitationDocument) -> None:
    db, here = session(), visit()
    locale = current_reader().language
    invited = invite(
        db,
        here.author,
        email=document.email,
        name=document.name,
        locale=locale,
        program_id=program().program_id,
        role=document.role,
        store_ids=document.store if Role(document.role) in STORE_ROLES else (),
        now=now(),
    )
    if invited.link_token is not None:
        someone = person_of(db, invited.user_id)
        address = link_address(services().settings.public_url, "invitation", invited.link_token)
        mail = invitation_mail(someone.email, someone.name, locale, program().document.name, address)
        services().outbox.post(db, mail, now=now())


def person(user_id: int) -> AnyResponse:
    """Change what somebody is here."""
    someone = _somebody(user_id)
    faults: tuple[Fault, ...] = ()
    if request.method == "POST":
        try:
            document = parse(PlaceDocument, nest(PlaceDocument, typed(), current_reader()))
            set_grant(
                session(),
                visit().author,
                user_id,
                program_id=program().program_id,
                role=document.role,
                store_ids=document.store if Role(document.role) in STORE_ROLES else (),
                now=now(),
            )
        except Invalid as error:
            faults = error.faults
        except Conflict:
            faults = (Fault("role", "the programme would be left without an admin", "last_admin"),)
        else:
            return _back(done="changed")
    granted = _granted(someone)
    raw = typed() or {"role": [str(granted["role"])], "store": list(granted["store_ids"])}
    return _place_page("console/team/person.html", PlaceDocument, raw, faults, someone=_shown(someone))


def act(user_id: int, act: str) -> AnyResponse:
    """Lock somebody out, let them in again, or take their role: first what will happen, then the button."""
    someone = _somebody(user_id)
    refused: Lazy | None = None
    if request.method == "POST":
        try:
            _act(user_id, act)
        except Conflict as error:
            session().rollback()
            refused = _LAST_ADMIN if "admin" in str(error) else _ELSEWHERE
        else:
            return _back(done=act)
    return page(
        "console/team/act.html",
        Audience.CONSOLE,
        status=HTTPStatus.CONFLICT if refused else HTTPStatus.OK,
        frame=frame(_HERE, trail=_trail()),
        someone=_shown(someone),
        act=act,
        why_not=refused,
        refused=refused is not None,
    )


_LAST_ADMIN = lazy("The programme would be left without an administrator. Make somebody else administrator first.")
_ELSEWHERE = lazy("This person works in another programme too. Take their role in this one instead.")


def _act(user_id: int, act: str) -> None:
    db, author, program_id = session(), visit().author, program().program_id
    match act:
        case "lock":
            lock_user(db, author, user_id, program_id=program_id, now=now())
        case "unlock":
            unlock_user(db, author, user_id, program_id=program_id, now=now())
        case _:
            remove_grant(db, author, user_id, program_id=program_id, now=now())


def _somebody(user_id: int) -> Person:
    """A person of this programme; others do not exist here."""
    found = person_of(session(), user_id)
    if not any(granted.program_id == program().program_id for granted in found.grants):
        raise NotFound("not of this programme")
    return found


def _granted(someone: Person) -> dict[str, Any]:
    granted = next(one for one in someone.grants if one.program_id == program().program_id)
    return {"role": granted.role, "store_ids": granted.store_ids}


def _shown(someone: Person) -> dict[str, Any]:
    return {
        "id": someone.id,
        "name": someone.name,
        "email": someone.email,
        "state": someone.state,
        "last_seen_at": someone.last_seen_at,
        "has_second_factor": someone.has_second_factor,
        "is_me": someone.id == visit().signed_in.user_id,
        **_granted(someone),
    }


def _place_page(
    name: str, document: type[PlaceDocument], raw: Raw, faults: tuple[Fault, ...], **values: Any
) -> AnyResponse:
    _ = current_reader().gettext
    labels = {"email": _("E-mail"), "name": _("Name"), "role": _("Role"), "store": _("Stores")}
    shown = {field: label for field, label in labels.items() if field in document.model_fields}
    return page(
        name,
        Audience.CONSOLE,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        frame=frame(_HERE, trail=_trail()),
        form=Form(document, raw, faults, current_reader(), shown),
        roles=[(str(role), *words) for role, words in _role_words().items()],
        stores=session()
        .execute(
            select(Store.store_id, Store.name).where(Store.program_id == program().program_id).order_by(Store.name)
        )
        .all(),
        refused=bool(faults),
        **values,
    )


def _role_words() -> dict[Role, tuple[str, str]]:
    reader = current_reader()
    return {role: (name.to(reader), what.to(reader)) for role, (name, what) in ROLES.items()}


def _trail() -> tuple[tuple[str, str], ...]:
    return ((current_reader().gettext("Team"), url_for(_HERE)),)


def _back(**values: str) -> AnyResponse:
    return redirect(url_for(_HERE, **values), code=HTTPStatus.SEE_OTHER)  # type: ignore[arg-type]
