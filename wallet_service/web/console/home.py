"""Home: what goes on, and what waits for somebody, by role."""

from __future__ import annotations

from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access.roles import Permission
from wallet_service.web.console.gate import Console
from wallet_service.web.console.navigation import frame
from wallet_service.web.headers import Audience
from wallet_service.web.pages import page


def add_pages(console: Console) -> None:
    """Register the pages."""
    console.page("/", home, needs=Permission.STORES_READ)


def home() -> AnyResponse:
    """The first page after signing in."""
    return page("console/home/home.html", Audience.CONSOLE, frame=frame("console.home_home"))
