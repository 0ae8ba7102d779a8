"""The JSON API, `/api/v1`: its sign-in, its one transaction for each request, its one shape of refusal."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from flask import Response, current_app, g, request
from flask_openapi3 import APIBlueprint
from sqlalchemy.exc import IntegrityError, OperationalError
from werkzeug.exceptions import HTTPException

from wallet_service.errors import Invalid, Unsupported, WalletServiceError
from wallet_service.web.api import (
    cards,
    deliveries,
    events,
    linked_passes,
    members,
    offer_reports,
    offers,
    overlays,
    stores,
)
from wallet_service.web.api.callers import caller_with, key_in_request, require_scope_of_route
from wallet_service.web.api.unit_of_work import close, finish, note_arrival, replay_known_answer, session
from wallet_service.web.problems import problem, problem_of, problem_of_http

log = structlog.get_logger()
_PROBLEM = {
    "type": "object",
    "required": ["title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "faults": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "message", "code", "values"],
                "properties": {
                    "path": {"type": "string"},
                    "message": {"type": "string"},
                    "code": {"type": "string"},
                    "values": {"type": "object"},
                },
            },
        },
    },
}
"""RFC 9457, written out: a document that is referred to from everywhere has no place of its own in OpenAPI."""
_REFUSALS: dict[Any, Any] = {
    status: {"description": words, "content": {"application/problem+json": {"schema": _PROBLEM}}}
    for status, words in {
        400: "The body is not what its content type says.",
        401: "No key, or a revoked one.",
        403: "The key may not do this.",
        404: "There is no such thing in this programme.",
        405: "The path has other methods.",
        408: "The body did not arrive in time.",
        409: "It contradicts what is there.",
        410: "The request was answered, and the member it was about was erased since.",
        413: "The body is too large.",
        415: "Not a content type that is read here.",
        422: "Wrong input; `faults` names every path.",
        500: "It failed for a reason of ours; the service's log says which.",
        503: "Nothing was kept, and the same request may be sent again, after `Retry-After`.",
    }.items()
}


def make_api() -> APIBlueprint:
    """The API's blueprint, made anew for each app."""
    api = APIBlueprint("api", __name__, url_prefix="/api/v1", abp_security=[{"key": []}], abp_responses=_REFUSALS)
    for resource in (members, events, cards, linked_passes, stores, offers, offer_reports, overlays, deliveries):
        resource.add_routes(api)
    api.before_request(note_arrival)
    api.before_request(_sign_in)
    api.before_request(require_scope_of_route)
    api.before_request(_check_body)
    api.before_request(replay_known_answer)
    api.after_request(finish)
    api.after_request(_keep_nowhere)
    api.teardown_request(close)
    api.register_error_handler(WalletServiceError, problem_of)
    api.register_error_handler(IntegrityError, _in_each_others_way)
    api.register_error_handler(OperationalError, _try_again)
    api.register_error_handler(HTTPException, problem_of_http)
    return api


def _keep_nowhere(response: Response) -> Response:
    """Most answers are about people: no cache on the way keeps one."""
    response.headers["Cache-Control"] = "no-store"
    return response


def _in_each_others_way(error: IntegrityError) -> Response:
    """Two requests made the same thing at once; the database kept the first."""
    return problem(HTTPStatus.CONFLICT, "another request has just made this, in another shape; look, and send it again")


def _try_again(error: OperationalError) -> Response:
    """The database is away, or broke a deadlock at our cost. Nothing was kept: the same request may be sent again."""
    log.warning("request_rolled_back", reason=str(error.orig).splitlines()[0])
    answer = problem(HTTPStatus.SERVICE_UNAVAILABLE, "nothing was kept; send the same request again")
    answer.headers["Retry-After"] = "1"
    return answer


def _sign_in() -> Response | None:
    key = key_in_request()
    found = caller_with(session(), key) if key else None
    if found is None:
        answer = problem(HTTPStatus.UNAUTHORIZED, "send a live API key as: Authorization: Bearer <key>")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    g.caller = found
    return None


def _check_body() -> None:
    """What is no JSON object is named as such, before any model complains about a missing one.

    Raises:
        Unsupported: it is of another content type.
        Unreadable, Invalid: as `read_json`.
    """
    view: Any = current_app.view_functions[request.endpoint or ""]
    if "body" not in view.__annotations__:
        return  # events read their own; the others need none
    if not request.is_json:
        raise Unsupported.at("", "the content type should be application/json", "content_type")
    if not isinstance(request.get_json(), dict):
        raise Invalid.at("", "should be a JSON object", "not_an_object")
