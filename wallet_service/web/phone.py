"""What a visitor of a card's smart link can do with it, by what their browser calls itself. Pure."""

from __future__ import annotations

import re
from typing import Literal

Visitor = Literal["iphone", "iphone_browser", "iphone_app", "android", "android_app", "ipad", "desktop", "robot"]
"""`iphone`: Safari, the one that surely opens passes. `iphone_browser`: another browser there. `…_app`: the browser
inside an app, which opens neither a pass nor Google's page. `robot`: fetches the link to show a preview of it.
"""

_ROBOT = re.compile(
    r"bot\b|bot/|crawl|spider|preview|facebookexternalhit|WhatsApp/|GoogleMessages|SkypeUriPreview|Snapchat-Proxy"
    r"|Google-PageRenderer|Google-Read-Aloud|Mastodon|Embedly|vkShare",
    re.IGNORECASE,
)
_IN_APP = re.compile(
    r"FBAN|FBAV|FB_IAB|Instagram|Line/|Snapchat|TikTok|musical_ly|BytedanceWebview|LinkedInApp|Pinterest|MicroMessenger"
    r"|Twitter for|GSA/|; wv\)"
)
_OTHER_BROWSER = re.compile(r"CriOS/|FxiOS/|EdgiOS/|OPiOS/|OPT/|DuckDuckGo/|Brave/")


def visitor_of(user_agent: str, *, method: str = "GET", purpose: str = "") -> Visitor:
    """Who opens the link.

    Args:
        user_agent: the header, as it came.
        method: a `HEAD` is a look, and no tap of a person's.
        purpose: of the header `Sec-Purpose` (or `Purpose`): a browser that fetches ahead is no person either.

    Source: spec console, 9.3. An iPad's Safari calls itself a Macintosh since iPadOS 13, and so is a desktop here.
    """
    if method == "HEAD" or "prefetch" in purpose or "prerender" in purpose or _ROBOT.search(user_agent):
        return "robot"
    in_app = _IN_APP.search(user_agent) is not None
    if "iPhone" in user_agent or "iPod" in user_agent:
        if in_app or "Safari/" not in user_agent:  # an app's own view does not call itself Safari
            return "iphone_app"
        return "iphone_browser" if _OTHER_BROWSER.search(user_agent) else "iphone"
    if "iPad" in user_agent:
        return "ipad"
    if "Android" in user_agent:
        return "android_app" if in_app else "android"
    return "desktop"
