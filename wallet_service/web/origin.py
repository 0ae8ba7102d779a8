"""Cross-site guard, and which addresses are our own. Pure.

No token: browsers say themselves where a request comes from (`Sec-Fetch-Site`, then `Origin`; W3C, "Fetch Metadata
Request Headers"). `Origin` is compared with the public address, never with `Host`, which proxies rewrite.
"""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import urlsplit

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OURS = frozenset({"same-origin", "none"})
"""`none`: the person has done it in the browser itself, e.g. sent a form again after a restart."""
_UNSAID = frozenset({None, "", "null"})
"""Pages without referrer send `Origin: null` with a form: that says nothing about where it comes from."""


class Headers(Protocol):
    """A request's headers, whoever has parsed them."""

    def get(self, name: str, /) -> str | None:
        """The header of that name, or None."""


def is_cross_site(method: str, headers: Headers, *, public_url: str, has_cookie: bool) -> bool:
    """Whether a request may have been made by another site's page, and is to be refused.

    Args:
        method: the request's method; reading is never refused.
        headers: the request's headers.
        public_url: this installation's address, `WALLET_PUBLIC_URL`.
        has_cookie: whether the request carries a session. A browser too old to say where a request comes from may
            enrol, for which it needs no session, and may do nothing else.
    """
    if method in _SAFE_METHODS:
        return False
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in _OURS
    origin = headers.get("Origin")
    if origin in _UNSAID:
        return has_cookie
    return _origin_of(origin or "") != _origin_of(public_url)


def own_path(wish: str | None, fallback: str) -> str:
    """Where to go next: `wish` if it is a path of this site, else `fallback`.

    Browsers read `//host`, `/\\host` and control characters inside as another site's address: those are refused.
    """
    if wish is None or not wish.startswith("/") or re.match(r"/[/\\]", wish) or re.search(r"[\x00-\x20\x7f\\]", wish):
        return fallback
    parts = urlsplit(wish)
    return fallback if parts.scheme or parts.netloc else wish


def _origin_of(address: str) -> tuple[str, str, int | None]:
    parts = urlsplit(address)
    try:
        port = parts.port
    except ValueError:
        return ("", address, None)  # no address of ours has such a port
    return (parts.scheme, (parts.hostname or "").casefold(), port or {"http": 80, "https": 443}.get(parts.scheme))
