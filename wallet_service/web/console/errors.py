"""What went wrong, as a page in the reader's language."""

from __future__ import annotations

from http import HTTPStatus

from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.errors import Conflict, Erased, Forbidden, NotFound, SettingsError, WalletServiceError
from wallet_service.web.headers import Audience
from wallet_service.web.locale import Lazy, lazy
from wallet_service.web.pages import page
from wallet_service.web.problems import status_of

_TITLES: dict[HTTPStatus, Lazy] = {
    HTTPStatus.FORBIDDEN: lazy("Not allowed"),
    HTTPStatus.NOT_FOUND: lazy("Page not found"),
    HTTPStatus.METHOD_NOT_ALLOWED: lazy("Page not found"),
    HTTPStatus.CONFLICT: lazy("Changed meanwhile"),
    HTTPStatus.GONE: lazy("No longer here"),
    HTTPStatus.TOO_MANY_REQUESTS: lazy("Too many tries"),
    HTTPStatus.SERVICE_UNAVAILABLE: lazy("Not available for a moment"),
}
_FAILED = lazy("Something went wrong")
_NOT_HERE = lazy("This page does not exist, or is not one of your stores’.")


def refusal_page(status: HTTPStatus, reason: Lazy, *, retry_after_s: int | None = None) -> AnyResponse:
    """A page that says why not. `reason` says what the person can do about it."""
    title = _TITLES.get(status, _FAILED)
    answer = page("console/errors/refusal.html", Audience.CONSOLE, status=status, heading=title, reason=reason)
    if retry_after_s is not None:
        answer.headers["Retry-After"] = str(retry_after_s)
    return answer


def page_of_error(error: WalletServiceError) -> AnyResponse:
    """An error of ours. What is the operator's is not told to the person."""
    status = status_of(error)
    match error:
        case Erased():
            return refusal_page(status, lazy("What this page showed was erased."))
        case NotFound():
            return refusal_page(status, _NOT_HERE)
        case Forbidden():
            return refusal_page(status, lazy("You may see this, but not do that. Ask a marketing manager."))
        case Conflict():
            return refusal_page(status, lazy("Somebody changed this meanwhile. Open the page again."))
        case SettingsError():
            return refusal_page(status, lazy("The service is not set up for this yet. Ask who operates it."))
        case _:
            return refusal_page(status, lazy("This was not accepted. Go back and look at what you typed."))


def page_of_http(error: HTTPException) -> AnyResponse:
    """Flask's own refusals: no such page, too large a form."""
    status = HTTPStatus(error.code or 500)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return refusal_page(status, _NOT_HERE)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return refusal_page(status, lazy("This file is too large."))
    return refusal_page(status, lazy("Try again in a moment."))


def page_of_database_away(_error: OperationalError) -> AnyResponse:
    """The database is away: nothing was kept."""
    reason = lazy("Nothing was saved. Try again in a moment.")
    return refusal_page(HTTPStatus.SERVICE_UNAVAILABLE, reason, retry_after_s=5)
