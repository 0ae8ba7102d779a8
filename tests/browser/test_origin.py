"""What Chromium says about where a request comes from, and what the guard makes of it (console check C11)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask, Response, request
from playwright.sync_api import expect

from tests.browser.conftest import Visitor, served
from wallet_service.web.headers import Audience, headers_for
from wallet_service.web.origin import is_cross_site

_FORM = '<!doctype html><html lang="en"><title>f</title><form method="post" action="{}/act"><button>Act</button></form>'


def guarded() -> Flask:
    """A site with a session cookie whose forms come from a page of each audience."""
    app = Flask(__name__)

    @app.get("/<audience>")
    def form(audience: str) -> Response:
        page = Response(_FORM.format(""), headers=headers_for(Audience(audience), https=False))
        page.set_cookie("session", "x", samesite="Lax")
        return page

    @app.post("/act")
    def act() -> tuple[str, int]:
        public_url = request.host_url.rstrip("/")
        refused = is_cross_site("POST", request.headers, public_url=public_url, has_cookie="session" in request.cookies)
        told = f"{request.headers.get('Sec-Fetch-Site')} {request.headers.get('Origin')}"
        return f"<title>a</title><p id=said>{told}</p>", 403 if refused else 200

    return app


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with served(guarded()) as address:
        yield address


@pytest.mark.parametrize("audience", ["public", "console"])
def test_c11_our_own_forms_pass(visitor: Visitor, site: str, audience: str) -> None:
    page = visitor(site).open(f"/{audience}")
    with page.expect_navigation() as sent:
        page.get_by_role("button").click()
    assert sent.value is not None
    assert sent.value.status == 200
    # what a page without referrer costs: its forms do not say where they come from
    expect(page.locator("#said")).to_have_text("same-origin null" if audience == "public" else f"same-origin {site}")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_c11_a_form_of_another_site_does_not(visitor: Visitor, site: str, host: str) -> None:
    """With a valid session: the port alone is another origin, the host's name another site."""
    other = Flask(__name__)
    other.add_url_rule("/", view_func=lambda: _FORM.format(site))
    with served(other) as address:
        visit = visitor(site)
        visit.open("/console")
        visit.page.goto(address.replace("127.0.0.1", host))
        with visit.page.expect_navigation() as sent:
            visit.page.get_by_role("button").click()
        assert sent.value is not None
        assert sent.value.status == 403
