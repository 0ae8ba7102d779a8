"""How large a request's body may be, by the path that it is sent to, and what is said of one that cannot be taken."""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from flask import abort, request

KIB, MIB = 1024, 1024 * 1024
LARGEST: tuple[tuple[str, int], ...] = (
    ("/api/v1/events", 16 * MIB),  # a thousand events
    ("/api/", 2 * MIB),
    ("/apple/", 64 * KIB),
    ("/google/", 64 * KIB),
)
"""The first prefix that fits counts."""
LARGEST_FILES = 40 * MIB
"""What staff bring to the console as files; the pages that read them say how much of it they take."""
LARGEST_PICTURES = 8 * MIB
"""The form of an overlay, with its pictures."""
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
    if path.startswith("/console/") and path.endswith("/import"):
        return LARGEST_FILES
    if path.startswith("/console/") and "/overlays/" in path:
        return LARGEST_PICTURES
    return next((limit for prefix, limit in LARGEST if path.startswith(prefix)), LARGEST_ELSEWHERE)


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
