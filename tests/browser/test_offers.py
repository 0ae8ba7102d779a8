"""A store manager publishes an offer in Chromium (checks C13, C17, C28, C29, C70, C71, C73, C78, C79, C80)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit, Visitor
from tests.browser.test_console import _keep_picture
from tests.system import System
from tests.web.console.staff import PASSWORD, new_person
from tests.web.console.test_offers import add_offer, add_stores

LYON = (45.757, 4.832)
HALF_A_KILOMETRE = 0.0045
"""In degrees of latitude."""


class Keyboard:
    """Somebody who has no mouse: walks by Tab, types, presses; what they do is counted, the walking apart."""

    def __init__(self, page: Page) -> None:
        self.page, self.acts, self.steps = page, 0, 0

    def walk_to(self, name: str) -> None:
        """Press Tab until the field, button or link of that name has the focus."""
        for _ in range(80):
            if self._focused() == name:
                return
            self.page.keyboard.press("Tab")
            self.steps += 1
        raise AssertionError(f"no {name!r} is reached by Tab; the last one was {self._focused()!r}")

    def type(self, name: str, text: str) -> None:
        """Fill a field."""
        self.walk_to(name)
        self.page.keyboard.type(text)
        self.acts += 1

    def press(self, name: str, key: str = "Enter") -> None:
        """Press a button, or follow a link."""
        self.walk_to(name)
        self.page.keyboard.press(key)
        self.acts += 1

    def _focused(self) -> str:
        words: str = self.page.evaluate(
            """() => { const it = document.activeElement; const label = it?.labels?.[0];
            const words = label ? [...label.childNodes].filter((n) => n.nodeType === 3 || !n.matches(".optional"))
              .map((n) => n.textContent).join("") : it?.textContent;
            return (words ?? "").replace(/\\s+/g, " ").trim(); }"""
        )
        return words


def _sign_in(visit: Visit, system: System, role: str = "marketing", stores: tuple[str, ...] = ()) -> Page:
    page = visit.open("/console/sign-in")
    page.get_by_label("E-mail").fill(new_person(system, role, stores=stores, locale="fr"))
    page.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Accueil")
    return page


def test_c28_a_manager_publishes_by_keyboard_and_the_phones_show_it_at_the_shop_until_its_end(
    visitor: Visitor, system: System
) -> None:
    add_stores(system)
    card = system.enrol(home={"latitude": LYON[0], "longitude": LYON[1]})
    iphone, android = system.iphone(), system.android()
    email = new_person(system, "store", stores=("lyon",), locale="fr")
    visit = visitor(system.url)
    with system.working():
        iphone.open_link(card["links"]["card"])
        android.open_link(card["links"]["google"] if "google" in card["links"] else card["links"]["card"])
        page = visit.open("/console/sign-in")
        hands = Keyboard(page)
        hands.type("E-mail", email)
        hands.type("Mot de passe", PASSWORD)
        hands.press("Se connecter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Accueil")
        hands.press("Offres")
        expect(page.get_by_role("heading", level=1)).to_have_text("Offres")
        hands.press("Créer une offre")
        expect(page.get_by_role("heading", level=1)).to_have_text("Nouvelle offre")
        hands.type("Titre (Français)", "Un foulard offert")
        hands.type("Texte d’écran verrouillé (Français)", "Un foulard vous attend")
        hands.press("Aujourd’hui")
        expect(page.get_by_alt_text("Un foulard vous attend")).to_be_visible()
        expect(page.locator("#who .many")).to_have_text("< 5 porteurs recevront l’offre")
        expect(page.locator("#status")).to_have_text("< 5 porteurs recevront l’offre")
        _keep_picture(page, "offer-editor.desktop.light")
        hands.press("Vérifier")
        expect(page.get_by_role("heading", level=2).first).to_contain_text("à vérifier")
        _keep_picture(page, "offer-check.desktop.light")
        hands.press("Publier")
        expect(page.get_by_role("status").first).to_contain_text("Publiée. Elle est sur < 5 cartes")
        _keep_picture(page, "offer-published.desktop.light")
        assert hands.acts <= 25, hands.acts
        assert hands.acts == 10
        assert visit.violations() == []
        iphone.wait_until(lambda it: [one.text for one in it.near(*LYON)] == ["Un foulard vous attend"], 20)
        assert iphone.near(LYON[0] + HALF_A_KILOMETRE, LYON[1]) == ()
        android.wait_until(lambda it: LYON in it.shows().merchant_locations, 20)
        assert iphone.shows().text("offer") == "Un foulard offert"
        system.clock.advance(timedelta(days=1))
        iphone.wait_until(lambda it: it.near(*LYON)[0].text != "Un foulard vous attend", 30)
        assert "offer" not in iphone.shows().fields


def test_c17_c29_an_offer_is_made_without_script(visitor: Visitor, system: System) -> None:
    add_stores(system)
    visit = visitor(system.url, script=False)
    page = _sign_in(visit, system)
    visit.open("/console/lumiere/offers/new")
    page.get_by_label("Titre (Français)").fill("Atelier parfum")
    page.get_by_role("button", name="7 jours").click()
    page.get_by_role("button", name="Actualiser les aperçus").click()
    expect(page.get_by_alt_text("Atelier parfum").first).to_be_visible()
    page.get_by_role("button", name="Vérifier").click()
    expect(page.get_by_role("alert")).to_contain_text("Choisissez au moins un magasin")
    page.get_by_label("Paris Marais").check()
    page.get_by_role("button", name="Vérifier").click()
    page.get_by_role("button", name="Publier").click()
    expect(page.get_by_role("status").first).to_contain_text("Publiée.")
    (offer,) = system.api.ok("GET", "/offers")["items"]
    assert (offer["state"], offer["store_ids"]) == ("running", ["paris"])


def test_c29_c78_the_preview_follows_the_typing_and_the_focus_stays(visitor: Visitor, system: System) -> None:
    add_stores(system)
    visit = visitor(system.url)
    page = _sign_in(visit, system)
    visit.open("/console/lumiere/offers/new")
    page.get_by_label("Lyon Bellecour").check()
    page.get_by_label("Titre (Français)").press_sequentially("Soirée privée")
    expect(page.get_by_alt_text("Soirée privée").first).to_be_visible()
    expect(page.get_by_label("Titre (Français)")).to_be_focused()
    page.get_by_role("button", name="Ce week-end").click()
    expect(page.get_by_label("Code")).to_have_value(
        f"soiree-privee-{page.get_by_label('Du', exact=True).input_value()[2:10].replace('-', '')}"
    )
    page.get_by_label("Code").fill("NOËL")
    page.get_by_label("Titre (Français)").fill("Soirée")
    expect(page.get_by_label("Code")).to_have_value("NOËL")
    assert visit.violations() == []


def test_c23_a_session_that_ends_while_somebody_types_puts_no_other_page_into_the_form(
    visitor: Visitor, system: System
) -> None:
    add_stores(system)
    visit = visitor(system.url)
    page = _sign_in(visit, system)
    visit.open("/console/lumiere/offers/new")
    expect(page.locator("#previews img")).to_have_count(3)
    system.clock.advance(timedelta(hours=13))
    page.get_by_label("Lyon Bellecour").check()
    page.get_by_label("Titre (Français)").fill("Pas perdu")
    expect(page.locator("#previews img")).to_have_count(0)
    expect(page.get_by_label("E-mail")).to_have_count(0)
    page.get_by_role("button", name="7 jours").click()
    page.get_by_role("button", name="Vérifier").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Se connecter")
    page.get_by_label("E-mail").fill("marketing-0@example.com")
    page.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Titre (Français)")).to_have_value("Pas perdu")
    expect(page.get_by_label("Lyon Bellecour")).to_be_checked()


def test_c34_stores_are_chosen_on_the_map_as_in_the_list(visitor: Visitor, system: System) -> None:
    add_stores(system)
    visit = visitor(system.url)
    page = _sign_in(visit, system)
    visit.open("/console/lumiere/offers/new")
    expect(page.locator(".map path.spot.other")).to_have_count(2)
    page.locator(".map path.spot").first.click()
    expect(page.locator("input[name=store_ids]:checked")).to_have_count(1)
    page.locator("input[name=store_ids]:checked").uncheck()
    expect(page.locator(".map path.spot.other")).to_have_count(2)
    assert visit.violations() == []


@pytest.mark.parametrize(
    ("size", "scheme"), [("small", "dark"), ("phone", "light"), ("desktop", "light"), ("desktop", "dark")]
)
def test_c70_c71_c73_pages_of_offers_are_accessible_and_never_scroll_sideways(
    visitor: Visitor, system: System, size: str, scheme: str
) -> None:
    add_stores(system)
    draft = add_offer(system, "DRAFT", lasts_h=1, notify=True, uses_total=20)
    soon = add_offer(system, "SOON", publish=True)
    running = add_offer(system, "NOW", begins_h=-1, publish=True)
    visit = visitor(system.url, size=size, scheme=scheme, audited=True)
    page = _sign_in(visit, system)
    for path in (
        *("offers", "offers?state=ended", "offers/new", f"offers/{draft}/edit", f"offers/{running}/edit"),
        *(f"offers/{draft}", f"offers/{soon}", f"offers/{running}", f"offers/{running}/end"),
    ):
        visit.open(f"/console/lumiere/{path}")
        if path.endswith(("new", "edit")):
            expect(page.locator("#previews img")).to_have_count(3)
            expect(page.locator("#who .many, #who p")).not_to_have_count(0)
        assert visit.axe() == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        _keep_picture(page, f"{path.replace('/', '-').replace('?', '-')}.{size}.{scheme}")
    visit.open("/console/lumiere/offers/new")
    hidden: list[str] = page.evaluate(
        """() => { const bar = document.querySelector(".savebar").getBoundingClientRect(); const under = [];
        for (const field of document.querySelectorAll("form[data-offer-form] :is(input, select, textarea, button)")) {
          if (field.closest(".savebar") || field.type === "hidden" || field.tabIndex < 0) continue;
          field.focus();
          if (document.activeElement !== field) continue;
          const box = field.getBoundingClientRect();
          if (box.bottom > document.querySelector(".savebar").getBoundingClientRect().top + 1) under.push(field.name);
        }
        return under; }"""
    )
    assert hidden == []
