"""Cross-site guard, own addresses, the client's address (console checks C11 and C16)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wallet_service.web.origin import is_cross_site, own_path

_PUBLIC = "https://cards.example.com"


@pytest.mark.parametrize(
    ("headers", "has_cookie", "refused"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True, False),
        ({"Sec-Fetch-Site": "none"}, True, False),
        ({"Sec-Fetch-Site": "cross-site"}, True, True),
        ({"Sec-Fetch-Site": "cross-site"}, False, True),
        ({"Sec-Fetch-Site": "same-site"}, True, True),
        ({"Sec-Fetch-Site": "cross-site", "Origin": _PUBLIC}, True, True),
        ({"Sec-Fetch-Site": "something-new"}, True, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, True, False),
        ({"Origin": _PUBLIC}, True, False),
        ({"Origin": "https://CARDS.example.com:443"}, True, False),
        ({"Origin": "http://cards.example.com"}, True, True),
        ({"Origin": "https://cards.example.com:8443"}, True, True),
        ({"Origin": "https://evil.example"}, True, True),
        ({"Origin": "https://evil.example"}, False, True),
        ({"Origin": "https://cards.example.com.evil.example"}, True, True),
        ({"Origin": "https://cards.example.com:port"}, True, True),
        ({"Origin": "null"}, True, True),
        ({"Origin": "null"}, False, False),
        ({}, True, True),
        ({}, False, False),
        ({"Host": "evil.example", "Origin": "https://evil.example"}, True, True),
    ],
)
def test_c11_who_may_post(headers: dict[str, str], has_cookie: bool, refused: bool) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert is_cross_site(method, headers, public_url=_PUBLIC, has_cookie=has_cookie) is refused


def test_c11_reading_is_never_refused() -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        assert not is_cross_site(method, {"Sec-Fetch-Site": "cross-site"}, public_url=_PUBLIC, has_cookie=True)


@pytest.mark.parametrize("wish", ["/console/lumiere/offers?state=draft", "/", "/console/#top", "/c/é"])
def test_c16_an_own_path_is_taken(wish: str) -> None:
    assert own_path(wish, "/console") == wish


@pytest.mark.parametrize(
    "wish",
    [
        None,
        "",
        "console",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/a\\b",
        "https://evil.example/console",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/\n//evil.example",
        " /console",
        "/\x00",
    ],
)
def test_c16_anything_else_leads_home(wish: str | None) -> None:
    assert own_path(wish, "/console") == "/console"


@settings(deadline=None)  # a busy machine is no fault
@given(st.text(alphabet="/\\.:@?#ae\t\n\r \x00\u2028", max_size=12))
def test_c16_no_text_leads_to_another_host(wish: str) -> None:
    """As browsers resolve it: they drop tabs and line ends and read backslashes as slashes."""
    taken = own_path(wish, "/console")
    as_browsers_read = taken.translate(str.maketrans("\\", "/", "\t\n\r"))
    assert as_browsers_read.startswith("/")
    assert not as_browsers_read.startswith("//")
