"""Chromium for tests: one browser for each worker, one context for each test, and a record of policy violations.

The system's own Chromium is driven. Where there is none the routes are left out, with one line at the end that says so
(`tests/conftest.py`); in CI that is a failure.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from werkzeug.serving import make_server

from tests.browser.chromium import are_left_out, chromium_path
from tools.vendor import ROOT

collect_ignore_glob = ["test_*.py"] if are_left_out() else []

FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SIZES = {"small": (320, 720), "phone": (390, 844), "desktop": (1280, 900)}
_HEAR_VIOLATIONS = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.__violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""
logging.getLogger("werkzeug").setLevel(logging.ERROR)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, once for each test process."""
    path = chromium_path()
    if path is None:
        pytest.fail("CI needs Debian's package chromium: the browser routes are not optional there")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield chromium
        chromium.close()


@dataclass
class Visit:
    """One person's browser window on one site."""

    page: Page
    address: str
    messages: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Every address that was asked for."""

    def open(self, path: str) -> Page:
        """Go to a path of the site, until its scripts have run."""
        self.page.goto(f"{self.address}{path}", wait_until="load")
        return self.page

    def violations(self) -> list[str]:
        """What the page's policy has forbidden, errors of scripts, and addresses elsewhere."""
        heard: list[str] = self.page.evaluate("window.__violations ?? []")
        elsewhere = [address for address in self.asked if not address.startswith((self.address, "data:", "blob:"))]
        return heard + self.messages + [f"asked elsewhere: {address}" for address in elsewhere]

    def axe(self) -> list[str]:
        """Serious and critical findings of axe-core; the context must have been opened with `bypass_csp`."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{finding['id']} ({finding['impact']}): {node['target']} {node['failureSummary']}"
            for finding in found["violations"]
            if finding["impact"] in ("serious", "critical")
            for node in finding["nodes"]
        ]


Visitor = Callable[..., Visit]


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    """Makes windows: `visitor(address, size="phone", scheme="dark", script=False, audited=True, **context)`."""
    with ExitStack() as opened:

        def visit(
            address: str,
            *,
            size: str = "desktop",
            scheme: str = "light",
            locale: str = "fr-FR",
            script: bool = True,
            audited: bool = False,
            **context: Any,
        ) -> Visit:
            width, height = SIZES[size]
            window: BrowserContext = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
                locale=locale,
                reduced_motion="reduce",
                java_script_enabled=script,
                bypass_csp=audited,
                **context,
            )
            opened.callback(window.close)
            if script:
                window.add_init_script(_HEAR_VIOLATIONS)
            page = window.new_page()
            page.set_default_timeout(10_000)
            visit = Visit(page, address)
            page.on("console", lambda said: visit.messages.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: visit.messages.append(str(error)))
            page.on("request", lambda request: visit.asked.append(request.url))
            return visit

        yield visit


@contextmanager
def served(app: Flask) -> Iterator[str]:
    """An app on a port of its own; gives its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def guide_address() -> Iterator[str]:
    """The style guide, served."""
    from tests.browser.style_guide import create_guide  # here: who skips these tests needs no templates

    with served(create_guide()) as address:
        yield address
