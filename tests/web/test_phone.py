"""What a visitor can do with a card's link: each row of the table (console spec, 9.3), by kind and by answer."""

from __future__ import annotations

import pytest
import requests

from tests.system import System
from wallet_service.web.phone import Visitor, visitor_of

_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {_WEBKIT}"
_ANDROID = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko)"
SAFARI = f"{_IPHONE} Version/18.6 Mobile/15E148 Safari/604.1"
IPHONE_CHROME = f"{_IPHONE} CriOS/139.0 Mobile/15E148 Safari/604.1"
IPHONE_TIKTOK = f"{_IPHONE} Mobile/15E148 Safari/604.1 musical_ly_41.1.0 BytedanceWebview/0"
CHROME = f"{_ANDROID} Chrome/140.0.0.0 Mobile Safari/537.36"
ANDROID_WEBVIEW = f"{_ANDROID.replace('Pixel 9', 'Pixel 9; wv')} Version/4.0 Chrome/140.0.0.0 Mobile Safari/537.36"
IPAD = f"Mozilla/5.0 (iPad; CPU OS 15_7 like Mac OS X) {_WEBKIT} Version/15.6 Mobile/15E148 Safari/604.1"
DESKTOP = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
SMS_PREVIEW = f"{_ANDROID} Chrome/140.0.0.0 Mobile Safari/537.36 GoogleMessages/21.0"
PASS = "application/vnd.apple.pkpass"


@pytest.mark.parametrize(
    ("agent", "visitor"),
    [
        (SAFARI, "iphone"),
        (IPHONE_CHROME, "iphone_browser"),
        (f"{_IPHONE} FxiOS/140.0 Mobile/15E148 Safari/605.1.15", "iphone_browser"),
        (f"{_IPHONE} Version/18.0 EdgiOS/139.0 Mobile/15E148 Safari/604.1", "iphone_browser"),
        (IPHONE_TIKTOK, "iphone_app"),
        (f"{_IPHONE} Mobile/15E148", "iphone_app"),
        (f"{_IPHONE} Mobile/15E148 MicroMessenger/8.0.50 NetType/WIFI Language/fr", "iphone_app"),
        (f"{_IPHONE} Mobile/15E148 Instagram 350.0 (iPhone15,2; iOS 18_6; fr_FR)", "iphone_app"),
        (f"{_IPHONE} Mobile/15E148 [FBAN/FBIOS;FBAV/520.0]", "iphone_app"),
        (f"{_IPHONE} Mobile/15E148 Safari Line/15.0", "iphone_app"),
        (f"{_IPHONE} Mobile/15E148 Snapchat/13.0 (like Safari/8617)", "iphone_app"),
        (f"{_IPHONE} Mobile/15E148 LinkedInApp/9.31", "iphone_app"),
        (f"{_IPHONE} Mobile/15E148 [Pinterest/iOS]", "iphone_app"),
        (CHROME, "android"),
        (f"{_ANDROID} Version/4.0 Chrome/140.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/520.0]", "android_app"),
        (ANDROID_WEBVIEW, "android_app"),
        (IPAD, "ipad"),
        (DESKTOP, "desktop"),
        ("", "desktop"),
        (SMS_PREVIEW, "robot"),
        ("WhatsApp/2.24.8 A", "robot"),
        ("facebookexternalhit/1.1 Facebot Twitterbot/1.0", "robot"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "robot"),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "robot"),
    ],
)
def test_who_opens_the_link(agent: str, visitor: Visitor) -> None:
    assert visitor_of(agent) == visitor


@pytest.mark.parametrize("agent", [SAFARI, CHROME, DESKTOP])
def test_who_only_looks_is_no_person(agent: str) -> None:
    assert visitor_of(agent, method="HEAD") == "robot"
    assert visitor_of(agent, purpose="prefetch;prerender") == "robot"


def get(url: str, agent: str, method: str = "GET") -> requests.Response:
    headers = {"User-Agent": agent, "Accept-Language": "fr"}
    return requests.request(method, url, headers=headers, allow_redirects=False, timeout=30)


def test_each_row_has_its_answer(system: System) -> None:
    link = system.enrol()["links"]["card"]
    assert get(link, SAFARI).headers["Content-Type"] == PASS
    page = get(f"{link}?page", SAFARI)
    assert "/pass.pkpass" in page.text
    assert "/google" not in page.text

    chrome = get(link, IPHONE_CHROME).text
    assert "/pass.pkpass" in chrome
    assert f"Rien ne s’ouvre ? Ouvrez cette page dans Safari : {link}" in chrome
    assert "qr.svg" not in chrome

    for agent, browser in ((IPHONE_TIKTOK, "Safari"), (ANDROID_WEBVIEW, "Chrome")):
        answer = get(link, agent)
        assert (answer.status_code, f"Ouvrez dans {browser}" in answer.text) == (200, True)
        assert link in answer.text
        assert ("intent://" in answer.text) is (browser == "Chrome")
        for other_way in ("qr.svg", "/pass.pkpass", "/google"):
            assert other_way not in answer.text

    assert get(link, CHROME).headers["Location"] == f"{link}/google"
    ipad = get(link, IPAD)
    assert ("qr.svg" in ipad.text, "/pass.pkpass" in ipad.text, "/google" in ipad.text) == (True, True, False)
    desktop = get(link, DESKTOP)
    assert ("qr.svg" in desktop.text, "/pass.pkpass" in desktop.text, "/google" in desktop.text) == (True, True, True)


@pytest.mark.parametrize(("agent", "method"), [(SMS_PREVIEW, "GET"), (SAFARI, "HEAD"), (CHROME, "HEAD")])
def test_a_preview_gets_a_page_and_makes_nothing_at_google(system: System, agent: str, method: str) -> None:
    link = system.enrol()["links"]["card"]
    for address in (link, f"{link}/google"):
        answer = get(address, agent, method)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert system.rows("SELECT FROM deliveries WHERE kind = 'google' AND wanted_version > 0") == []


def test_a_persons_tap_makes_the_object(system: System) -> None:
    link = system.enrol()["links"]["card"]
    assert get(f"{link}/google", CHROME).status_code == 302
    assert len(system.rows("SELECT FROM deliveries WHERE kind = 'google' AND wanted_version > 0")) == 1


def test_a_card_of_long_texts_is_saved_while_google_is_away(system: System) -> None:
    """The long form without its texts, which Google gets from the worker; never a word of an incomplete link."""
    link = system.enrol(first_name="Ж" * 200, last_name="Щ" * 200, card_number="x" * 64)["links"]["card"]
    answer = get(f"{link}/google", CHROME)
    assert answer.status_code == 302
    assert len(answer.headers["Location"].rsplit("/", 1)[1]) <= 1800


def test_a_wallet_that_the_programme_has_not_is_named_as_such(system: System) -> None:
    link = system.enrol()["links"]["card"]
    with system.services.sessions.begin() as db:
        db.connection().exec_driver_sql("UPDATE programs SET document = document - 'google'")
    answer = get(f"{link}/google", CHROME)
    assert (answer.status_code, "Votre lien est bon" in answer.text) == (404, True)
    assert "Le lien est incomplet" not in answer.text
