"""The only table from our errors to HTTP. For the JSON API: problem+json, RFC 9457, with a field path for every
fault.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson
from flask import Response
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException

from wallet_service.errors import (
    Conflict,
    Erased,
    Fault,
    Forbidden,
    Invalid,
    NotFound,
    SettingsError,
    Unreachable,
    Unreadable,
    Unsupported,
    WalletServiceError,
)
from wallet_service.parsing import faults_of

_STATUS: dict[type[WalletServiceError], HTTPStatus] = {
    Unreadable: HTTPStatus.BAD_REQUEST,  # before its parent: the first that fits is taken
    Unsupported: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Invalid: HTTPStatus.UNPROCESSABLE_ENTITY,
    Erased: HTTPStatus.GONE,
    NotFound: HTTPStatus.NOT_FOUND,
    Forbidden: HTTPStatus.FORBIDDEN,
    Conflict: HTTPStatus.CONFLICT,
    SettingsError: HTTPStatus.INTERNAL_SERVER_ERROR,
    Unreachable: HTTPStatus.SERVICE_UNAVAILABLE,
}


class FaultModel(BaseModel):
    """One wrong place in the request. `code` says what is wrong to a program, `values` what fills the sentence."""

    path: str
    message: str
    code: str
    values: dict[str, Any]


class Problem(BaseModel):
    """RFC 9457. `faults` names every wrong place by its path."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    faults: list[FaultModel] = []


def status_of(error: WalletServiceError) -> HTTPStatus:
    """The HTTP status that an error of ours becomes."""
    return next(status for kind, status in _STATUS.items() if isinstance(error, kind))


def problem(status: HTTPStatus, detail: str = "", faults: tuple[Fault, ...] = ()) -> Response:
    """A problem+json answer."""
    body: dict[str, Any] = {"type": "about:blank", "title": status.phrase, "status": status.value}
    if detail:
        body["detail"] = detail
    if faults:
        body["faults"] = [fault.as_json() for fault in faults]
    return Response(orjson.dumps(body), status=status.value, mimetype="application/problem+json")


def problem_of(error: WalletServiceError) -> Response:
    """An error of ours as problem+json. What is the operator's is not told to the caller."""
    if isinstance(error, SettingsError):
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the service is not configured for this; its log says why")
    return problem(status_of(error), str(error), error.faults if isinstance(error, Invalid) else ())


def problem_of_validation(error: ValidationError) -> Response:
    """A request that does not fit its model."""
    return problem_of(Invalid(*faults_of(error)))


def problem_of_http(error: HTTPException) -> Response:
    """Flask's own refusals (no such path, wrong method, body too large) in the same shape."""
    answer = problem(HTTPStatus(error.code or 500), error.description or "")
    if error.get_response().headers.get("Allow"):
        answer.headers["Allow"] = error.get_response().headers["Allow"]
    return answer
