"""Who calls the JSON API, read from the request; the keys themselves are in `access.api_keys`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import current_app, g, request

from wallet_service.access.api_keys import Caller as Caller
from wallet_service.access.api_keys import caller_with as caller_with
from wallet_service.access.api_keys import create_key as create_key
from wallet_service.access.roles import Scope

View = TypeVar("View", bound=Callable[..., Any])


def needs(scope: Scope) -> Callable[[View], View]:
    """Mark a route with the scope that it needs. It is looked at before the body is: see `require_scope_of_route`."""

    def mark(view: View) -> View:
        view.scope = scope  # type: ignore[attr-defined]  # Flask keeps a view's attributes, as `functools.wraps` does
        return view

    return mark


def require_scope_of_route() -> None:
    """Refuse a caller whose key was not made for the route.

    Raises:
        Forbidden: the key lacks the scope.
    """
    view: Any = current_app.view_functions[request.endpoint or ""]
    caller().require(view.scope)


def key_in_request() -> str | None:
    """The bearer key, if the request carries one."""
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" and key.strip() else None


def caller() -> Caller:
    """The caller of this request, once signed in."""
    found: Caller = g.caller
    return found
