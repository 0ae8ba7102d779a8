"""Signing in asks for nothing that must be remembered or copied by hand (console check C77), and words of another
language are marked as such (C81).
"""

from __future__ import annotations

import pytest

from tests.system import System
from tests.web.console.staff import sign_in
from tests.web.page_reader import read_page

STATIC_SCRIPTS = ("onpaste", "oncopy", "ondrop")


@pytest.mark.parametrize(
    ("path", "name", "filled_by"),
    [
        ("/console/sign-in", "email", "username"),
        ("/console/sign-in", "password", "current-password"),
        ("/console/forgotten", "email", "username"),
        ("/console/account/password", "password", "new-password"),
        ("/console/account/second-factor", "code", "one-time-code"),
    ],
)
def test_c77_what_is_asked_can_be_filled_in_by_the_browser_and_pasted(
    system: System, path: str, name: str, filled_by: str
) -> None:
    field = sign_in(system).get(path).one("input", name=name)
    assert field.get("autocomplete") == filled_by
    assert field.get("maxlength") is None or int(field.get("maxlength") or 0) > 20
    assert not [each for each in STATIC_SCRIPTS if field.get(each)]


@pytest.mark.parametrize("locale", ["fr", "en"])
def test_c81_links_to_the_other_language_are_in_that_language(system: System, locale: str) -> None:
    staff = sign_in(system, locale=locale)
    anonymous = read_page(system.app.test_client().get(f"/console/sign-in?lang={locale}").text)
    for page in (staff.get("/"), staff.get("/console/account"), anonymous):
        assert page.language == locale
        marked = [link for link in page.all("a") if link.get("hreflang")]
        assert marked
        assert all(link.get("lang") == link.get("hreflang") != locale for link in marked)
