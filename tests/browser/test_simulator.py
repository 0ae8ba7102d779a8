"""The simulator in Chromium: map, keyboard, no script, narrow and wide (checks C13, C17, C34, C70, C71, C79)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.test_console import _keep_picture
from tests.browser.test_stores import _sign_in, _stores
from tests.routes.test_offer import publish
from tests.system import System


def test_c34_a_path_is_clicked_on_the_map_without_tiles(visitor: Visitor, system: System) -> None:
    _stores(system)
    visit = _sign_in(visitor(system.url), system)
    page = visit.open("/console/lumiere/simulator")
    field = page.get_by_label("Autres points, dans l’ordre")
    expect(page.locator(".map path.spot")).to_have_count(3)
    page.locator(".map").click(position={"x": 60, "y": 60})
    page.locator(".map").click(position={"x": 160, "y": 100})
    assert len(field.input_value().splitlines()) == 2
    expect(page.locator(".map path.spot.own")).to_have_count(2)
    expect(page.locator(".map path.path")).to_have_count(1)
    page.get_by_role("button", name="Montrer ce que font les téléphones").click()
    expect(page.get_by_role("heading", level=3)).to_have_count(3)
    expect(field).to_have_value(field.input_value())
    assert visit.violations() == []


def test_c17_c34_c79_without_script_the_path_is_typed_with_the_keyboard(visitor: Visitor, system: System) -> None:
    _stores(system)
    publish(system, timedelta(hours=1))
    page = _sign_in(visitor(system.url, script=False), system).open("/console/lumiere/simulator")
    expect(page.locator(".map-panel")).to_be_hidden()
    page.get_by_label("Autres points, dans l’ordre").focus()
    page.keyboard.type("nulle part")
    page.get_by_role("button", name="Montrer ce que font les téléphones").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("nulle part")
    page.get_by_label("Autres points, dans l’ordre").fill("Lyon Bellecour")
    page.get_by_role("button", name="Montrer ce que font les téléphones").press("Enter")
    expect(page.get_by_role("main")).to_contain_text("La carte est sur l’écran verrouillé pour Lyon Bellecour, à 0 m")
    expect(page.get_by_role("img", name="Écran verrouillé d’un iPhone")).to_have_count(2)


@pytest.mark.parametrize(("size", "scheme"), [("small", "dark"), ("desktop", "light")])
def test_c70_c71_results_are_accessible_and_never_scroll_sideways(
    visitor: Visitor, system: System, size: str, scheme: str
) -> None:
    _stores(system)
    publish(system, timedelta(hours=1))
    system.enrol(card_number="C-100", favourite_store_id="lyon")
    visit = _sign_in(visitor(system.url, size=size, scheme=scheme, audited=True), system)
    page = visit.open("/console/lumiere/simulator")
    _keep_picture(page, f"simulator-empty.{size}.{scheme}")
    page.get_by_label("Numéro de carte").fill("C-100")
    page.get_by_label("Devant un magasin").select_option("lyon")
    page.get_by_label("Autres points, dans l’ordre").fill("45.7588, 4.832")
    for button, picture in (("Montrer ce que font les téléphones", "simulator"), ("Pourquoi ces dix magasins", "ten")):
        page.get_by_role("button", name=button).first.click()
        expect(page.get_by_role("main")).to_contain_text("Lyon Bellecour")
        assert visit.axe() == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        _keep_picture(page, f"{picture}.{size}.{scheme}")
