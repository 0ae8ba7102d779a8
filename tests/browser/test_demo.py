"""The demo's page in Chromium: accessible, and what a button changes is seen where one looks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import SIZES, Visitor
from tests.demo.conftest import Playing, playing

__all__ = ["playing"]  # the fixture
_SETTLED_MS = 30_000
"""Without a script the page waits until the phones show what was done."""


@pytest.mark.parametrize("size", ["small", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(visitor: Visitor, playing: Playing, size: str, scheme: str) -> None:
    visit = visitor(playing.url, size=size, scheme=scheme, audited=True)
    page = visit.open("/?lang=fr")
    expect(page.locator(".sentences li")).to_have_count(2)
    assert visit.axe() == []
    for summary in page.locator("summary").all():
        summary.click()
    assert visit.axe() == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    _keep_picture(page, f"demo.{size}.{scheme}")


@pytest.mark.parametrize("script", [True, False])
def test_on_a_phone_what_a_button_changes_is_seen_without_scrolling(
    visitor: Visitor,
    playing: Playing,
    script: bool,
) -> None:
    visit = visitor(playing.url, size="phone", script=script)
    page = visit.open("/?lang=fr")
    page.get_by_role("button", name="Achat de 25 €").click()
    expect(page.get_by_role("status")).to_contain_text("L’achat est enregistré", timeout=_SETTLED_MS)
    _seen(page, page.locator("#picture-iphone"))
    page.get_by_role("button", name="Offre d’une minute à Lyon").click()
    expect(page.get_by_role("status")).to_contain_text("L’offre est publiée", timeout=_SETTLED_MS)
    _seen(page, page.locator("#picture-lock"))
    _keep_picture(page, f"demo.phone.{script}")
    if script:
        assert visit.violations() == []


def test_on_a_desktop_buttons_phones_and_sentences_are_on_one_screen(visitor: Visitor, playing: Playing) -> None:
    visit = visitor(playing.url)
    page = visit.open("/?lang=fr")
    widths = set()
    for name in ("iphone", "lock", "android"):
        box = page.locator(f"#picture-{name}").bounding_box()
        assert box is not None
        widths.add(round(box["width"]))
        assert box["y"] + box["height"] <= SIZES["desktop"][1]
    assert len(widths) == 1
    last = page.locator(".sentences li").last.bounding_box()
    assert last is not None
    assert last["y"] + last["height"] <= SIZES["desktop"][1]
    buttons, first = page.locator(".moves").bounding_box(), page.locator(".screens").bounding_box()
    assert buttons is not None
    assert first is not None
    assert abs(buttons["y"] - first["y"]) < 20, "nothing lies between the buttons and what they change"
    assert visit.violations() == []


def test_the_buttons_work_by_keyboard_and_keep_the_focus(visitor: Visitor, playing: Playing) -> None:
    page = visitor(playing.url).open("/?lang=en")
    button = page.get_by_role("button", name="Take the iPhone offline")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Bring the iPhone online")).to_be_focused()


def _seen(page: Page, picture: Locator) -> None:
    """The picture's upper part and the buttons are on the screen, and nobody has scrolled."""
    box, buttons = picture.bounding_box(), page.locator(".moves").bounding_box()
    assert box is not None
    assert buttons is not None
    width, height = SIZES["phone"]
    assert page.evaluate("scrollY") == 0
    assert buttons["y"] >= 0
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= height


def _keep_picture(page: Page, name: str) -> None:
    """For whoever looks at the pages: `PICTURES=folder` keeps them."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)
