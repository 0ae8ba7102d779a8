"""How large a request's body may be, by the path that it is sent to, and what is said of one that cannot be taken."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Literal

from flask import abort, request

KIB, MIB = 1024, 1024 * 1024
LARGEST: tuple[tuple[re.Pattern[str], int], ...] = (
    (re.compile(r"/apple/"), 64 * KIB),
    (re.compile(r"/google/"), 64 * KIB),
    (re.compile(r"/api/v1/events"), 16 * MIB),  # a thousand events
    (re.compile(r"/api/"), 2 * MIB),
    (re.compile(r"(?s)/console/(.*/)?import\Z"), 40 * MIB),  # a file that staff bring; its page says how much it takes
    (re.compile(r"(?s)/console/(.*/)?overlays/"), 8 * MIB),  # a form with its pictures
)
"""The first that the path begins with counts."""
LARGEST_ELSEWHERE = 1 * MIB
FLAW = "wallet_service.body_flaw"
"""In the WSGI environment: why the server gives no body, though there is one."""
Flaw = Literal["late", "too_large", "incomplete", "busy"]
_STATUS: dict[Flaw, HTTPStatus] = {
    "late": HTTPStatus.REQUEST_TIMEOUT,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "incomplete": HTTPStatus.BAD_REQUEST,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
}


def largest_body(path: str) -> int:
    """Bytes."""
    return next((limit for begins, limit in LARGEST if begins.match(path)), LARGEST_ELSEWHERE)


def refuse_flawed_body() -> None:
    """Before anything of a request is looked at: 413 for a body that is too large, without reading it, and so on."""
    flaw: Flaw | None = request.environ.get(FLAW)
    limit = largest_body(request.path)
    if not request.path.endswith("/v1/log"):
        request.max_content_length = limit
    if flaw is None and (request.content_length or 0) > limit:
        flaw = "too_large"
    if flaw is not None and not request.path.endswith("/v1/log"):  # which takes everything, and reads the beginning
        abort(_STATUS[flaw])
