"""Apple's web service, which phones call. Apple, "Adding a Web Service to Update Passes"; spec apple-wallet, section 4.

Bare statuses, no cookies, no redirects. What changed? carries no authorization: the device id is the secret.
"""

from __future__ import annotations

import re
from http import HTTPStatus

import structlog
from flask import Blueprint, Response, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from wallet_service.cards.publishing import Cause
from wallet_service.errors import Invalid
from wallet_service.metrics import DEVICE_REPORTS
from wallet_service.parsing import read_json
from wallet_service.storage.tables import Card, Device, Registration
from wallet_service.wallets.apple import devices
from wallet_service.wallets.apple.device_logs import keep_reports, read_report
from wallet_service.wallets.apple.sign_up import nameless_card, read_sign_up, store_answers
from wallet_service.web.context import now, services
from wallet_service.web.device_middleware import Answer, auth_token_in, changed_passes, newest_pass

log = structlog.get_logger()
LARGEST_LOG_BYTES, MOST_LOG_MESSAGES, LONGEST_LOG_MESSAGE = 64 * 1024, 100, 1000
MOST_DEVICES = 100
"""Of one card: a family has fewer, and each is told of each change."""
_DEVICE_ID = re.compile(r"[\w.-]{1,255}", re.ASCII)
PREFIX = "/apple"
_REGISTRATION = "/devices/<device_library_id>/registrations/<pass_type_id>/<serial_number>"
_LISTING = "/devices/<device_library_id>/registrations/<pass_type_id>"
_NEWEST = "/passes/<pass_type_id>/<serial_number>"
_SIGN_UP = f"{_NEWEST}/personalize"


def make_apple_service() -> Blueprint:
    """The blueprint, under `/apple`. A phone that was given a base with a slash at its end asks for `//v1`."""
    blueprint = Blueprint("apple", __name__)  # a prefix of Flask's would fold the two slashes into one
    for version in (f"{PREFIX}/v1", f"{PREFIX}//v1"):
        blueprint.add_url_rule(version + _REGISTRATION, f"register{version}", register, methods=["POST"])
        blueprint.add_url_rule(version + _REGISTRATION, f"unregister{version}", unregister, methods=["DELETE"])
        blueprint.add_url_rule(version + _LISTING, f"list{version}", list_changed, methods=["GET"])
        blueprint.add_url_rule(version + _NEWEST, f"pass{version}", send_pass, methods=["GET"])
        blueprint.add_url_rule(
            f"{version}{_NEWEST}/personalize", f"personalize{version}", personalize, methods=["POST"]
        )
        blueprint.add_url_rule(version + "/log", f"log{version}", take_log, methods=["POST"])
    return blueprint


def bare(status: int) -> Response:
    """A status alone. Without a body there is nothing that a content type could be of."""
    response = Response(status=status)
    del response.headers["Content-Type"]
    return response


def register(device_library_id: str, pass_type_id: str, serial_number: str) -> Response:
    """201 for a new registration, 200 for a known one; the push token is replaced either way."""
    with services().sessions.begin() as db:
        card = _card(db, pass_type_id, serial_number)
        if card is None:
            return bare(HTTPStatus.UNAUTHORIZED)
        push_token = _push_token()
        if push_token is None or not _DEVICE_ID.fullmatch(device_library_id):
            return bare(HTTPStatus.BAD_REQUEST)
        if _is_full(db, card, device_library_id):
            log.warning("registration_refused", card_id=card.id, reason="too many devices")
            return bare(HTTPStatus.BAD_REQUEST)
        pacing = services().publisher.pacing
        created = devices.register(db, card, device_library_id, push_token, pacing=pacing, now=now())
        log.info("registered", card_id=card.id, new=created)
    return bare(HTTPStatus.CREATED if created else HTTPStatus.OK)


def unregister(device_library_id: str, pass_type_id: str, serial_number: str) -> Response:
    """200 whether or not there was a registration."""
    with services().sessions.begin() as db:
        card = _card(db, pass_type_id, serial_number)
        if card is None:
            return bare(HTTPStatus.UNAUTHORIZED)
        removed = devices.unregister(db, card, device_library_id, now=now())
        log.info("unregistered", card_id=card.id, known=removed)
    return bare(HTTPStatus.OK)


