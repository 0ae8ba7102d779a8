"""Security headers per audience, compared whole (console check C12)."""

from __future__ import annotations

import pytest

from wallet_service.web.headers import Audience, headers_for

_CLOSED = "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_PLAIN = f"default-src 'none'; style-src 'self'; img-src 'self'; {_CLOSED}"
_SCRIPTED = f"{_PLAIN}; script-src 'self'; connect-src 'self'"
_DRAWN = _SCRIPTED.replace("img-src 'self'", "img-src 'self' data:")
_NO_DEVICES = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
_TILES = "https://tiles.example/{z}/{x}/{y}.png"

TABLE = {
    Audience.PUBLIC: (_PLAIN, "no-referrer", "no-store", _NO_DEVICES),
    Audience.PUBLIC_LIVE: (_SCRIPTED, "no-referrer", "no-store", _NO_DEVICES),
    Audience.CONSOLE: (_SCRIPTED, "same-origin", "no-store", _NO_DEVICES),
    Audience.EDITOR: (_DRAWN, "same-origin", "no-store", _NO_DEVICES),
    Audience.MAP: (_SCRIPTED, "same-origin", "no-store", _NO_DEVICES),
    Audience.EDITOR_MAP: (_DRAWN, "same-origin", "no-store", _NO_DEVICES),
    Audience.TILL: (
        f"{_PLAIN}; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'; "
        "media-src 'self' blob:; manifest-src 'self'",
        "same-origin",
        "no-cache",
        _NO_DEVICES.replace("camera=()", "camera=(self)"),
    ),
}


@pytest.mark.parametrize("audience", list(Audience))
def test_c12_the_headers_of_an_audience_are_the_table_whole(audience: Audience) -> None:
    policy, referrer, cache, devices = TABLE[audience]
    wanted = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": referrer,
        "Permissions-Policy": devices,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": cache,
    }
    if audience.startswith("public"):
        wanted["X-Robots-Tag"] = "noindex"
    assert headers_for(audience, https=False) == wanted
    assert headers_for(audience, https=True) == {**wanted, "Strict-Transport-Security": "max-age=63072000"}


@pytest.mark.parametrize("audience", list(Audience))
def test_c12_tiles_change_the_pages_with_a_map_and_no_others(audience: Audience) -> None:
    plain, tiled = headers_for(audience, https=True), headers_for(audience, https=True, tiles=_TILES)
    if audience not in (Audience.MAP, Audience.EDITOR_MAP):
        assert tiled == plain
        return
    assert tiled["Referrer-Policy"] == "strict-origin-when-cross-origin"
    policy = plain["Content-Security-Policy"].replace("img-src 'self'", "img-src 'self'", 1)
    sources = policy.split("; ")[2]
    assert tiled["Content-Security-Policy"] == policy.replace(sources, f"{sources} https://tiles.example")


def test_a_tile_archive_is_read_by_script_from_its_origin_alone() -> None:
    policy = headers_for(Audience.MAP, https=True, tiles="https://maps.example/france.pmtiles")[
        "Content-Security-Policy"
    ]
    assert "connect-src 'self' https://maps.example;" in f"{policy};"


def test_no_audience_allows_anything_inline_or_evaluated() -> None:
    for audience in Audience:
        policy = headers_for(audience, https=True, tiles=_TILES)["Content-Security-Policy"]
        assert "unsafe-inline" not in policy
        assert "'unsafe-eval'" not in policy
        assert "*" not in policy
