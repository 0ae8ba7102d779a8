"""A person's own account: password, second factor, sessions. The language is chosen by the switch on every page."""

from __future__ import annotations

import io
from http import HTTPStatus
from typing import Any

import segno
from flask import redirect, request, url_for
from pydantic import Field
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access.second_factor import (
    confirm_second_factor,
    offer_second_factor,
    offered_second_factor,
    remove_second_factor,
)
from wallet_service.access.sessions import (
    end_other_sessions,
    end_session,
    open_session,
    renew_after_second_factor,
    sessions_of,
)
from wallet_service.access.signing_in import Wait, Welcome
from wallet_service.access.users import set_password
from wallet_service.errors import Fault, Invalid
from wallet_service.values import Value
from wallet_service.web.browsers import browser_name
from wallet_service.web.console.gate import Console, cookie_name, with_session
from wallet_service.web.console.mails import second_factor_mail
from wallet_service.web.console.navigation import frame
from wallet_service.web.console.sign_in import CodeDocument, NewPasswordDocument, next_address, post_mail, wait_page
from wallet_service.web.console.visit import session, visit
from wallet_service.web.context import now, services
from wallet_service.web.forms import Form
from wallet_service.web.headers import Audience
from wallet_service.web.pages import current_reader, page


class PasswordDocument(Value):
    """The password that the person has now."""

    password: str = Field(max_length=1024)


def add_pages(console: Console) -> None:
    """Register the pages."""
    console.person_page("/account", account)
    console.person_page("/account/password", password, methods=("GET", "POST"))
    console.person_page("/account/password-again", password_again, methods=("GET", "POST"), before_second_factor=True)
    console.person_page("/account/second-factor", second_factor, methods=("GET", "POST"), before_second_factor=True)
    console.person_page("/account/second-factor/remove", remove, methods=("GET", "POST"))
    console.person_page("/account/sessions/end-others", end_others, methods=("POST",))
    console.person_page("/account/sessions/<int:session_id>/end", end_one, methods=("POST",))


def account() -> AnyResponse:
    """What there is to one's account."""
    signed_in = visit().signed_in
    return page(
        "console/account/account.html",
        Audience.CONSOLE,
        frame=frame(),
        signed_in=signed_in,
        sessions=[(one, browser_name(one.agent)) for one in sessions_of(session(), signed_in.user_id, now=now())],
        done=request.args.get("done"),
        now=now(),
    )


def password() -> AnyResponse:
    """Choose another password; every other session ends."""
    if not visit().signed_in.password_is_fresh(now()):
        return _redirect("console.account_password_again", next=request.path)
    faults: tuple[Fault, ...] = ()
    if request.method == "POST":
        here = visit()
        try:
            with services().sessions.begin() as db:
                set_password(
                    db, here.author, services().passwords, here.signed_in.user_id, request.form.get("password", ""),
                    now=now(),
                )  # fmt: skip
                token = open_session(
                    db,
                    here.signed_in.user_id,
                    agent=request.user_agent.string,
                    former_token=request.cookies.get(cookie_name()),
                    now=now(),
                )
        except Invalid as error:
            faults = error.faults
        else:
            return with_session(_redirect("console.account_account", done="password"), token)
    labels = {"password": current_reader().gettext("New password")}
    form = Form(NewPasswordDocument, {}, faults, current_reader(), labels)
    return _form_page("console/account/password.html", form)


def password_again() -> AnyResponse:
    """The password once more, before an act that needs it; good for a quarter of an hour."""
    faults: tuple[Fault, ...] = ()
    if request.method == "POST":
        outcome = services().sign_in.enter_password_again(
            visit().signed_in, request.form.get("password", ""), now=now()
        )
        if isinstance(outcome, Welcome):
            return with_session(redirect(next_address(), code=HTTPStatus.SEE_OTHER), outcome.token)
        if isinstance(outcome, Wait):
            return wait_page(outcome)
        faults = (Fault("password", "is not the password of this account", "wrong_password"),)
    labels = {"password": current_reader().gettext("Password")}
    form = Form(PasswordDocument, {}, faults, current_reader(), labels)
    return _form_page("console/account/password_again.html", form, next=next_address())


def second_factor() -> AnyResponse:
    """Put a secret into an authenticator app, and confirm it with a code; then the recovery codes, once.

    Whoever has a second factor shows it first: the password alone does not replace it.
    """
    here = visit()
    if here.signed_in.second_factor_step(services().settings.second_factor_rule) == "enter":
        return _redirect("console.sign_in_second_factor", next=request.path)
    if not here.signed_in.password_is_fresh(now()):
        return _redirect("console.account_password_again", next=request.path)
    faults: tuple[Fault, ...] = ()
    sealer, user_id = services().keys.sealer, here.signed_in.user_id
    if request.method == "POST":
        try:
            with services().sessions.begin() as own:
                codes = confirm_second_factor(
                    own, sealer, here.author, user_id, request.form.get("code", ""), now=now()
                )
                post_mail(second_factor_mail(here.signed_in.email, here.signed_in.name, here.signed_in.locale))
                token = renew_after_second_factor(own, here.signed_in.session_id, now=now())
        except Invalid as error:
            faults = error.faults
        else:
            shown = page("console/account/recovery.html", Audience.CONSOLE, frame=frame(), codes=codes)
            return with_session(shown, token)
    with services().sessions.begin() as own:  # whatever this page answers, what it shows is what a code is asked of
        offer = offered_second_factor if faults else offer_second_factor
        offered = offer(own, sealer, user_id, issuer="Wallet")
    drawn = io.BytesIO()
    segno.make(offered.address, error="m").save(drawn, kind="svg", scale=5, border=2, xmldecl=False, svgns=False)
    labels = {"code": current_reader().gettext("Code")}
    form = Form(CodeDocument, {}, faults, current_reader(), labels)
    return _form_page("console/account/second_factor.html", form, secret=offered.secret, qr=drawn.getvalue().decode())


def remove() -> AnyResponse:
    """Sign in without a second step from now on."""
    here = visit()
    if not here.signed_in.password_is_fresh(now()):
        return _redirect("console.account_password_again", next=request.path)
    if request.method == "GET":
        return page("console/account/remove.html", Audience.CONSOLE, frame=frame())
    remove_second_factor(session(), here.author, here.signed_in.user_id, now=now())
    post_mail(second_factor_mail(here.signed_in.email, here.signed_in.name, here.signed_in.locale, removed=True))
    return _redirect("console.account_account", done="second-factor")


def end_one(session_id: int) -> AnyResponse:
    """End one of one's own sessions."""
    end_session(session(), session_id, user_id=visit().signed_in.user_id, now=now())
    return _redirect("console.account_account", done="session")


def end_others() -> AnyResponse:
    """End every session but this one."""
    signed_in = visit().signed_in
    end_other_sessions(session(), signed_in.session_id, user_id=signed_in.user_id, now=now())
    return _redirect("console.account_account", done="session")


def _form_page(name: str, form: Form, **values: object) -> AnyResponse:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_refused else HTTPStatus.OK
    return page(name, Audience.CONSOLE, status=status, frame=frame(), form=form, refused=form.is_refused, **values)


def _redirect(endpoint: str, **values: Any) -> AnyResponse:
    return redirect(url_for(endpoint, **values), code=HTTPStatus.SEE_OTHER)
