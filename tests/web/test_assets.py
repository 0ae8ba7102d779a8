"""Addresses and bytes of static files."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from wallet_service.web.assets import STATIC, Assets, UnknownAsset, make_assets, read_assets


@pytest.fixture(scope="module")
def assets() -> Assets:
    return read_assets()


@pytest.fixture
def client(assets: Assets) -> FlaskClient:
    app = Flask(__name__, static_folder=str(STATIC))  # as the service has it, for files without a digest
    app.register_blueprint(make_assets(assets))
    return app.test_client()


def test_an_address_carries_the_digest_and_is_kept_for_a_year(client: FlaskClient, assets: Assets) -> None:
    address = assets.address("css/base.css")
    assert re.fullmatch(r"/static/[0-9a-f]{16}/css/base\.css", address)
    answer = client.get(address)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.data == (STATIC / "css" / "base.css").read_bytes()


def test_a_page_of_another_release_gets_the_file_and_may_not_keep_it(client: FlaskClient) -> None:
    answer = client.get("/static/0123456789abcdef/css/base.css")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"


def test_a_name_that_is_not_there_fails_the_render(assets: Assets, client: FlaskClient) -> None:
    with pytest.raises(UnknownAsset, match=r"css/bsae\.css"):
        assets.address("css/bsae.css")
    for name in ("css/bsae.css", "../assets.py", "css/../../assets.py", "%2e%2e/assets.py"):
        assert client.get(f"/static/{assets.digest}/{name}").status_code == 404


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("css/base.css", "text/css; charset=utf-8"),
        ("js/page.js", "text/javascript; charset=utf-8"),
        ("vendor/htmx.min.js", "text/javascript; charset=utf-8"),
        ("vendor/barcode-detector/zxing_reader.wasm", "application/wasm"),
        ("vendor/leaflet/images/layers.png", "image/png"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_each_kind_of_file_has_its_content_type(
    client: FlaskClient, assets: Assets, name: str, content_type: str
) -> None:
    answer = client.get(assets.address(name))
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_texts_travel_packed_where_the_browser_takes_it(client: FlaskClient, assets: Assets) -> None:
    packed = client.get(assets.address("vendor/htmx.min.js"), headers={"Accept-Encoding": "gzip, br"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.data) == (STATIC / "vendor" / "htmx.min.js").read_bytes()
    image = client.get(assets.address("vendor/leaflet/images/layers.png"), headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in image.headers


def test_a_changed_file_changes_every_address(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("a {}", encoding="utf-8")
    (tmp_path / "b.js").write_text("1", encoding="utf-8")
    before = read_assets(tmp_path)
    (tmp_path / "b.js").write_text("2", encoding="utf-8")
    after = read_assets(tmp_path)
    assert before.address("a.css") != after.address("a.css")  # a script finds the files beside it under its own digest


def test_a_file_of_an_unknown_kind_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "font.xyz").write_bytes(b"")
    with pytest.raises(UnknownAsset, match="content type"):
        read_assets(tmp_path)


def test_c98_the_files_of_a_console_page_stay_within_their_budget(assets: Assets) -> None:
    """Packed, without map and pictures; with what a page itself weighs it is measured in the browser."""
    names = [f"css/{name}.css" for name in ("tokens", "base", "parts", "console", "print")]
    names += [name for name in assets.files if name.startswith("js/")] + ["vendor/htmx.min.js", "icon.svg"]
    packed = sum(len(gzip.compress(assets.files[name].read_bytes())) for name in names)
    assert packed < 45_000, packed
