"""The console's gate: every page is registered here, with what it needs, and nobody passes without that.

The order is the same for every request: where does it come from, who is it, which programme, may they, second factor,
password. What is not somebody's own does not exist for them (404); what they may see and not do is 403 with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, current_app, g, redirect, request, url_for
from sqlalchemy import update
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access.roles import PASSWORD_AGAIN, Permission
from wallet_service.access.sessions import SignedIn, keep_form, look_at_session, take_form
from wallet_service.errors import NotFound
from wallet_service.storage.tables import User
from wallet_service.web.console.errors import refusal_page
from wallet_service.web.console.visit import Visit
from wallet_service.web.context import now, services
from wallet_service.web.locale import LANGUAGES, Reader, lazy
from wallet_service.web.origin import is_cross_site
from wallet_service.web.pages import read_as, reader_of_request

View = Callable[..., AnyResponse]
_FIRST_REFUSAL = 400
_UNKEPT = re.compile(r"[\x00\ud800-\udfff]")
LARGEST_ID = 2**63 - 1
_UNTIL_KNOWN = ZoneInfo("Europe/Paris")
"""Before the programme is known, pages write times in this zone."""


@dataclass(frozen=True)
class _Rule:
    kind: Literal["public", "person", "program"]
    needs: Permission | None = None
    before_second_factor: bool = False


class Console:
    """The blueprint of the console, and the only ways to register a page in it."""

    def __init__(self) -> None:
        self.blueprint = Blueprint("console", __name__, url_prefix="/console")
        self._rules: dict[str, _Rule] = {}
        self.blueprint.url_value_preprocessor(_take_program)
        self.blueprint.url_defaults(_name_program)
        self.blueprint.before_request(self._let_in)
        self.blueprint.after_request(_finish)
        self.blueprint.teardown_request(_close)

    def page(self, rule: str, view: View, *, needs: Permission, methods: tuple[str, ...] = ("GET",)) -> None:
        """A page of a programme, below `/console/{program}`, for those who have that permission there."""
        self._add(f"/<program_id>{rule}", view, _Rule("program", needs), methods)

    def person_page(
        self, rule: str, view: View, *, methods: tuple[str, ...] = ("GET",), before_second_factor: bool = False
    ) -> None:
        """A page that is a person's own, whatever their roles."""
        self._add(rule, view, _Rule("person", before_second_factor=before_second_factor), methods)

    def public_page(self, rule: str, view: View, *, methods: tuple[str, ...] = ("GET",)) -> None:
        """A page for whoever opens it: signing in, one-time links."""
        self._add(rule, view, _Rule("public"), methods)

    def _add(self, rule: str, view: View, access: _Rule, methods: tuple[str, ...]) -> None:
        endpoint = f"{view.__module__.rpartition('.')[2]}_{view.__name__}"
        self._rules[f"console.{endpoint}"] = access
        self.blueprint.add_url_rule(rule, endpoint, view, methods=methods)

    def _let_in(self) -> AnyResponse | None:
        read_as(reader_of_request(_UNTIL_KNOWN))
        token = request.cookies.get(cookie_name())
        if is_cross_site(
            request.method, request.headers, public_url=services().settings.public_url, has_cookie=token is not None
        ):
            return refusal_page(
                HTTPStatus.FORBIDDEN, lazy("This form was sent from another site. Open the page again.")
            )
        rule = self._rules.get(request.endpoint or "")
        if rule is None:
            raise NotFound("no such page")
        if rule.kind == "public":
            return _refuse_what_no_field_holds()
        with services().sessions.begin() as db:
            signed_in = look_at_session(db, token, now=now(), prolong="poll" not in request.args) if token else None
            if signed_in is None:
                return _to_sign_in(db, token, keep=rule.kind == "program")
            signed_in = _keep_language(db, signed_in)
        return self._let_person_in(rule, signed_in)

    def _let_person_in(self, rule: _Rule, signed_in: SignedIn) -> AnyResponse | None:
        reader = reader_of_request(_UNTIL_KNOWN, kept=signed_in.locale)
        read_as(reader)
        visit = Visit(signed_in=signed_in, reader=reader)
        g.visit = visit
        step = signed_in.second_factor_step(services().settings.second_factor_rule)
        if rule.kind == "program" and (refused := _into_program(rule, visit)) is not None:
            return refused
        if step != "none" and not rule.before_second_factor:
            where = "console.sign_in_second_factor" if step == "enter" else "console.account_second_factor"
            return redirect(url_for(where, next=request.full_path), code=HTTPStatus.SEE_OTHER)
        if rule.needs in PASSWORD_AGAIN and not signed_in.password_is_fresh(now()):
            return _to_password()
        if request.method == "GET":
            _give_typed_back()
        return _refuse_what_no_field_holds()


