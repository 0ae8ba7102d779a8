"""WSGI middleware for the two requests that phones make most: the list of changed passes, and the newest pass.

They are most of this service's traffic and mostly answered with nothing (204, 304), so they do not go through Flask,
whose request alone costs twice what the answer does. The same two functions answer behind Flask's routes, for HEAD and
for paths that only a person would write.

Source: Apple, "Get the List of Updatable Passes", "Send an Updated Pass"; spec apple-wallet, 4.4 and 4.5.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import orjson
import structlog
from sqlalchemy.exc import OperationalError
from werkzeug.http import http_date, parse_date

from wallet_service.documents.types import EARLIEST, LATEST
from wallet_service.metrics import PASSES_SERVED
from wallet_service.services import Services
from wallet_service.wallets.apple import devices
from wallet_service.wallets.apple.passes.archive import MIME_TYPE

log = structlog.get_logger()

# Ids of phones are letters, digits and dashes; whatever else stands in the path is Flask's to refuse.
_QUESTION = re.compile(
    r"/apple//?v1/(?:devices/(?P<device>[\w.-]+)/registrations/(?P<listed_type>[\w.-]+)"
    r"|passes/(?P<type>[\w.-]+)/(?P<serial>[\w-]+))",
    re.ASCII,
)
_OUR_DATE = re.compile(r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_SERVED = {status: PASSES_SERVED.labels("web_service", status) for status in ("200", "304")}
_TAG = "passesUpdatedSince"


class Answer(NamedTuple):
    """A response: status, headers, body."""

    status: HTTPStatus
    headers: list[tuple[str, str]]
    body: bytes = b""


_NOTHING_NEW = Answer(HTTPStatus.NO_CONTENT, [])
_NOT_MODIFIED = Answer(HTTPStatus.NOT_MODIFIED, [])
_UNAUTHORIZED = Answer(HTTPStatus.UNAUTHORIZED, [("Content-Length", "0")])


def changed_passes(services: Services, device_library_id: str, pass_type_id: str, tag: str) -> Answer:
    """200 with what is newer than the tag, or 204. A tag that is not ours counts as none."""
    since = int(tag) if tag.isascii() and tag.isdigit() and len(tag) < 19 else 0
    listing = devices.list_changed(
        services.statements, device_library_id, pass_type_id, tag=since, now=services.clock()
    )
    if listing is None:
        return _NOTHING_NEW
    body = orjson.dumps({"serialNumbers": listing.serial_numbers, "lastUpdated": str(listing.tag)})
    return Answer(HTTPStatus.OK, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))], body)


def newest_pass(
    services: Services, pass_type_id: str, serial_number: str, *, authorization: str, modified_since: str | None,
    noting: bool,
) -> Answer:  # fmt: skip
    """The newest pass, 304 if the phone has it, 401 if the token does not open it or there is no such pass.

    Args:
        authorization, modified_since: the request's headers.
        noting: whether the answer counts as a download (a HEAD does not).
    """
    at, token = services.clock(), auth_token_in(authorization)
    if token is None:
        return _UNAUTHORIZED
    since, statements = _date_in(modified_since), services.statements
    requested = devices.requested_pass(statements, pass_type_id, serial_number, token, since=since, now=at)
    if requested is not None and requested.is_due:
        compose_if_due(services, requested.card_id, at)
        requested = devices.requested_pass(statements, pass_type_id, serial_number, token, since=since, now=at)
    if requested is None or requested.modified_at is None:
        return _UNAUTHORIZED
    unchanged = requested.content is None
    body = (
        b"" if unchanged else services.issuer.requested_pass_file(requested, serial_number, services.sessions, now=at)
    )
    if noting:
        if not requested.noted:
            devices.record_fetch(statements, requested.card_id, requested.version, now=at)
        _SERVED["304" if unchanged else "200"].inc()
    if unchanged:
        return _NOT_MODIFIED
    log.info("pass_sent", card_id=requested.card_id, version=requested.version)
    return Answer(
        HTTPStatus.OK, [*pass_headers(body, requested.modified_at), ("Cache-Control", "private, no-cache")], body
    )


def compose_if_due(services: Services, card_id: int, at: datetime) -> None:
    """What an offer that has ended left on the card is taken off before it is served, also where no worker has done so
    yet; a card that cannot be composed is served as it was.
    """
    try:
        with services.sessions.begin() as db:
            services.publisher.publish_if_due(db, card_id, now=at)
    except OperationalError:
        raise
    except Exception:
        log.exception("card_not_composed", card_id=card_id)


def pass_headers(body: bytes, modified_at: datetime | None) -> list[tuple[str, str]]:
    """The exact type, and the date that a phone will ask with."""
    headers = [("Content-Type", MIME_TYPE), ("Content-Length", str(len(body)))]
    return [*headers, ("Last-Modified", http_date(modified_at))] if modified_at is not None else headers


def auth_token_in(authorization: str) -> str | None:
    """The token of `ApplePass <token>`; None for any other header."""
    kind, _, token = authorization.partition(" ")
    return token if kind == "ApplePass" and token else None


def _date_in(header: str | None) -> datetime | None:
    """Phones send back our own `Last-Modified`, always in the one form that HTTP prefers; other forms take longer."""
    if header is None:
        return None
    if (parts := _OUR_DATE.fullmatch(header)) is None:
        try:
            return _in_range(parse_date(header))
        except OverflowError:  # a year that its own offset takes out of the calendar
            return None
    day, month, year, hour, minute, second = parts.groups()
    try:
        date = datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except (ValueError, KeyError):
        return None
    return _in_range(date)


def _in_range(date: datetime | None) -> datetime | None:
    """A date that every zone and PostgreSQL have. We never sent another: it counts as none."""
    try:
        instant = date.astimezone(UTC) if date is not None else None  # PostgreSQL knows no offset of 16 hours
    except OverflowError:
        return None
    return instant if instant is not None and EARLIEST <= instant <= LATEST else None


class DeviceMiddleware:
    """A WSGI app before another: answers the phones' two questions and passes on whatever is not one of them."""

    def __init__(self, behind: WSGIApplication, services: Services) -> None:
        self._behind = behind
        self._services = services

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer, or pass on. What fails here is passed on as well: Flask tells of errors in its own way."""
        if environ["REQUEST_METHOD"] == "GET" and (question := _QUESTION.fullmatch(environ["PATH_INFO"])) is not None:
            try:
                answer = self._answer(question, environ)
            except Exception:
                log.exception("device_middleware_failed")
            else:
                start_response(f"{answer.status.value} {answer.status.phrase}", answer.headers)
                return [answer.body] if answer.body else []
        return self._behind(environ, start_response)

    def _answer(self, question: re.Match[str], environ: dict[str, Any]) -> Answer:
        if (device := question["device"]) is not None:
            return changed_passes(self._services, device, question["listed_type"], _tag_in(environ["QUERY_STRING"]))
        return newest_pass(
            self._services,
            question["type"],
            question["serial"],
            authorization=environ.get("HTTP_AUTHORIZATION", ""),
            modified_since=environ.get("HTTP_IF_MODIFIED_SINCE"),
            noting=True,
        )


def _tag_in(query: str) -> str:
    name, _, tag = query.partition("=")
    if name == _TAG and tag.isascii() and tag.isdigit():
        return tag
    return parse_qs(query).get(_TAG, [""])[0]
