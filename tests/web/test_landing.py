"""The smart link, for every device that may open it."""

from __future__ import annotations

import pytest
import requests

from tests.system import System, eventually
from wallet_service.simulators.phones.wallet_rules import open_bundle

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 27_0 like Mac OS X) AppleWebKit/605.1.15 Version/27.0 Mobile Safari/604.1"
ANDROID = "Mozilla/5.0 (Linux; Android 17; Pixel 11) AppleWebKit/537.36 Chrome/150.0 Mobile Safari/537.36"
DESKTOP = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/150.0 Safari/537.36"


def get(url: str, agent: str, language: str = "fr") -> requests.Response:
    """Open a link with a browser, without following redirects."""
    headers = {"User-Agent": agent, "Accept-Language": language}
    return requests.get(url, headers=headers, allow_redirects=False, timeout=30)


def test_an_iphone_gets_the_pass(system: System) -> None:
    card = system.enrol()
    answer = get(card["links"]["card"], IPHONE)
    bundle = open_bundle(answer.content, roots_pem=system.chain.root_pem, allow_http=True)
    assert bundle.serial_number == card["serial_number"]


def test_android_is_sent_to_google(system: System) -> None:
    card = system.enrol()
    with system.working():
        first = get(card["links"]["card"], ANDROID)
        assert (first.status_code, first.headers["Location"]) == (302, card["links"]["google"])
        second = get(card["links"]["google"], ANDROID)
    assert second.status_code == 302
    assert second.headers["Location"].startswith(system.google.save_url.rstrip("/"))


def test_while_google_is_away_the_link_carries_the_card(system: System) -> None:
    """Nothing works at Google: the link holds the object and its class, and a phone can save it later."""
    card = system.enrol()
    link = get(card["links"]["google"], ANDROID).headers["Location"]
    assert len(link.rsplit("/", 1)[1]) <= 1800
    android = system.android()
    android.open_link(card["links"]["card"])
    assert android.shows().fields["accountName"].text == "Claire Moreau"


@pytest.mark.parametrize("agent", [DESKTOP])
@pytest.mark.parametrize(("language", "words"), [("fr", "Scannez ce code"), ("en-GB", "Scan this code")])
def test_others_get_a_page_in_their_language(system: System, agent: str, language: str, words: str) -> None:
    card = system.enrol()
    page = get(card["links"]["card"], agent, language)
    assert page.status_code == 200
    assert words in page.text
    assert f'lang="{language[:2]}"' in page.text
    assert "/pass.pkpass" in page.text
    assert "/google" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    code = get(card["links"]["card"] + "/qr.svg", agent)
    assert (code.headers["Content-Type"], code.status_code) == ("image/svg+xml; charset=utf-8", 200)


def test_images_of_a_design_may_be_kept_for_ever(system: System) -> None:
    card = system.enrol()
    page = get(card["links"]["card"], DESKTOP).text
    path = page.split('class="logo" src="')[1].split('"')[0]
    image = get(system.url + path, DESKTOP)
    assert image.content.startswith(b"\x89PNG")
    assert "immutable" in image.headers["Cache-Control"]
    assert get(system.url + path.replace("logo", "passwords"), DESKTOP).status_code == 404


@pytest.mark.parametrize("path", ["/c/none", "/c/none/pass.pkpass", "/c/none/google", "/c/none/qr.svg"])
def test_a_link_to_nothing_is_a_page_for_people(system: System, path: str) -> None:
    answer = get(system.url + path, DESKTOP, "en")
    assert answer.status_code == 404
    assert "This card is not available" in answer.text


def test_operations(system: System) -> None:
    assert requests.get(f"{system.url}/healthz", timeout=30).text == "alive\n"
    unready = requests.get(f"{system.url}/readyz", timeout=30)
    assert (unready.status_code, unready.json()["checks"]["worker"]) == (503, "no worker has been heard of lately")
    with system.working():
        ready = eventually(lambda: (one := requests.get(f"{system.url}/readyz", timeout=30)).ok and one.json())
    checks = {"database": "ok", "keys": {"lumiere": "ok"}, "worker": "ok", "channels": {}}
    assert ready == {"ready": True, "checks": checks}
    assert "wallet_events_total" in requests.get(f"{system.url}/metrics", timeout=30).text


def test_item_50_googlebot_may_bring_callbacks(system: System) -> None:
    """google-wallet.md section 25."""
    from urllib.robotparser import RobotFileParser

    robots = RobotFileParser()
    robots.parse(requests.get(f"{system.url}/robots.txt", timeout=30).text.splitlines())
    assert robots.can_fetch("Googlebot", "/google/callback")
    assert robots.can_fetch("Googlebot", "/c/images/0123/logo.png")
    assert not robots.can_fetch("Googlebot", "/c/some-card")
