"""Pages for staff: one module for each subject, every page behind the gate."""

from __future__ import annotations

from flask import Blueprint
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from wallet_service.errors import WalletServiceError
from wallet_service.web.console import (
    account,
    card_places,
    home,
    journal,
    offer_report,
    offers,
    offers_check,
    offers_form,
    overlays,
    overlays_form,
    sign_in,
    simulator,
    store_form,
    store_imports,
    stores,
    team,
)
from wallet_service.web.console.errors import page_of_database_away, page_of_error, page_of_http
from wallet_service.web.console.gate import Console


def make_console() -> Blueprint:
    """The blueprint, made anew for each app."""
    console = Console()
    for subject in (
        sign_in,
        account,
        home,
        offers,
        offers_form,
        offers_check,
        offer_report,
        overlays,
        overlays_form,
        stores,
        store_form,
        store_imports,
        simulator,
        card_places,
        team,
        journal,
    ):
        subject.add_pages(console)
    console.blueprint.register_error_handler(WalletServiceError, page_of_error)
    console.blueprint.register_error_handler(OperationalError, page_of_database_away)
    console.blueprint.register_error_handler(HTTPException, page_of_http)
    return console.blueprint
