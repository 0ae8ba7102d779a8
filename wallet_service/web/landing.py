"""The smart link of a card: an iPhone gets the pass, Android the save link, a desktop a page with a QR.

Apple, "Distributing and updating a pass"; spec apple-wallet, section 6. Only keys and the database are touched.
"""

from __future__ import annotations

import io
import re
import threading
import time
from http import HTTPStatus
from typing import Literal

import segno
import structlog
from cachetools import LRUCache
from flask import Blueprint, Response, redirect, render_template, request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.cards.content import Stamps
from wallet_service.cards.template import Template
from wallet_service.errors import Erased, NotFound, SettingsError, WalletServiceError
from wallet_service.metrics import PASSES_SERVED
from wallet_service.storage.tables import Card, Delivery, Member, TemplateVersion
from wallet_service.wallets.apple import devices
from wallet_service.wallets.apple.passes.images import stamps_hero
from wallet_service.web.context import now, services
from wallet_service.web.device_middleware import compose_if_due, pass_headers
from wallet_service.web.problems import status_of
from wallet_service.web.words import locale_of_request, words_in

log = structlog.get_logger()
_STAMPS = re.compile(r"stamps-(?P<earned>[0-9]{1,2})-(?P<total>[0-9]{1,2})\.(?P<locale>[A-Za-z-]{2,16})")
_DRAWN: LRUCache[tuple[str, str], bytes] = LRUCache(64)
_DRAWING = threading.Lock()
Phone = Literal["iphone", "android", "other"]
_IN_APP_BROWSERS = ("FBAN", "FBAV", "Instagram", "Line/", "Snapchat", "TikTok", "LinkedInApp")
_WAIT_FOR_GOOGLE_S, _LOOK_EVERY_S = 2.0, 0.05
_WAITERS = threading.BoundedSemaphore(2)
"""How many requests of a process may wait for Google at once: the other threads are for phones and CRMs."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
}


def make_landing() -> Blueprint:
    """The blueprint, under `/c`."""
    blueprint = Blueprint("landing", __name__, url_prefix="/c", template_folder="templates")
    blueprint.add_url_rule("/<link_token>", view_func=card_link)
    blueprint.add_url_rule("/<link_token>/pass.pkpass", view_func=pass_file)
    blueprint.add_url_rule("/<link_token>/google", view_func=google_link)
    blueprint.add_url_rule("/<link_token>/qr.svg", view_func=qr)
    blueprint.add_url_rule("/images/<string(length=16):digest>/<name>.png", view_func=template_image)
    blueprint.register_error_handler(WalletServiceError, _refusal_page)
    return blueprint


def phone_of(user_agent: str) -> Phone:
    """Which wallet a visitor can have, by the browser's own word. A desktop gets the page, and so does an app's browser
    on an iPhone, which cannot add passes.
    """
    if "Android" in user_agent:
        return "android"
    if ("iPhone" in user_agent or "iPad" in user_agent) and not any(app in user_agent for app in _IN_APP_BROWSERS):
        return "iphone"
    return "other"


def card_link(link_token: str) -> AnyResponse:
    """The one link for every device."""
    match phone_of(request.user_agent.string):
        case "iphone":
            return _with_fallback(link_token, "apple")
        case "android":
            return _with_fallback(link_token, "google")
        case "other":
            return _page(link_token)


def pass_file(link_token: str) -> AnyResponse:
    """The signed pass, for a phone that will register soon."""
    _compose_if_due(link_token)
    with services().sessions.begin() as db:
        card = _card(db, link_token)
        body = services().issuer.pass_file(db, card, now=now())
        if request.method == "GET":
            devices.record_link_download(db, card.id, card.version)
            PASSES_SERVED.labels("link", "200").inc()
    headers = _HEADERS | dict(pass_headers(body, card.modified_at))
    return Response(body, headers=headers | {"Content-Disposition": 'attachment; filename="card.pkpass"'})


def google_link(link_token: str) -> AnyResponse:
    """Redirect to Google's save page. The object is asked for first, and given a moment to reach Google: a link that
    only names it is short and shows no data.
    """
    _compose_if_due(link_token)
    with services().sessions.begin() as db:
        card = _card(db, link_token)
        services().issuer.want_on_google(db, card, now=now())
    _wait_for_object(card.id)
    with services().sessions() as db:
        link = services().issuer.google_link(db, card, now=now())
    away = redirect(link, code=HTTPStatus.FOUND)
    away.headers.update(_HEADERS)
    return away


def qr(link_token: str) -> AnyResponse:
    """The smart link as a QR, for a phone held before a desktop's screen."""
    with services().sessions() as db:
        card = _card(db, link_token)
    drawn = io.BytesIO()
    code = segno.make(services().publisher.card_link(card.link_token), error="m")
    code.save(drawn, kind="svg", scale=6, border=3, dark="#1a1a1a", light="#ffffff")
    return Response(drawn.getvalue(), mimetype="image/svg+xml", headers=_HEADERS)


