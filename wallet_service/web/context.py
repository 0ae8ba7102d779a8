"""The context of a request: the services of its process and the time."""

from __future__ import annotations

from datetime import datetime

from flask import current_app

from wallet_service.services import Services

EXTENSION = "wallet_service"


def services() -> Services:
    """The services of this process."""
    found: Services = current_app.extensions[EXTENSION]
    return found


def now() -> datetime:
    """The present instant, UTC; asked here and passed down."""
    return services().clock()
