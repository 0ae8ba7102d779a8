"""The report of an offer in Chromium: narrow and wide, both themes (console checks C68, C70, C71)."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.test_console import _keep_picture
from tests.browser.test_stores import _sign_in
from tests.offers.pressure_system import enrol, publish
from tests.offers.test_report import buys
from tests.system import System


@pytest.mark.parametrize(("size", "scheme"), [("small", "light"), ("desktop", "dark"), ("desktop", "light")])
def test_c70_c71_the_report_is_accessible_narrow_and_wide(
    visitor: Visitor, system: System, size: str, scheme: str
) -> None:
    enrol(system, 8)
    system.enrol("M-9")
    offer_id = publish(system, "maille-20")
    for number in range(6):
        buys(system, number, f"M-{number % 3 + 1}", f"O-{number}", 7990, "maille-20")
    visit = _sign_in(visitor(system.url, size=size, scheme=scheme, audited=True), system)
    page = visit.open(f"/console/lumiere/offers/{offer_id}/report")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Offre maille-20")
    expect(page.locator(".bars rect.bar")).to_have_count(6)
    width = page.locator(".bars rect.bar").first.bounding_box()
    assert width is not None
    assert width["width"] > 50, "the bar of the most is a bar"
    assert visit.axe() == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing scrolls sideways"
    _keep_picture(page, f"offer-report.{size}.{scheme}")


def test_the_report_keeps_to_the_page_s_policy(visitor: Visitor, system: System) -> None:
    enrol(system, 1)
    offer_id = publish(system)
    visit = _sign_in(visitor(system.url), system)
    visit.open(f"/console/lumiere/offers/{offer_id}/report")
    assert visit.violations() == []
