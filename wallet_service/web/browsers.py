"""What a browser is called by people: “Firefox on Windows”, out of what it calls itself. Pure.

Only for showing: nothing is decided by it. Each rule is a word that the header holds, the more particular ones first,
for a browser names those that it is like as well: every Edge calls itself Chrome and Safari too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_BROWSERS = (
    (r"\bEdg(?:e|A|iOS)?/", "Edge"),
    (r"\b(?:OPR|OPT|OPiOS|Opera)/", "Opera"),
    (r"\bSamsungBrowser/", "Samsung Internet"),
    (r"\bVivaldi/", "Vivaldi"),
    (r"\bDuckDuckGo/|\bDdg/", "DuckDuckGo"),
    (r"\bYaBrowser/", "Yandex"),
    (r"\bFirefox/|\bFxiOS/", "Firefox"),
    (r"\bHeadlessChrome/|\bChrom(?:e|ium)/|\bCriOS/", "Chrome"),
    (r"\bVersion/[\d.]+.*\bSafari/", "Safari"),
)
_SYSTEMS = (
    (r"\biPhone\b|\biPod\b", "iPhone"),
    (r"\biPad\b", "iPad"),
    (r"\bAndroid\b", "Android"),
    (r"\bCrOS\b", "ChromeOS"),
    (r"\bWindows\b", "Windows"),
    (r"\bMacintosh\b|\bMac OS X\b", "Mac"),
    (r"\bLinux\b|\bX11\b", "Linux"),
)


@dataclass(frozen=True, slots=True)
class BrowserName:
    """A browser and what it runs on, each as its maker writes it; None where the header does not say."""

    browser: str | None
    system: str | None


def browser_name(user_agent: str) -> BrowserName:
    """The name of a browser by its header `User-Agent`. An iPad that asks for desktop pages calls itself a Mac."""
    return BrowserName(_first(_BROWSERS, user_agent), _first(_SYSTEMS, user_agent))


def _first(rules: tuple[tuple[str, str], ...], text: str) -> str | None:
    return next((name for pattern, name in rules if re.search(pattern, text)), None)