def template_image(digest: str, name: str) -> AnyResponse:
    """A design's image, at an address that changes with it: Google fetches images and may keep them for ever."""
    with services().sessions() as db:
        version_id = db.scalar(
            select(TemplateVersion.id).where(TemplateVersion.digest.startswith(digest, autoescape=True))
        )
        if version_id is None:
            raise NotFound("there is no such design")
        template = services().program_cache.template(db, version_id)
    image = next((png for known, png in template.images.items() if known == name), None) or _stamps_drawn(
        template, name
    )
    if image is None:
        raise NotFound(f"the design has no image {name!r}")
    return Response(image, mimetype="image/png", headers={"Cache-Control": "public, max-age=31536000, immutable"})


def _stamps_drawn(template: Template, name: str) -> bytes | None:
    """A picture of stamps, `stamps-3-10.fr`, made once for each count; None for any other name."""
    spec, match = template.document.stamps, _STAMPS.fullmatch(name)
    if spec is None or match is None:
        return None
    earned, total, locale = int(match["earned"]), int(match["total"]), match["locale"]
    if total != spec.total or earned > total or locale not in template.words:
        return None
    key = (template.digest, name)
    with _DRAWING:  # one at a time: strangers may ask for all of them
        drawn = _DRAWN.get(key)
        if drawn is None:
            drawn = _DRAWN[key] = stamps_hero(template, Stamps(earned=earned, total=total), locale)
    return drawn


def _with_fallback(link_token: str, wallet: Literal["apple", "google"]) -> AnyResponse:
    """The visitor's own wallet, or the page that says where the card can be had."""
    with services().sessions() as db:
        card = _card(db, link_token)
        document = services().program_cache.program(db, card.program_id).document
    if wallet == "apple" and document.apple is not None:
        return pass_file(link_token)
    if wallet == "google" and document.google is not None:
        return redirect(f"{services().publisher.card_link(link_token)}/google", code=HTTPStatus.FOUND)
    return _page(link_token)


def _page(link_token: str) -> AnyResponse:
    with services().sessions() as db:
        card = _card(db, link_token)
        document = services().program_cache.program(db, card.program_id).document
        template = services().program_cache.template(db, card.template_version_id)
    locale = locale_of_request(document.locales)
    page = render_template(
        "landing.html",
        locale=locale,
        words=words_in(locale),
        brand=document.brand,
        program=document.name,
        logo=template.image_path("logo"),
        colours=template.document.colours,
        link=f"/c/{link_token}",
        on_apple=document.apple is not None,
        on_google=document.google is not None,
    )
    return Response(page, headers=_HEADERS)


def _compose_if_due(link_token: str) -> None:
    with services().sessions() as db:
        card_id = _card(db, link_token).id
    compose_if_due(services(), card_id, now())


def _wait_for_object(card_id: int) -> None:
    """Until Google has the object, for a moment at most: the worker inserts it, this only looks."""
    if not _WAITERS.acquire(blocking=False):
        return  # enough threads wait already; the link will carry the card itself
    try:
        deadline = time.monotonic() + _WAIT_FOR_GOOGLE_S
        while not _is_told(card_id) and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)
    finally:
        _WAITERS.release()


def _is_told(card_id: int) -> bool:
    with services().sessions() as db:
        google = (Delivery.card_id == card_id, Delivery.kind == "google")
        return bool(db.scalar(select(Delivery.told_version).where(*google)))


def _card(db: Session, link_token: str) -> Card:
    known = select(Card, Member.erased_at).join(Card.member).where(Card.link_token == link_token)
    found = db.execute(known).one_or_none()
    if found is None:
        raise NotFound("this link leads to no card")
    card, erased_at = found
    if erased_at is not None:
        raise Erased("this card was erased with its member")
    return card


def _refusal_page(error: WalletServiceError) -> AnyResponse:
    """An HTML page for the visitor, never a broken pass. What is the operator's fault is not put on the link."""
    if isinstance(error, SettingsError):
        log.error("card_not_handed_out", reason=str(error))
        return not_now_page()
    return _told("erased" if isinstance(error, Erased) else "nothing_here", status_of(error))


def not_now_page() -> Response:
    """503 for a visitor whose link is right."""
    return _told("not_now", HTTPStatus.SERVICE_UNAVAILABLE)


def _told(what: str, status: HTTPStatus) -> Response:
    locale = locale_of_request(("fr", "en"))
    words = words_in(locale)
    page = render_template("refusal.html", locale=locale, title=words[what], text=words[f"{what}_text"])
    return Response(page, status=status, headers=_HEADERS)
