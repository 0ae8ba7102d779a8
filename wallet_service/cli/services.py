"""Settings and services for commands: opened before the work, closed after."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from wallet_service.logs import configure_logs
from wallet_service.services import Services, build_services
from wallet_service.settings import Settings, settings_from


def settings_of_environment() -> Settings:
    """The `WALLET_…` variables, with logs set up as they say."""
    settings = settings_from(os.environ)
    configure_logs(settings.log_format)
    return settings


@contextmanager
def opened_services() -> Iterator[Services]:
    """This installation's services, closed in the end."""
    services = build_services(settings_of_environment())
    try:
        yield services
    finally:
        services.close()
