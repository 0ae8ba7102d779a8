"""The Flask application factory: builds the services once, registers the blueprints, closes all in reverse order."""

from __future__ import annotations

import gc
import os
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psycopg
import structlog
from flask import Flask, Response, abort, request
from flask.json.provider import DefaultJSONProvider
from flask_openapi3 import Info, OpenAPI
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from wallet_service.logs import configure_logs, log_uncaught, told_without_values
from wallet_service.parsing import read_json
from wallet_service.services import Services, build_services
from wallet_service.settings import settings_from
from wallet_service.web.api import make_api
from wallet_service.web.api.stores import StoreIdConverter
from wallet_service.web.apple_service import PREFIX as APPLE
from wallet_service.web.apple_service import bare, make_apple_service
from wallet_service.web.assets import read_assets
from wallet_service.web.bodies import refuse_flawed_body
from wallet_service.web.console import make_console
from wallet_service.web.context import EXTENSION
from wallet_service.web.device_middleware import DeviceMiddleware
from wallet_service.web.google_callbacks import make_google_callbacks
from wallet_service.web.landing import make_landing, not_now_page
from wallet_service.web.operations import make_operations
from wallet_service.web.pages import PageSettings, install_pages
from wallet_service.web.problems import Problem, problem, problem_of_http, problem_of_validation
from wallet_service.web.server import Server

log = structlog.get_logger()
_INFO = Info(
    title="Wallet service",
    version="1",
    description="Loyalty cards in Apple Wallet and Google Wallet: issued, kept true, and proved to have arrived.",
)


_DOCS_ASK_NOBODY = {
    "withDefaultFonts": False,
    "showDeveloperTools": "never",
    "telemetry": False,
    "hideClientButton": True,
    "agent": {"disabled": True},
    "mcp": {"disabled": True},
}
"""The docs page comes from this server alone: whoever pastes a key into it tells no third party."""


def create_app(services: Services | None = None) -> Flask:
    """Make the Flask app.

    Args:
        services: what it works with; None builds them from the environment's `WALLET_…` variables.

    Raises:
        SettingsError: a setting is missing or wrong; the message names it.
    """
    if services is None:
        settings = settings_from(os.environ)
        configure_logs(settings.log_format)
        log_uncaught()
        services = build_services(settings)
    app = OpenAPI(
        __name__,
        info=_INFO,
        security_schemes={"key": {"type": "http", "scheme": "bearer", "bearerFormat": "API key"}},
        doc_prefix="/api",
        doc_url="/openapi.json",
        validation_error_model=Problem,
        validation_error_callback=problem_of_validation,
        static_folder=str(Path(__file__).parent / "web" / "static"),
    )
    app.url_map.converters["store"] = StoreIdConverter
    app.url_map.merge_slashes = False  # a phone's //v1/… is answered, never redirected
    app.url_map.strict_slashes = False
    app.extensions[EXTENSION] = services
    app.register_error_handler(HTTPException, _refusal)
    for away in (OperationalError, InterfaceError, PoolTimeout, psycopg.OperationalError):
        app.register_error_handler(away, _database_away)
    app.log_exception = _log_failure  # type: ignore[method-assign]  # Flask's own line names the whole path
    app.json = JsonOfStrangers(app)
    app.before_request(_refuse_unreadable_path)
    app.before_request(refuse_flawed_body)
    app.register_api(make_api())
    _browsable(app)
    pages = PageSettings(
        assets=read_assets(),
        https=services.settings.public_url.startswith("https://"),
        tiles=services.settings.map_tiles,
    )
    install_pages(app, pages)
    for blueprint in (make_apple_service(), make_google_callbacks(), make_landing(), make_operations(), make_console()):
        app.register_blueprint(blueprint)
    app.wsgi_app = DeviceMiddleware(app.wsgi_app, services)  # type: ignore[method-assign]  # Flask's own way of wrapping
    return app


def create_server() -> Server:
    """The app as `serve` runs it; see `web.server`."""
    app = create_app()
    services: Services = app.extensions[EXTENSION]
    # What lives as long as the process is not looked through again at each full collection, which held up one page of a
    # large list in ten by 150 ms.
    gc.collect()
    gc.freeze()
    return Server(app, threads=services.settings.web_threads, body_within_s=services.settings.body_within_s)


class JsonOfStrangers(DefaultJSONProvider):
    """Flask's JSON, read as strictly everywhere as `parsing.read_json` reads it."""

    def loads(self, s: str | bytes, **_kwargs: Any) -> Any:
        """What a request's body says.

        Raises:
            Unreadable, Invalid: as `read_json`.
        """
        return read_json(s)


def _refuse_unreadable_path() -> None:
    """404 for a path with a NUL, which PostgreSQL has not in a text, or one that is not UTF-8, of which several would
    read alike: nothing of ours has such an address.
    """
    if "\0" in request.path or "\ufffd" in request.path:
        abort(404)


def _refusal(error: HTTPException) -> Response | HTTPException:
    """The error response where no blueprint matched, in the shape of the audience. Phones want bare statuses."""
    if request.path.startswith(f"{APPLE}/"):
        return bare(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    if request.path.startswith("/api/"):
        return problem_of_http(error)
    return error


def _database_away(error: Exception) -> Response:
    """The database does not answer: 503 in the shape of the audience."""
    log.warning("database_away", route=_route(), reason=told_without_values(getattr(error, "orig", None) or error))
    if request.path.startswith("/api/"):
        answer = problem(HTTPStatus.SERVICE_UNAVAILABLE, "nothing was kept; send the same request again")
    elif request.path.startswith("/c/"):
        answer = not_now_page()
    elif request.path.startswith((f"{APPLE}/", "/google/")):
        answer = bare(HTTPStatus.SERVICE_UNAVAILABLE)
    else:
        words = "the database does not answer; try again in a moment\n"
        answer = Response(words, status=HTTPStatus.SERVICE_UNAVAILABLE, mimetype="text/plain")
    answer.headers["Retry-After"] = "5"
    return answer


def _log_failure(exc_info: Any) -> None:
    """A bug of ours: the route by its pattern, never the path, which holds a card's link token or a member's id."""
    log.error("request_failed", route=_route(), method=request.method, exc_info=exc_info)


def _route() -> str:
    return request.url_rule.rule if request.url_rule is not None else "no route"


def _browsable(app: Flask) -> None:
    """`/api/docs`: the page of the docs plugin, which serves it at `/api/scalar` with addresses relative to `/api/`."""
    app.config["SCALAR_CONFIG"] = _DOCS_ASK_NOBODY
    app.add_url_rule("/api/docs", "docs", app.view_functions["scalar.scalar"])