def _into_program(rule: _Rule, visit: Visit) -> AnyResponse | None:
    """Find the programme and the person's part in it; a refusal, or None with `g.visit` completed."""
    actor = visit.signed_in.actor_in(g.program_id)
    if actor is None:
        raise NotFound("this programme does not exist, or is not this person's")
    with services().sessions() as db:
        program = services().program_cache.program(db, g.program_id)
    reader = Reader(visit.reader.locale, ZoneInfo(program.document.time_zone))
    read_as(reader)
    g.visit = replace(visit, reader=reader, program=program, actor=actor)
    assert rule.needs is not None  # noqa: S101  (a page of a programme names a permission)
    if not actor.may(rule.needs):
        return refusal_page(HTTPStatus.FORBIDDEN, lazy("Your role may not open this page. Ask a marketing manager."))
    return None


def cookie_name() -> str:
    """The session's cookie. Browsers take the prefix over https only, and then guard it."""
    return "__Host-wallet" if _is_https() else "wallet"


def with_session(answer: AnyResponse, token: str | None) -> AnyResponse:
    """The answer with the session's cookie; None takes it away."""
    flags: dict[str, Any] = {"httponly": True, "secure": _is_https(), "samesite": "Lax", "path": "/"}
    if token is None:
        answer.delete_cookie(cookie_name(), **flags)
    else:
        answer.set_cookie(cookie_name(), token, **flags)
    return answer


def _is_https() -> bool:
    return services().settings.public_url.startswith("https://")


def _to_sign_in(db: Session, token: str | None, *, keep: bool) -> AnyResponse:
    """Nobody is signed in: to the sign-in page and back. What was typed is kept for 30 minutes, if it is a programme's:
    what a person types into pages of their own is a secret.
    """
    if keep and request.method == "POST" and token is not None and (back := _keep_typed(db, token)) is not None:
        query = {"next": back, "kept": "1"}
    else:
        query = {"next": request.full_path if request.method == "GET" and request.query_string else request.path}
    return redirect(f"{url_for('console.sign_in_sign_in')}?{urlencode(query)}", code=HTTPStatus.SEE_OTHER)


def _to_password() -> AnyResponse:
    back: str | None = None
    if request.method == "POST":
        with services().sessions.begin() as db:
            back = _keep_typed(db, request.cookies.get(cookie_name(), ""))
    return redirect(url_for("console.account_password_again", next=back or request.path), code=HTTPStatus.SEE_OTHER)


def _keep_typed(db: Session, token: str) -> str | None:
    """Keep what was typed with the session; returns the address that gives it back, None if it could not be kept."""
    kept = keep_form(db, token, request.path, dict(request.form.lists()), now=now())
    return f"{request.path}?typed=1" if kept else None


def _give_typed_back() -> None:
    """Once after signing in again: what was typed into this page before."""
    if "typed" not in request.args:
        return
    with services().sessions.begin() as db:
        form = take_form(db, g.visit.signed_in.session_id, now=now())
    if form is not None and form.path == request.path:
        g.visit = replace(g.visit, kept=form.fields)


def _keep_language(db: Session, signed_in: SignedIn) -> SignedIn:
    """`?lang` is the person's choice from now on."""
    asked = request.args.get("lang")
    if asked not in LANGUAGES or asked == signed_in.locale:
        return signed_in
    db.execute(update(User).where(User.id == signed_in.user_id).values(locale=asked))
    return replace(signed_in, locale=asked)


def _take_program(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    g.program_id = values.pop("program_id", None) if values else None
    if any(isinstance(value, int) and value > LARGEST_ID for value in (values or {}).values()):
        raise NotFound("no row has such a number")


def _refuse_what_no_field_holds() -> AnyResponse | None:
    """NUL and halves of letters can be typed into no page, and PostgreSQL keeps neither. Looked at last: what somebody
    sends who may not is not even read.
    """
    values = (value for held in (request.args, request.form) for pair in held.items(multi=True) for value in pair)
    names = (brought.filename or "" for brought in request.files.values())
    if not any(_UNKEPT.search(text) for text in (request.path, *values, *names)):
        return None
    return refusal_page(
        HTTPStatus.UNPROCESSABLE_ENTITY, lazy("This was not accepted. Go back and look at what you typed.")
    )


def _name_program(endpoint: str, values: dict[str, Any]) -> None:
    """Addresses of a programme's pages need not name it: it is the one of this request."""
    if g.get("program_id") is not None and current_app.url_map.is_endpoint_expecting(endpoint, "program_id"):
        values.setdefault("program_id", g.program_id)


def _finish(response: Response) -> Response:
    """Commit what was accepted, roll back what was refused."""
    db: Session | None = g.get("console_db")
    if db is not None:
        if response.status_code >= _FIRST_REFUSAL:
            db.rollback()
        else:
            db.commit()
    return response


def _close(_error: BaseException | None) -> None:
    db: Session | None = g.pop("console_db", None)
    if db is not None:
        db.close()
