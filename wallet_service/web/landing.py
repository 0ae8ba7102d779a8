"""The smart link of a card: an iPhone gets the pass, Android the save link, a desktop a page with a QR.

Apple, "Distributing and updating a pass"; spec apple-wallet, section 6. Only keys and the database are touched.
"""

from __future__ import annotations

import io
import re
import threading
import time
from collections.abc import Mapping
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
from wallet_service.documents.programs import ProgramDocument
from wallet_service.errors import Erased, NotFound, NotInWallet, SettingsError, Unreachable, WalletServiceError
from wallet_service.metrics import PASSES_SERVED
from wallet_service.storage.tables import Card, Delivery, Member, TemplateVersion
from wallet_service.wallets.apple import devices
from wallet_service.wallets.apple.passes.images import stamps_hero
from wallet_service.web.context import now, services
from wallet_service.web.device_middleware import compose_if_due, pass_headers
from wallet_service.web.phone import Visitor, visitor_of
from wallet_service.web.problems import status_of
from wallet_service.web.words import locale_of_request, words_in

log = structlog.get_logger()
_STAMPS = re.compile(r"stamps-(?P<earned>[0-9]{1,2})-(?P<total>[0-9]{1,2})\.(?P<locale>[A-Za-z-]{2,16})")
_DRAWN: LRUCache[tuple[str, str], bytes] = LRUCache(64)
_DRAWING = threading.Lock()
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


def card_link(link_token: str) -> AnyResponse:
    """The one link for every device."""
    match _visitor():
        case "iphone" if "page" not in request.args:
            return _with_fallback(link_token, "apple")
        case "android" if "page" not in request.args:
            return _with_fallback(link_token, "google")
        case "iphone_app" | "android_app" as visitor:
            return _in_app_page(link_token, android=visitor == "android_app")
        case visitor:
            return _page(link_token, visitor)


def _visitor() -> Visitor:
    headers = request.headers
    purpose = headers.get("Sec-Purpose", headers.get("Purpose", ""))
    return visitor_of(request.user_agent.string, method=request.method, purpose=purpose)


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
    only names it is short and shows no data. Who only looks at the link gets the page: nobody has tapped yet.
    """
    if _visitor() == "robot":
        return _page(link_token, "robot")
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
    return _page(link_token, _visitor())


def _in_app_page(link_token: str, *, android: bool) -> AnyResponse:
    """How to get out of an app's own browser, which cannot add a card."""
    with services().sessions() as db:
        card = _card(db, link_token)
        document = services().program_cache.program(db, card.program_id).document
        template = services().program_cache.template(db, card.template_version_id)
    locale = locale_of_request(document.locales)
    address = services().publisher.card_link(link_token)
    scheme, _, rest = address.partition("://")
    page = render_template(
        "in_app.html",
        locale=locale,
        words=words_in(locale),
        brand=document.brand,
        logo=template.image_path("logo"),
        android=android,
        address=address,
        intent=f"intent://{rest}#Intent;scheme={scheme};action=android.intent.action.VIEW;end",
    )
    return Response(page, headers=_HEADERS)


def _page(link_token: str, visitor: Visitor) -> AnyResponse:
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
        qr=visitor not in ("iphone", "iphone_browser", "android"),
        hint=_hint(document, visitor, words_in(locale), services().publisher.card_link(link_token)),
        on_apple=document.apple is not None and visitor != "android",
        on_google=document.google is not None and visitor not in ("iphone", "iphone_browser", "ipad"),
    )
    return Response(page, headers=_HEADERS)


def _compose_if_due(link_token: str) -> None:
    with services().sessions() as db:
        card_id = _card(db, link_token).id
    compose_if_due(services(), card_id, now())


def _hint(document: ProgramDocument, visitor: Visitor, words: Mapping[str, str], address: str) -> str | None:
    if document.apple is None or visitor == "android":
        return None
    return f"{words['nothing_opens']} {address}" if visitor == "iphone_browser" else words["on_iphone"]


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
    """An HTML page for the visitor, never a broken pass. What is our fault, or Google's, is not put on the link."""
    match error:
        case Erased():
            return _told("erased", status_of(error))
        case NotInWallet():
            return _told("no_wallet", status_of(error))
        case NotFound():
            return _told("nothing_here", status_of(error))
        case SettingsError() | Unreachable():
            log.error("card_not_handed_out", reason=str(error))
            return not_now_page()
        case _:  # a card that cannot be made into a pass
            log.error("card_not_handed_out", reason=str(error))
            return _told("not_now", HTTPStatus.INTERNAL_SERVER_ERROR)


def not_now_page() -> Response:
    """503 for a visitor whose link is right."""
    return _told("not_now", HTTPStatus.SERVICE_UNAVAILABLE)


def _told(what: str, status: HTTPStatus) -> Response:
    locale = locale_of_request(("fr", "en"))
    words = words_in(locale)
    page = render_template("refusal.html", locale=locale, title=words[what], text=words[f"{what}_text"])
    return Response(page, status=status, headers=_HEADERS)
