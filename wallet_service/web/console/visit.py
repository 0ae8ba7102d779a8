"""Who is at work in this request, in which programme, and what every page of the console needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from flask import g, request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from wallet_service.access.roles import Actor, Author, Permission
from wallet_service.access.sessions import SignedIn
from wallet_service.cards.program_cache import LoadedProgram
from wallet_service.storage.tables import Member
from wallet_service.web.context import services
from wallet_service.web.form_values import number_in
from wallet_service.web.locale import Reader

_FEW = 300


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A request of somebody who is signed in.

    Attributes:
        program, actor: the programme that the address names, and the person's part in it; None on their own pages.
        kept: what was typed into this page's form before the session ended, once.
    """

    signed_in: SignedIn
    reader: Reader
    program: LoadedProgram | None = None
    actor: Actor | None = None
    kept: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def author(self) -> Author:
        """The person, as the journal names them."""
        return Author("user", self.signed_in.user_id, self.signed_in.name)


def visit() -> Visit:
    """The visit of this request, once the gate has let it in."""
    found: Visit = g.visit
    return found


def actor() -> Actor:
    """The person's part in the programme of the address; on pages of a programme only."""
    found = visit().actor
    assert found is not None  # noqa: S101  (the gate lets nobody without one onto such a page)
    return found


def program() -> LoadedProgram:
    """The programme of the address; on pages of a programme only."""
    found = visit().program
    assert found is not None  # noqa: S101  (as above)
    return found


def may(permission: Permission) -> bool:
    """Whether the person may do that here; for templates, which never ask for a role."""
    return actor().may(permission)


def session() -> Session:
    """The request's own session: committed with an answer below 400, rolled back with any other."""
    if "console_db" not in g:
        g.console_db = services().sessions()
    db: Session = g.console_db
    return db


def number_asked(name: str) -> int | None:
    """A whole number of the address's query; None where there is none that a row can have."""
    return number_in(request.args.get(name, ""))


def version_shown() -> int | None:
    """The version that the page that was sent has shown."""
    return number_in(request.form.get("_version", ""))


def has_changed(version: int) -> bool:
    """Whether something has another version than the page that was sent has shown."""
    shown = request.form.get("_version")
    return shown is not None and shown != str(version)


def typed() -> Mapping[str, Sequence[str]]:
    """What was typed into the form of this page: just now, or before the session ended."""
    if request.method == "POST":
        return dict(request.form.lists())
    return visit().kept if "visit" in g else {}


def program_zone() -> ZoneInfo:
    """The programme's time zone."""
    return ZoneInfo(program().document.time_zone)


def has_many_members() -> bool:
    """Whether the programme has so many that a page comes before numbers that are counted member by member."""
    some = select(Member.id).where(Member.program_id == program().program_id).limit(_FEW + 1)
    return (session().scalar(select(func.count()).select_from(some.subquery())) or 0) > _FEW
