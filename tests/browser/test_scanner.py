"""The till's scanner under the till's policy: its script, the wasm of its release, and a code that is read (C102)."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import segno
from flask import Flask, Response
from playwright.sync_api import expect

from tests.browser.conftest import Visitor, served
from wallet_service.web.assets import make_assets, read_assets
from wallet_service.web.headers import Audience, headers_for

_PAGE = """<!doctype html><html lang="en"><title>s</title><link rel="icon" href="/code.png">
<img id="code" src="/code.png" alt="A QR code"><p id="said"></p><script type="module" src="/scan.js"></script>"""
_SCRIPT = """import {{ BarcodeDetector, prepareZXingModule }} from "{ponyfill}";
prepareZXingModule({{ overrides: {{ locateFile: () => "{wasm}" }} }});
const image = document.getElementById("code");
await image.decode();
const found = await new BarcodeDetector({{ formats: ["qr_code"] }}).detect(image);
document.getElementById("said").textContent = found.map((code) => code.rawValue).join(" ");"""


@pytest.fixture(scope="module")
def till() -> Iterator[str]:
    assets = read_assets()
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(make_assets(assets))
    script = _SCRIPT.format(
        ponyfill=assets.address("vendor/barcode-detector/ponyfill.js"),
        wasm=assets.address("vendor/barcode-detector/zxing_reader.wasm"),
    )
    drawn = io.BytesIO()
    segno.make("LUM-0042-7", error="m").save(drawn, kind="png", scale=8, border=4)
    app.add_url_rule("/", "page", lambda: Response(_PAGE, headers=headers_for(Audience.TILL, https=False)))
    app.add_url_rule("/scan.js", "script", lambda: Response(script, mimetype="text/javascript"))
    app.add_url_rule("/code.png", "code", lambda: Response(drawn.getvalue(), mimetype="image/png"))
    with served(app) as address:
        yield address


def test_c102_a_code_is_read_and_nothing_is_asked_elsewhere(visitor: Visitor, till: str) -> None:
    visit = visitor(till, size="phone")
    page = visit.open("/")
    expect(page.locator("#said")).to_have_text("LUM-0042-7")
    assert any(address.endswith("zxing_reader.wasm") for address in visit.asked)
    assert visit.violations() == []
