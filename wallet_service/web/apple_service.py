"""The web service that phones call. Apple, "Adding a Web Service to Update Passes"; spec apple-wallet, section 4.

Bare statuses, no cookies, no redirects. What changed? carries no authorization: the device id is the secret.
"""

from __future__ import annotations

from http import HTTPStatus

import orjson
import structlog
from flask import Blueprint, Response, request
from sqlalchemy.orm import Session
from werkzeug.http import http_date, parse_date

from wallet_service.metrics import DEVICE_REPORTS, PASSES_SERVED
from wallet_service.storage.tables import Card
from wallet_service.wallets.apple import devices
from wallet_service.wallets.apple.bundle import MIME_TYPE
from wallet_service.web.context import now, services

log = structlog.get_logger()
LARGEST_LOG_BYTES, MOST_LOG_MESSAGES, LONGEST_LOG_MESSAGE = 64 * 1024, 100, 1000
PREFIX = "/apple"
_REGISTRATION = "/devices/<device_library_id>/registrations/<pass_type_id>/<serial_number>"
_LISTING = "/devices/<device_library_id>/registrations/<pass_type_id>"
_NEWEST = "/passes/<pass_type_id>/<serial_number>"


def make_apple_service() -> Blueprint:
    """The blueprint, under `/apple`. A phone that was given a base with a slash at its end asks for `//v1`."""
    blueprint = Blueprint("apple", __name__)  # a prefix of Flask's would fold the two slashes into one
    for version in (f"{PREFIX}/v1", f"{PREFIX}//v1"):
        blueprint.add_url_rule(version + _REGISTRATION, f"register{version}", register, methods=["POST"])
        blueprint.add_url_rule(version + _REGISTRATION, f"unregister{version}", unregister, methods=["DELETE"])
        blueprint.add_url_rule(version + _LISTING, f"list{version}", list_changed, methods=["GET"])
        blueprint.add_url_rule(version + _NEWEST, f"pass{version}", send_pass, methods=["GET"])
        blueprint.add_url_rule(version + "/log", f"log{version}", take_log, methods=["POST"])
    return blueprint


def register(device_library_id: str, pass_type_id: str, serial_number: str) -> Response:
    """201 for a new registration, 200 for a known one; the push token is replaced either way."""
    with services().sessions.begin() as db:
        card = _card(db, pass_type_id, serial_number)
        if card is None:
            return Response(status=HTTPStatus.UNAUTHORIZED)
        push_token = _push_token()
        if push_token is None:
            return Response(status=HTTPStatus.BAD_REQUEST)
        created = devices.register(db, card, device_library_id, push_token, now=now())
        log.info("registered", card_id=card.id, new=created)
    return Response(status=HTTPStatus.CREATED if created else HTTPStatus.OK)


def unregister(device_library_id: str, pass_type_id: str, serial_number: str) -> Response:
    """200 whether or not there was a registration."""
    with services().sessions.begin() as db:
        card = _card(db, pass_type_id, serial_number)
        if card is None:
            return Response(status=HTTPStatus.UNAUTHORIZED)
        removed = devices.unregister(db, card, device_library_id)
        log.info("unregistered", card_id=card.id, known=removed)
    return Response(status=HTTPStatus.OK)


def list_changed(device_library_id: str, pass_type_id: str) -> Response:
    """200 with what is newer than the tag, or 204. A tag that is not ours counts as none."""
    tag = request.args.get("passesUpdatedSince", "")
    since = int(tag) if tag.isascii() and tag.isdigit() and len(tag) < 19 else 0
    with services().sessions.begin() as db:
        listing = devices.list_changed(db, device_library_id, pass_type_id, tag=since, now=now())
    if listing is None:
        return Response(status=HTTPStatus.NO_CONTENT)
    body = {"serialNumbers": listing.serial_numbers, "lastUpdated": str(listing.tag)}
    return Response(orjson.dumps(body), mimetype="application/json")


def send_pass(pass_type_id: str, serial_number: str) -> Response:
    """The newest pass, or 304 if the phone has it."""
    with services().sessions.begin() as db:
        card = _card(db, pass_type_id, serial_number)
        if card is None or card.modified_at is None:
            return Response(status=HTTPStatus.UNAUTHORIZED)
        since = parse_date(request.headers.get("If-Modified-Since"))
        unchanged = since is not None and card.modified_at <= since
        if request.method == "GET":
            devices.fetched(db, card.id, card.version, now=now())
            PASSES_SERVED.labels("web_service", "304" if unchanged else "200").inc()
        if unchanged:
            return Response(status=HTTPStatus.NOT_MODIFIED)
        body = services().issuer.pass_file(db, card, now=now())
        log.info("pass_sent", card_id=card.id, version=card.version)
    return pass_response(body, card, {"Cache-Control": "private, no-cache"})


def pass_response(body: bytes, card: Card, headers: dict[str, str]) -> Response:
    """A `.pkpass` with the exact type and the date that a phone will ask with."""
    response = Response(body, content_type=MIME_TYPE, headers=headers)
    if card.modified_at is not None:
        response.headers["Last-Modified"] = http_date(card.modified_at)
    return response


def take_log() -> Response:
    """200, always. Messages are counted and logged without the ids that they contain."""
    messages = _log_messages()
    DEVICE_REPORTS.inc(len(messages))
    for message in messages:
        kind, _, error = message.partition("encountered error:")
        log.warning("device_report", task=_task_of(kind), error=error.strip()[:200])
    return Response(status=HTTPStatus.OK)


def _log_messages() -> list[str]:
    body = request.stream.read(LARGEST_LOG_BYTES + 1)
    if len(body) > LARGEST_LOG_BYTES:
        return []
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    messages = document.get("logs") if isinstance(document, dict) else None
    if not isinstance(messages, list):
        return []
    return [message[:LONGEST_LOG_MESSAGE] for message in messages[:MOST_LOG_MESSAGES] if isinstance(message, str)]


def _task_of(text: str) -> str:
    return next((task for task in ("Unregister", "Register", "Get serial", "Get pass") if f"{task} " in text), "other")


def _card(db: Session, pass_type_id: str, serial_number: str) -> Card | None:
    """The card that the request's token opens. The header's shape is looked at before the database."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind != "ApplePass" or not token:
        return None
    return devices.card_for(db, pass_type_id, serial_number, token)


def _push_token() -> str | None:
    document = request.get_json(force=True, silent=True)
    token = document.get("pushToken") if isinstance(document, dict) else None
    return token if isinstance(token, str) and 0 < len(token) <= 512 and token.isalnum() else None
