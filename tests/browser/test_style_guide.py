"""Every part of the look in Chromium: both themes, three widths, both languages, with and without script.

Console checks C13, C17, C18, C70, C71, C73, C74, C78, C79, C83, C98.
"""

from __future__ import annotations

import gzip

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SIZES, Visitor

PAGES = ("console", "offer", "store", "confirm", "public")
_TOO_SMALL = """(least) => [...document.querySelectorAll(
    "a[href], button, input:not([type=hidden]), select, textarea, summary")].flatMap((each) => {
  if (each.closest(".skip, [hidden]") || !each.checkVisibility()) return [];
  const area = (each.closest("label") ?? each).getBoundingClientRect();
  const inSentence = each.matches("a") && getComputedStyle(each).display === "inline";
  if (inSentence || (area.width >= least - .5 && area.height >= least - .5)) return [];
  const size = `${Math.round(area.width)}x${Math.round(area.height)}`;
  return [`${each.tagName} ${each.textContent.trim().slice(0, 30)} ${size}`];
})"""
_SIDEWAYS = """() => [...document.querySelectorAll("body *")].flatMap((each) => {
  const right = each.getBoundingClientRect().right;
  const clipped = each.closest(".unseen, .skip, svg, [role=region]");
  return !clipped && each.checkVisibility() && right > innerWidth + 1
    ? [`${each.tagName}.${each.className} ends at ${Math.round(right)}`] : [];
})"""
_CUT_OFF = """() => [...document.querySelectorAll("main *, header *")].flatMap((each) => {
  if (each.closest(".unseen, svg, [role=region], input, textarea, select") || !each.checkVisibility()) return [];
  const style = getComputedStyle(each);
  if (style.overflow === "visible" || each.scrollHeight <= each.clientHeight + 2) return [];
  return [`${each.tagName}.${each.className} hides ${each.scrollHeight - each.clientHeight} px`];
})"""
_WIDER_TEXT = """* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; }
p { margin-bottom: 2em !important; }"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["small", "desktop"])
@pytest.mark.parametrize("name", PAGES)
def test_c70_axe_finds_nothing_serious(visitor: Visitor, guide_address: str, name: str, size: str, scheme: str) -> None:
    visit = visitor(guide_address, size=size, scheme=scheme, audited=True)
    visit.open(f"/{name}")
    assert visit.axe() == []


def test_c70_axe_with_menus_open_and_a_form_refused(visitor: Visitor, guide_address: str) -> None:
    visit = visitor(guide_address, size="desktop", scheme="dark", audited=True)
    page = visit.open("/offer")
    page.get_by_role("button", name="Vérifier").click()
    expect(page).to_have_title("Erreur\u202f: Nouvelle offre – Cercle Lumière")
    page.locator("summary").filter(has_text="Léa Martin").click()
    assert visit.axe() == []


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("name", PAGES)
def test_c71_nothing_scrolls_sideways_at_320(visitor: Visitor, guide_address: str, name: str, language: str) -> None:
    page = visitor(guide_address, size="small").open(f"/{name}?lang={language}")
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES["small"][0]
    assert page.evaluate(_SIDEWAYS) == []


@pytest.mark.parametrize("size", ["phone", "desktop"])
@pytest.mark.parametrize("name", PAGES)
def test_c13_nothing_breaks_the_policy_or_asks_elsewhere(
    visitor: Visitor, guide_address: str, name: str, size: str
) -> None:
    visit = visitor(guide_address, size=size)
    page = visit.open(f"/{name}")
    for menu in page.locator("details:visible").all():
        menu.locator("summary").click()
        page.keyboard.press("Escape")
    assert visit.violations() == []


def test_c13_violations_are_noticed(visitor: Visitor, guide_address: str) -> None:
    visit = visitor(guide_address)
    page = visit.open("/console")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')")
    page.evaluate("document.body.append(Object.assign(new Image(), {src: 'https://elsewhere.invalid/x.png'}))")
    expect(page.locator("img[src*=elsewhere]")).to_have_count(1)
    heard = "\n".join(visit.violations())
    assert "style-src" in heard
    assert "img-src" in heard


@pytest.mark.parametrize("name", PAGES)
def test_c74_targets_are_large_enough(visitor: Visitor, guide_address: str, name: str) -> None:
    assert visitor(guide_address, size="desktop").open(f"/{name}").evaluate(_TOO_SMALL, 24) == []
    on_phone = visitor(guide_address, size="phone").open(f"/{name}")
    assert on_phone.evaluate(_TOO_SMALL, 44 if name == "public" else 24) == []


@pytest.mark.parametrize("name", PAGES)
def test_c83_wider_text_and_double_size_lose_nothing(visitor: Visitor, guide_address: str, name: str) -> None:
    visit = visitor(guide_address, size="desktop", audited=True)
    page = visit.open(f"/{name}")
    page.add_style_tag(content=_WIDER_TEXT)
    assert page.evaluate(_CUT_OFF) == []
    assert page.evaluate(_SIDEWAYS) == []
    page.set_viewport_size({"width": 640, "height": 450})  # what 200 % of zoom leaves of this window
    assert page.evaluate(_CUT_OFF) == []
    assert page.evaluate(_SIDEWAYS) == []


def test_c17_c18_a_form_is_refused_corrected_and_accepted_without_script(visitor: Visitor, guide_address: str) -> None:
    visit = visitor(guide_address, size="phone", script=False)
    page = visit.open("/offer")
    page.get_by_label("Titre").first.fill("Soirée privée")
    page.get_by_label("Utilisations au total").fill("beaucoup")
    page.get_by_role("button", name="Vérifier").click()
    assert page.title() == "Erreur\u202f: Nouvelle offre – Cercle Lumière"
    assert page.get_by_label("Titre").first.input_value() == "Soirée privée"
    assert page.get_by_label("Utilisations au total").input_value() == "beaucoup"
    summary = page.get_by_role("alert")
    expect(summary).to_contain_text("Utilisations au total\u202f: Saisissez un nombre entier, sans décimales.")
    page.get_by_label("Utilisations au total").fill("1\u202f200")
    page.get_by_label("Du", exact=True).fill("2026-11-27T10:00")
    page.get_by_label("Au", exact=True).fill("2026-11-27T18:00")
    page.get_by_role("button", name="Vérifier").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Accueil")


def test_c18_the_summary_has_the_focus_and_its_links_lead_into_a_closed_tab(
    visitor: Visitor, guide_address: str
) -> None:
    page = visitor(guide_address).open("/offer")
    page.get_by_role("link", name="English").click()
    page.locator("#field-title-en").fill("x" * 501)
    page.get_by_role("button", name="Vérifier").click()
    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(page.locator("#text-en")).to_be_visible()  # the language with a fault comes first
    page.get_by_role("navigation", name="Langues du texte").get_by_role("link", name="Français").click()
    expect(page.locator("#text-en")).to_be_hidden()
    summary.get_by_role("link", name="Titre").first.click()
    expect(page.locator("#field-title-en")).to_be_focused()


def test_without_script_all_languages_are_on_the_page(visitor: Visitor, guide_address: str) -> None:
    page = visitor(guide_address, script=False).open("/offer")
    expect(page.locator("#text-fr")).to_be_visible()
    expect(page.locator("#text-en")).to_be_visible()


def test_what_is_typed_is_counted_as_people_count(visitor: Visitor, guide_address: str) -> None:
    page = visitor(guide_address).open("/offer")
    counter = page.locator("#field-title-fr-count")
    page.locator("#field-title-fr").fill("Noël 👨‍👩‍👧 e\u0301")
    expect(counter).to_have_text("8 caractères sur 500")
    expect(page.locator("#field-title-fr-count + [role=status]")).to_have_text(
        "8 caractères sur 500"
    )  # C78: once it rests
    page.locator("#field-title-fr").fill("x" * 501)
    expect(counter).to_have_class("counter over")


def _focused(page: Page) -> dict[str, float | str]:
    found: dict[str, float | str] = page.evaluate(
        """() => { const at = document.activeElement.getBoundingClientRect(), bar = document.querySelector(".savebar");
        const top = bar && !bar.contains(document.activeElement) ? bar.getBoundingClientRect().top : innerHeight;
        return {tag: document.activeElement.tagName, hidden: Math.max(0, at.bottom - top, -at.top),
                ring: parseFloat(getComputedStyle(document.activeElement).outlineWidth)}; }"""
    )
    return found


def test_c73_c79_the_whole_form_by_keyboard_with_a_ring_that_nothing_covers(
    visitor: Visitor, guide_address: str
) -> None:
    page = visitor(guide_address, size="phone").open("/offer")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Aller au contenu")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    passed: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        at = _focused(page)
        if at["tag"] == "BODY":
            break
        passed.append(str(at["tag"]))
        assert at["ring"] == 3, at
        assert at["hidden"] == 0, at
        if page.evaluate("document.activeElement.textContent.trim()") == "Vérifier":
            break
    assert passed.count("INPUT") >= 5
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_focused()


def test_c78_a_part_that_changes_is_spoken_and_the_focus_stays(visitor: Visitor, guide_address: str) -> None:
    visit = visitor(guide_address)
    page = visit.open("/console")
    page.get_by_label("Filtrer").press_sequentially("soir")
    expect(page.locator("#results tbody tr")).to_have_count(1)
    expect(page.locator("#results")).to_contain_text("Soirée privée")
    expect(page.locator("#status")).to_have_text("1 offres")
    expect(page.locator("#status")).to_have_attribute("role", "status")
    expect(page.get_by_label("Filtrer")).to_be_focused()
    assert visit.violations() == []


def test_the_same_without_script_is_a_page(visitor: Visitor, guide_address: str) -> None:
    page = visitor(guide_address, script=False).open("/console")
    page.get_by_label("Filtrer").fill("soir")
    page.get_by_role("button", name="Afficher").click()
    expect(page.locator("#results tbody tr")).to_have_count(1)
    expect(page.get_by_label("Filtrer")).to_have_value("soir")


def test_a_menu_closes_on_escape_and_gives_the_focus_back(visitor: Visitor, guide_address: str) -> None:
    page = visitor(guide_address).open("/console")
    summary = page.locator("summary").filter(has_text="Léa Martin")
    summary.click()
    expect(page.get_by_role("link", name="Mon compte")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Mon compte")).to_be_hidden()
    expect(summary).to_be_focused()


def test_c98_a_console_page_with_all_its_files_weighs_60_kb_at_most(visitor: Visitor, guide_address: str) -> None:
    visit = visitor(guide_address)
    weights: dict[str, int] = {}
    visit.page.on("response", lambda answer: weights.update({answer.url: len(gzip.compress(answer.body()))}))
    visit.open("/console")
    visit.page.wait_for_load_state("networkidle")
    pictures = [address for address in weights if address.endswith("picture.svg")]
    assert len(weights) > 8
    assert sum(weight for address, weight in weights.items() if address not in pictures) <= 60_000, weights


def test_on_paper_there_is_the_content_and_no_frame(visitor: Visitor, guide_address: str) -> None:
    page = visitor(guide_address, size="desktop", scheme="dark").open("/console")
    page.emulate_media(media="print")
    for part in (".top", ".side", ".pager", ".button"):
        assert not any(each.is_visible() for each in page.locator(part).all()), part
    assert page.locator("h1").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
