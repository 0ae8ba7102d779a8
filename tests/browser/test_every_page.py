"""Every page of the console in Chromium, found from the app itself (checks C13, C70, C71)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit, Visitor
from tests.system import System
from tests.web.console.every_page import is_a_page, make_things, rules_of
from tests.web.console.staff import PASSWORD, new_person

LOOKS = [("small", "light"), ("small", "dark"), ("desktop", "light"), ("desktop", "dark")]


def signed_in(visit: Visit, email: str) -> Visit:
    page = visit.open("/console/sign-in")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Accueil")
    return visit


def addresses(system: System) -> Iterator[str]:
    """An address of each page; the way to sign in last, for it is seen by nobody who is in."""
    things = make_things(system)
    yield from (things.address(rule) for rule in rules_of(system.app) if is_a_page(rule))


def test_c13_no_page_breaks_its_policy_or_asks_elsewhere(visitor: Visitor, system: System) -> None:
    visit = signed_in(visitor(system.url), new_person(system, "admin", locale="fr"))
    found = {}
    for address in addresses(system):
        visit.open(address)
        if wrong := visit.violations():
            found[address] = wrong
    assert found == {}


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_c70_c71_every_page_is_accessible_and_never_scrolls_sideways(
    visitor: Visitor, system: System, size: str, scheme: str
) -> None:
    email = new_person(system, "admin", locale="fr")
    visit = signed_in(visitor(system.url, size=size, scheme=scheme, audited=True), email)
    found = {}
    for address in addresses(system):
        page = visit.open(address)
        wrong = visit.axe()
        if not page.evaluate("document.documentElement.scrollWidth <= innerWidth"):
            wrong.append("scrolls sideways")
        if wrong:
            found[address] = wrong
    assert found == {}
