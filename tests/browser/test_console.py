"""Signing in and one's own account in Chromium, with the keyboard (console checks C13, C70, C71, C79)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.system import System
from tests.web.console.staff import PASSWORD, new_person


@pytest.mark.parametrize(("size", "scheme"), [("phone", "dark"), ("desktop", "light")])
def test_c79_somebody_signs_in_with_the_keyboard(visitor: Visitor, system: System, size: str, scheme: str) -> None:
    email = new_person(system, "admin")
    visit = visitor(system.url, size=size, scheme=scheme)
    page = visit.open("/console/lumiere/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Se connecter")
    page.keyboard.press("Tab")  # the skip link
    page.get_by_label("E-mail").focus()
    page.keyboard.type(email)
    page.keyboard.press("Tab")
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Adresse ou mot de passe incorrect.")
    _keep_picture(page, f"sign-in.{size}.{scheme}")
    page.get_by_label("Mot de passe", exact=True).focus()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Accueil")
    visit.open("/console/account")
    _keep_picture(page, f"account.{size}.{scheme}")
    assert visit.violations() == [
        "Failed to load resource: the server responded with a status of 422 (UNPROCESSABLE ENTITY)"
    ]


@pytest.mark.parametrize("path", ["/console/sign-in", "/console/forgotten"])
@pytest.mark.parametrize("size", ["small", "desktop"])
def test_c70_the_public_pages_of_the_console_are_accessible(
    visitor: Visitor, system: System, path: str, size: str
) -> None:
    visit = visitor(system.url, size=size, audited=True)
    visit.open(path)
    assert visit.axe() == []


def _keep_picture(page: object, name: str) -> None:
    """For whoever looks at the pages: `PICTURES=folder` keeps them."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)  # type: ignore[attr-defined]
