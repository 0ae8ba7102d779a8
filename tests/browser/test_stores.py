"""Stores in Chromium: map, keyboard, no script, narrow and wide (console checks C13, C17, C34, C70, C71, C75, C79)."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit, Visitor
from tests.browser.test_console import _keep_picture
from tests.conftest import OpenSystem
from tests.system import System
from tests.web.console.staff import PASSWORD, new_person

HOURS = {day: [{"from": "10:00", "to": "12:30"}, {"from": "14:00", "to": "19:00"}] for day in ("mo", "tu", "we", "th")}
STORES = {
    "lyon": ("Lyon Bellecour", 45.757, 4.832, "Lyon", {**HOURS, "sa": [{"from": "10:00", "to": "19:30"}]}),
    "paris": ("Paris Marais", 48.859, 2.362, "Paris", "24/7"),
    "nantes": ("Nantes Graslin", 47.213, -1.562, "Nantes", None),
}


def _stores(system: System) -> None:
    for store_id, (name, latitude, longitude, city, hours) in STORES.items():
        document = {"name": name, "latitude": latitude, "longitude": longitude, "address": {"city": city}}
        system.api.ok("PUT", f"/stores/{store_id}", document | {"opening_hours": hours})


def _sign_in(visit: Visit, system: System) -> Visit:
    page = visit.open("/console/sign-in")
    page.get_by_label("E-mail").fill(new_person(system, "admin", locale="fr"))
    page.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Accueil")
    return visit


def test_c34_the_map_sets_a_position_by_click_and_needs_neither_tiles_nor_dragging(
    visitor: Visitor, system: System
) -> None:
    _stores(system)
    visit = _sign_in(visitor(system.url), system)
    page = visit.open("/console/lumiere/stores")
    expect(page.locator(".map path.spot")).to_have_count(3)
    _keep_picture(page, "stores.desktop.light")
    page.get_by_role("link", name="Lyon Bellecour").click()
    page.get_by_label("Latitude").fill("45,76")
    page.get_by_label("Latitude").press("Tab")
    page.locator(".map").click(position={"x": 50, "y": 60})
    typed = page.get_by_label("Latitude").input_value()
    assert typed.startswith("45,7")
    assert typed != "45,76"
    _keep_picture(page, "store.desktop.light")
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("status").first).to_contain_text("Enregistré")
    assert system.api.ok("GET", "/stores/lyon")["latitude"] == float(typed.replace(",", "."))
    assert visit.violations() == []


def test_c35_with_tiles_only_their_origin_is_asked_and_their_makers_are_named(
    visitor: Visitor, open_system: OpenSystem
) -> None:
    tiles = "http://127.0.0.1:9/{z}/{x}/{y}.png"  # nobody answers there: who is asked is what counts
    system = open_system(WALLET_MAP_TILES=tiles, WALLET_MAP_ATTRIBUTION="© Les Cartes <b>Exemple</b>")
    _stores(system)
    visit = _sign_in(visitor(system.url), system)
    page = visit.open("/console/lumiere/stores")
    expect(page.locator(".leaflet-control-attribution")).to_have_text("© Les Cartes <b>Exemple</b>")
    expect(page.locator(".map img.leaflet-tile").first).to_be_attached()
    elsewhere = {address for address in visit.asked if not address.startswith((system.url, "data:", "blob:"))}
    assert elsewhere
    assert all(address.startswith("http://127.0.0.1:9/") for address in elsewhere), elsewhere
    assert page.evaluate("window.__violations ?? []") == []


def test_c17_c34_a_store_is_added_without_script(visitor: Visitor, system: System) -> None:
    _stores(system)
    visit = _sign_in(visitor(system.url, script=False), system)
    page = visit.open("/console/lumiere/stores/new")
    expect(page.locator(".map-panel")).to_be_hidden()
    page.get_by_label("Nom", exact=True).fill("Dijon")
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("alert")).to_contain_text("Latitude")
    page.get_by_label("Coller des coordonnées").fill("47.322, 5.041")
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dijon")
    assert system.api.ok("GET", "/stores/dijon")["latitude"] == 47.322


def test_c79_hours_are_typed_with_the_keyboard(visitor: Visitor, system: System) -> None:
    _stores(system)
    visit = _sign_in(visitor(system.url), system)
    page = visit.open("/console/lumiere/stores/nantes")
    page.get_by_label("Lundi, ouverture", exact=True).focus()
    page.keyboard.type("1000AM")
    page.get_by_label("Lundi, fermeture", exact=True).focus()
    page.keyboard.type("0700PM")  # Chromium itself speaks English here
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Enregistré")
    assert system.api.ok("GET", "/stores/nantes")["opening_hours"] == {"mo": [{"from": "10:00", "to": "19:00"}]}
    assert visit.violations() == []


@pytest.mark.parametrize(("size", "scheme"), [("small", "dark"), ("desktop", "light")])
def test_c70_c71_pages_of_stores_are_accessible_and_never_scroll_sideways(
    visitor: Visitor, system: System, size: str, scheme: str
) -> None:
    _stores(system)
    visit = _sign_in(visitor(system.url, size=size, scheme=scheme, audited=True), system)
    for path in ("stores", "stores/lyon", "stores/paris", "stores/new", "stores/import", "stores/lyon/delete"):
        page = visit.open(f"/console/lumiere/{path}")
        assert visit.axe() == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        _keep_picture(page, f"{path.replace('/', '-')}.{size}.{scheme}")
    page = visit.open("/console/lumiere/stores/import")
    rows = "code;nom;lat;lon\nlyon;Lyon;45,7;4,8\ndijon;Dijon;47,3;5,0\nx;;1;2\n"
    page.get_by_label("Fichier CSV").set_input_files(
        {"name": "magasins.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    )
    page.get_by_role("button", name="Vérifier le fichier").click()
    expect(page.get_by_role("button", name="Importer 2 magasins")).to_be_visible()
    assert visit.axe() == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    _keep_picture(page, f"rehearsal.{size}.{scheme}")