def list_changed(device_library_id: str, pass_type_id: str) -> Response:
    """What changed since the tag; see `device_middleware`."""
    tag = request.args.get("passesUpdatedSince", "")
    return _response(changed_passes(services(), device_library_id, pass_type_id, tag))


def send_pass(pass_type_id: str, serial_number: str) -> Response:
    """The newest pass; see `device_middleware`."""
    headers = request.headers
    return _response(
        newest_pass(
            services(),
            pass_type_id,
            serial_number,
            authorization=headers.get("Authorization", ""),
            modified_since=headers.get("If-Modified-Since"),
            noting=request.method == "GET",
        )
    )


def _response(answer: Answer) -> Response:
    response = bare(answer.status)
    response.headers.extend(answer.headers)
    response.set_data(answer.body)
    return response


def take_log() -> Response:
    """200, always. Messages are counted and logged without the ids that they contain."""
    messages = _log_messages()
    DEVICE_REPORTS.inc(len(messages))
    reports = [read_report(message) for message in messages]
    for report in reports:
        log.warning("device_report", task=report.task, error=report.error)
    if any(report.serial_number for report in reports):
        with services().sessions.begin() as db:
            keep_reports(db, reports, now=now())
    return bare(HTTPStatus.OK)


def personalize(pass_type_id: str, serial_number: str) -> Response:
    """A member's answer to Wallet's sign-up form: kept, and the phone's token signed. 401 once the card has a name."""
    told = read_sign_up(request.stream.read(LARGEST_LOG_BYTES))
    if told is None:
        return bare(HTTPStatus.BAD_REQUEST)
    at = now()
    with services().sessions.begin() as db:
        card = nameless_card(db, pass_type_id, serial_number)
        program = services().program_cache.program(db, card.program_id) if card is not None else None
        if card is None or program is None or program.document.apple is None or not program.document.apple.sign_up:
            return bare(HTTPStatus.UNAUTHORIZED)
        signature = services().issuer.signature(db, card.program_id, told.personalizationToken.encode("utf-8"), now=at)
        store_answers(card.member, told.requiredPersonalizationInfo, now=at)
        services().publisher.publish(db, program, card.member.cards, Cause("wallet sign-up", at), now=at)
        log.info("signed_up", card_id=card.id)
    return Response(signature, content_type="application/octet-stream")


def _log_messages() -> list[str]:
    body = request.stream.read(LARGEST_LOG_BYTES + 1)
    if len(body) > LARGEST_LOG_BYTES:
        return []
    try:
        document = read_json(body)
    except Invalid:
        return []
    messages = document.get("logs") if isinstance(document, dict) else None
    if not isinstance(messages, list):
        return []
    return [message[:LONGEST_LOG_MESSAGE] for message in messages[:MOST_LOG_MESSAGES] if isinstance(message, str)]


def _card(db: Session, pass_type_id: str, serial_number: str) -> Card | None:
    """The card that the request's token opens. The header's shape is looked at before the database."""
    token = auth_token_in(request.headers.get("Authorization", ""))
    return devices.card_for(db, pass_type_id, serial_number, token) if token else None


def _is_full(db: Session, card: Card, device_library_id: str) -> bool:
    """Whether a card has as many devices as it may, and this is none of them."""
    theirs = select(Device.device_library_id).join(Registration, Registration.device_id == Device.id)
    known = db.scalars(theirs.where(Registration.card_id == card.id).limit(MOST_DEVICES)).all()
    return len(known) >= MOST_DEVICES and device_library_id not in known


def _push_token() -> str | None:
    try:
        document = read_json(request.stream.read(LARGEST_LOG_BYTES))
    except Invalid:
        return None
    token = document.get("pushToken") if isinstance(document, dict) else None
    return token if isinstance(token, str) and 0 < len(token) <= 512 and token.isalnum() else None
