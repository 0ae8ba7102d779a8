"""Signing in and out: password, second factor, a forgotten password, and the one-time links that mails carry.

Links only show a page when they are opened; their button acts (mail scanners open every link).
"""

from __future__ import annotations

import math
from http import HTTPStatus

from flask import redirect, request, url_for
from pydantic import Field
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access import throttle
from wallet_service.access.links import accept_link, link_address, look_at_link, reset_link
from wallet_service.access.networks import client_address, network_of
from wallet_service.access.roles import Author
from wallet_service.access.sessions import end_session
from wallet_service.access.signing_in import Wait, Welcome, Wrong
from wallet_service.errors import Fault, Invalid, NotFound
from wallet_service.mail.message import MailMessage
from wallet_service.values import Value
from wallet_service.web.console.errors import refusal_page
from wallet_service.web.console.gate import Console, cookie_name, with_session
from wallet_service.web.console.mails import reset_mail, too_many_tries_mail
from wallet_service.web.console.visit import visit
from wallet_service.web.context import now, services
from wallet_service.web.forms import Form
from wallet_service.web.headers import Audience
from wallet_service.web.locale import lazy, nlazy
from wallet_service.web.origin import own_path
from wallet_service.web.pages import current_reader, page

_ANYBODY = Author("system", None, "sign-in page")


class SignInDocument(Value):
    """What the sign-in page asks."""

    email: str = Field(max_length=254)
    password: str = Field(max_length=1024)


class CodeDocument(Value):
    """The second factor."""

    code: str = Field(max_length=64)


class EmailDocument(Value):
    """Whose password was forgotten."""

    email: str = Field(max_length=254)


class NewPasswordDocument(Value):
    """A new password, typed once: it can be shown."""

    password: str = Field(min_length=12, max_length=256)


def add_pages(console: Console) -> None:
    """Register the pages."""
    console.public_page("/sign-in", sign_in, methods=("GET", "POST"))
    console.public_page("/forgotten", forgotten, methods=("GET", "POST"))
    console.public_page("/invitation/<token>", invitation, methods=("GET", "POST"))
    console.public_page("/reset/<token>", reset, methods=("GET", "POST"))
    console.person_page("/second-factor", second_factor, methods=("GET", "POST"), before_second_factor=True)
    console.person_page("/sign-out", sign_out, methods=("POST",), before_second_factor=True)
    console.person_page("/", start)


def sign_in() -> AnyResponse:
    """E-mail and password; then to where the person wanted to go."""
    if request.method == "GET":
        return _sign_in_page()
    outcome = services().sign_in.sign_in(
        request.form.get("email", ""),
        request.form.get("password", ""),
        network=_network(),
        agent=request.user_agent.string,
        former_token=request.cookies.get(cookie_name()),
        now=now(),
    )
    match outcome:
        case Welcome(token=token):
            return with_session(redirect(next_address(), code=HTTPStatus.SEE_OTHER), token)
        case Wait(tell=recipient):
            if recipient is not None:
                post_mail(too_many_tries_mail(recipient.email, recipient.name, recipient.locale))
            return wait_page(outcome)
        case Wrong():
            return _sign_in_page(Fault("", "wrong address or password", "wrong_credentials"))


def _sign_in_page(*faults: Fault) -> AnyResponse:
    labels = {"email": current_reader().gettext("E-mail"), "password": current_reader().gettext("Password")}
    return page(
        "console/sign_in/sign_in.html",
        Audience.CONSOLE,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        form=Form(SignInDocument, {"email": [request.form.get("email", "")]}, faults, current_reader(), labels),
        next=next_address(),
        ended="next" in request.args,
        kept="kept" in request.args,
        refused=bool(faults),
    )


def second_factor() -> AnyResponse:
    """The code of the person's app, or a recovery code."""
    faults: tuple[Fault, ...] = ()
    if request.method == "POST":
        outcome = services().sign_in.enter_code(visit().signed_in, request.form.get("code", ""), now=now())
        if isinstance(outcome, Welcome):
            return with_session(redirect(next_address(), code=HTTPStatus.SEE_OTHER), outcome.token)
        if isinstance(outcome, Wait):
            return wait_page(outcome)
        faults = (Fault("code", "is not the code that the app shows now", "wrong_code"),)
    labels = {"code": current_reader().gettext("Code")}
    return page(
        "console/sign_in/second_factor.html",
        Audience.CONSOLE,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        form=Form(CodeDocument, {}, faults, current_reader(), labels),
        next=next_address(),
        refused=bool(faults),
    )


