"""Somebody of marketing dresses the cards in Chromium (checks C13, C70, C71, C73)."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit, Visitor
from tests.browser.test_console import _keep_picture
from tests.system import System
from tests.web.console.staff import PASSWORD, new_person

PARIS = ZoneInfo("Europe/Paris")


def _signed_in(visit: Visit, system: System) -> Page:
    page = visit.open("/console/sign-in")
    page.get_by_label("E-mail").fill(new_person(system, "marketing", locale="fr"))
    page.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Se connecter").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Accueil")
    return page


def _filled(page: Page, system: System) -> None:
    day = (system.clock().astimezone(PARIS) + timedelta(days=1)).date()
    page.get_by_label("Nom").fill("Soirée")
    page.get_by_label("Du", exact=True).fill(f"{day}T18:00")
    page.get_by_label("Au", exact=True).fill(f"{day}T23:00")


def test_c71_an_overlay_is_made_with_a_picker_previewed_and_published(visitor: Visitor, system: System) -> None:
    visit = visitor(system.url)
    page = _signed_in(visit, system)
    page.get_by_role("link", name="Habillages").click()
    page.get_by_role("link", name="Créer un habillage").first.click()
    _filled(page, system)
    picker = page.get_by_label("Choisir : Fond")
    picker.fill("#203010")
    expect(page.get_by_label("Fond (facultatif)", exact=True)).to_have_value("#203010")
    page.get_by_label("Points", exact=True).first.fill("Étoiles")
    expect(page.locator("#previews img[alt*=Étoiles]").first).to_be_visible()
    page.get_by_role("button", name="Enregistrer").last.click()
    expect(page.get_by_text("Enregistré.")).to_be_visible()
    expect(page.get_by_text("Fond : #203010, au lieu de #1F2340")).to_be_visible()
    _keep_picture(page, "overlay")
    page.get_by_role("button", name="Publier").click()
    expect(page.get_by_text("il arrive de lui-même sur")).to_be_visible()
    assert visit.violations() == []


@pytest.mark.parametrize("size", ["small", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_c70_the_pages_of_overlays_are_accessible(visitor: Visitor, system: System, size: str, scheme: str) -> None:
    visit = visitor(system.url, size=size, scheme=scheme, audited=True)
    page = _signed_in(visit, system)
    now = system.clock()
    document = {
        "title": "Black Friday",
        "starts_at": (now + timedelta(hours=1)).isoformat(),
        "ends_at": (now + timedelta(hours=2)).isoformat(),
        "colours": {"background": "#101010"},
    }
    system.api.ok("PUT", "/overlays/black", document)
    for path in ("", "/black", "/black/edit", "/black/delete"):
        visit.open(f"/console/lumiere/overlays{path}")
        if path == "/black/edit":
            expect(page.locator("#previews img")).to_have_count(2)
        assert visit.axe() == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
        _keep_picture(page, f"overlays{path.replace('/', '-')}.{size}.{scheme}")


def test_c13_without_a_script_colours_are_typed_and_a_button_draws_the_phones(visitor: Visitor, system: System) -> None:
    visit = visitor(system.url, script=False)
    page = _signed_in(visit, system)
    visit.open("/console/lumiere/overlays/new")
    _filled(page, system)
    expect(page.get_by_label("Choisir : Fond")).to_be_hidden()
    page.get_by_label("Fond (facultatif)", exact=True).fill("#203010")
    page.get_by_role("button", name="Actualiser les aperçus").click()
    expect(page.locator("#previews img")).to_have_count(2)
    expect(page.get_by_label("Fond (facultatif)", exact=True)).to_have_value("#203010")
    page.get_by_role("button", name="Enregistrer").last.click()
    expect(page.get_by_text("Enregistré.")).to_be_visible()
