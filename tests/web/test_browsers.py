"""The names of browsers."""

from __future__ import annotations

import pytest

from wallet_service.simulators.phones.iphone import SAFARI
from wallet_service.web.browsers import BrowserName, browser_name

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
WINDOWS = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT}"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
ANDROID = f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT}"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "browser", "system"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox", "Windows"),
        (f"{WINDOWS} Chrome/142.0.0.0 Safari/537.36", "Chrome", "Windows"),
        (f"{WINDOWS} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", "Edge", "Windows"),
        (f"{WINDOWS} Chrome/142.0.0.0 Safari/537.36 OPR/124.0.0.0", "Opera", "Windows"),
        (f"{WINDOWS} Chrome/142.0.0.0 Safari/537.36 Vivaldi/7.6", "Vivaldi", "Windows"),
        (f"{MAC} Version/26.0 Safari/605.1.15", "Safari", "Mac"),
        (f"{MAC} Chrome/142.0.0.0 Safari/537.36", "Chrome", "Mac"),
        (SAFARI, "Safari", "iPhone"),
        (f"{IPHONE} CriOS/142.0 Mobile/15E148 Safari/604.1", "Chrome", "iPhone"),
        (f"{IPHONE} FxiOS/145.0 Mobile/15E148 Safari/605.1.15", "Firefox", "iPhone"),
        (f"{IPHONE} Version/18.0 EdgiOS/142.0 Mobile/15E148 Safari/605.1.15", "Edge", "iPhone"),
        (f"{IPHONE} Version/26.0 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15", "DuckDuckGo", "iPhone"),
        ("Mozilla/5.0 (iPad; CPU OS 12_5 like Mac OS X) Version/12.1 Mobile/15E148 Safari/604.1", "Safari", "iPad"),
        (f"{ANDROID} Chrome/142.0.0.0 Mobile Safari/537.36", "Chrome", "Android"),
        (f"{ANDROID} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", "Samsung Internet", "Android"),
        (f"{ANDROID} Chrome/142.0.0.0 Mobile Safari/537.36 EdgA/142.0.0.0", "Edge", "Android"),
        ("Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0", "Firefox", "Android"),
        (f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/156.0.0.0 Safari/537.36", "Chrome", "Linux"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/142.0.0.0 Safari/537.36", "Chrome", "ChromeOS"),
        ("Werkzeug/3.1", None, None),
        ("curl/8.5.0", None, None),
        ("", None, None),
        ("Mozilla/5.0 (Windows NT 6.1)", None, "Windows"),
    ],
)
def test_the_name_of_a_browser(agent: str, browser: str | None, system: str | None) -> None:
    assert browser_name(agent) == BrowserName(browser, system)
