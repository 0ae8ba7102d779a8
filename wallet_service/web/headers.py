"""Security headers: one table, a row for each audience. Pure.

Nothing comes from elsewhere, nothing is framed, nothing is written inline; each row adds only what its pages need.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import urlsplit


class Audience(StrEnum):
    """Whose pages they are, and what these need beyond text, style and our own images."""

    PUBLIC = "public"
    """`/join`, `/c`: no script at all."""
    PUBLIC_LIVE = "public-live"
    """The desktop's page of a card, which asks whether the card has reached a phone."""
    CONSOLE = "console"
    EDITOR = "editor"
    """Console pages with previews drawn on the spot, which travel inside the page."""
    MAP = "map"
    """Console pages with a map: its tiles are the only address from outside."""
    EDITOR_MAP = "editor-map"
    TILL = "till"


_NOBODY: Mapping[str, str] = {
    "default-src": "'none'",
    "style-src": "'self'",
    "img-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_SCRIPTED = {**_NOBODY, "script-src": "'self'", "connect-src": "'self'"}
_POLICY: Mapping[Audience, Mapping[str, str]] = {
    Audience.PUBLIC: _NOBODY,
    Audience.PUBLIC_LIVE: _SCRIPTED,
    Audience.CONSOLE: _SCRIPTED,
    Audience.EDITOR: {**_SCRIPTED, "img-src": "'self' data:"},
    Audience.MAP: _SCRIPTED,
    Audience.EDITOR_MAP: {**_SCRIPTED, "img-src": "'self' data:"},
    Audience.TILL: {
        **_SCRIPTED,
        "script-src": "'self' 'wasm-unsafe-eval'",
        "worker-src": "'self'",
        "media-src": "'self' blob:",
        "manifest-src": "'self'",
    },
}
_PUBLIC = (Audience.PUBLIC, Audience.PUBLIC_LIVE)
_WITH_TILES = (Audience.MAP, Audience.EDITOR_MAP)
_NO_DEVICES = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
_FOR_TWO_YEARS = "max-age=63072000"


def headers_for(audience: Audience, *, https: bool, tiles: str | None = None) -> dict[str, str]:
    """The headers of a page.

    Args:
        audience: whose page it is.
        https: whether the public address is https, as it is in production.
        tiles: the address pattern of map tiles, where the installation has them; used by pages with a map.
    """
    policy = dict(_POLICY[audience])
    shows_tiles = audience in _WITH_TILES and tiles is not None
    if shows_tiles:
        origin = _origin_of(tiles or "")
        policy["img-src"] += f" {origin}"
        policy["connect-src"] += f" {origin}" if (tiles or "").endswith(".pmtiles") else ""
    devices = _NO_DEVICES.replace("camera=()", "camera=(self)") if audience is Audience.TILL else _NO_DEVICES
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {sources}" for name, sources in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": _referrer(audience, shows_tiles),
        "Permissions-Policy": devices,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        # the till's pages are the same for every member and are kept for the hours without a line
        "Cache-Control": "no-cache" if audience is Audience.TILL else "no-store",
    }
    if audience in _PUBLIC:
        headers["X-Robots-Tag"] = "noindex"
    if https:
        headers["Strict-Transport-Security"] = _FOR_TWO_YEARS
    return headers


def _referrer(audience: Audience, shows_tiles: bool) -> str:
    """Nobody else learns an address of ours. A page that says `no-referrer` sends its forms with `Origin: null`, which
    the cross-site guard of a session cannot work with; servers of tiles refuse who does not say where they come from.
    """
    if shows_tiles:
        return "strict-origin-when-cross-origin"
    return "no-referrer" if audience in _PUBLIC else "same-origin"


def _origin_of(address: str) -> str:
    parts = urlsplit(address.replace("{s}", "*"))
    return f"{parts.scheme}://{parts.netloc}"
