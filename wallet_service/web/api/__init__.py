"""The JSON API, `/api/v1`: its sign-in, its one transaction for each request, its one shape of refusal."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Response, g, request
from flask_openapi3 import APIBlueprint
from werkzeug.exceptions import HTTPException

from wallet_service.errors import Invalid, WalletServiceError
from wallet_service.web.api import cards, deliveries, events, members, offers, stores
from wallet_service.web.api.callers import caller_with, key_in_request
from wallet_service.web.api.unit_of_work import close, finish, note_arrival, replay_known_answer, session
from wallet_service.web.problems import problem, problem_of, problem_of_http

LARGEST_BODY = 16 * 1024 * 1024
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
                "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
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
        409: "It contradicts what is there.",
        413: "The body is too large.",
        415: "Not a content type that is read here.",
        422: "Wrong input; `faults` names every path.",
    }.items()
}


def make_api() -> APIBlueprint:
    """The API's blueprint, made anew for each app."""
    api = APIBlueprint("api", __name__, url_prefix="/api/v1", abp_security=[{"key": []}], abp_responses=_REFUSALS)
    for room in (members, events, cards, stores, offers, deliveries):
        room.add_routes(api)
    api.before_request(note_arrival)
    api.before_request(_sign_in)
    api.before_request(_check_json)
    api.before_request(replay_known_answer)
    api.after_request(finish)
    api.teardown_request(close)
    api.register_error_handler(WalletServiceError, problem_of)
    api.register_error_handler(HTTPException, problem_of_http)
    return api


def _sign_in() -> Response | None:
    key = key_in_request()
    found = caller_with(session(), key) if key else None
    if found is None:
        answer = problem(HTTPStatus.UNAUTHORIZED, "send a live API key as: Authorization: Bearer <key>")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    g.caller = found
    return None


def _check_json() -> Response | None:
    """Malformed JSON is named as such, before any model complains about a missing object."""
    request.max_content_length = LARGEST_BODY
    if request.is_json and request.get_data(cache=True):
        try:
            request.get_json()
        except HTTPException:
            return problem(HTTPStatus.BAD_REQUEST, "the body is not JSON", Invalid.at("", "is not JSON").faults)
    return None