def sign_out() -> AnyResponse:
    """End this session."""
    signed_in = visit().signed_in
    with services().sessions.begin() as db:
        end_session(db, signed_in.session_id, user_id=signed_in.user_id, now=now())
    return with_session(redirect(url_for("console.sign_in_sign_in"), code=HTTPStatus.SEE_OTHER), None)


def start() -> AnyResponse:
    """To the home of the person's first programme."""
    first = min(visit().signed_in.actors)
    return redirect(url_for("console.home_home", program_id=first), code=HTTPStatus.SEE_OTHER)


def forgotten() -> AnyResponse:
    """Ask for a link to a new password: the same answer for everybody, and the mail is never sent in the request."""
    if request.method == "GET":
        labels = {"email": current_reader().gettext("E-mail")}
        form = Form(EmailDocument, {}, (), current_reader(), labels)
        return page("console/sign_in/forgotten.html", Audience.CONSOLE, form=form)
    if not services().outbox.can_send:
        return refusal_page(
            HTTPStatus.SERVICE_UNAVAILABLE, lazy("No mail can be sent from here. Ask who operates the console.")
        )
    email = request.form.get("email", "").strip().lower()
    with services().sessions.begin() as db:  # of a limit that is reached nothing is said either
        allowed = throttle.take_of(db, services().digester, throttle.RESET_BY_ADDRESS, email, now=now()).is_allowed
    with services().sessions.begin() as db:
        made = reset_link(db, _ANYBODY, email, now=now()) if allowed else None
        if made is not None:
            link, token = made
            address = link_address(services().settings.public_url, "reset", token)
            services().outbox.post(db, reset_mail(link.email, link.name, link.locale, address), now=now())
    return page("console/sign_in/sent.html", Audience.CONSOLE)


def invitation(token: str) -> AnyResponse:
    """Choose a first password."""
    return _new_password(token, current_reader().gettext("Welcome"))


def reset(token: str) -> AnyResponse:
    """Choose a new password."""
    return _new_password(token, current_reader().gettext("Choose a new password"))


def _new_password(token: str, heading: str) -> AnyResponse:
    with services().sessions() as db:
        link = look_at_link(db, token, now=now())
    if link is None:
        return refusal_page(HTTPStatus.GONE, lazy("This link was used, or is too old. Ask for a new one."))
    faults: tuple[Fault, ...] = ()
    if request.method == "POST":
        try:
            with services().sessions.begin() as db:
                accept_link(db, services().passwords, token, request.form.get("password", ""), now=now())
                services().sign_in.forget_tries(db, link.email, network=_network())
        except Invalid as error:
            faults = error.faults
        except NotFound:
            return refusal_page(HTTPStatus.GONE, lazy("This link was used, or is too old. Ask for a new one."))
        else:
            return redirect(url_for("console.sign_in_sign_in"), code=HTTPStatus.SEE_OTHER)
    labels = {"password": current_reader().gettext("Password")}
    return page(
        "console/sign_in/new_password.html",
        Audience.CONSOLE,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        form=Form(NewPasswordDocument, {}, faults, current_reader(), labels),
        heading=heading,
        email=link.email,
        refused=bool(faults),
    )


def wait_page(outcome: Wait) -> AnyResponse:
    """Too many tries: for how long to wait, in words."""
    minutes = max(1, math.ceil(outcome.wait.total_seconds() / 60))
    words = nlazy(
        "Too many tries. Try again in %(num)s minute.", "Too many tries. Try again in %(num)s minutes.", minutes
    )
    return refusal_page(HTTPStatus.TOO_MANY_REQUESTS, words, retry_after_s=math.ceil(outcome.wait.total_seconds()))


def next_address() -> str:
    """Where to go after this, a path of this site only."""
    return own_path(request.values.get("next"), url_for("console.sign_in_start"))


def _network() -> str:
    trusted = services().settings.trusted_proxies
    peer = request.remote_addr or ""
    return network_of(client_address(peer, request.headers.get("X-Forwarded-For", ""), trusted))


def post_mail(message: MailMessage) -> None:
    """Send a mail, where mail can be sent at all."""
    if services().outbox.can_send:
        with services().sessions.begin() as db:
            services().outbox.post(db, message, now=now())
