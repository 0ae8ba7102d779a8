"""Who calls the JSON API, read from the request; the keys themselves are in `access.api_keys`."""

from __future__ import annotations

from flask import g, request

from wallet_service.access.api_keys import Caller as Caller
from wallet_service.access.api_keys import caller_with as caller_with
from wallet_service.access.api_keys import create_key as create_key


def key_in_request() -> str | None:
    """The bearer key, if the request carries one."""
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" and key.strip() else None


def caller() -> Caller:
    """The caller of this request, once signed in."""
    found: Caller = g.caller
    return found
