"""The demo's page: what it shows, what its buttons do, and that it hears of changes by itself."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
from PIL import Image, ImageChops

from tests.demo.conftest import STAFF, Playing
from tests.system import eventually
from wallet_service.demo.brand import MEMBERS, TIME_ZONE
from wallet_service.demo.commands import commands
from wallet_service.demo.words import WORDS, language_of


def pictures(playing: Playing) -> dict[str, Image.Image]:
    """The phones' screens as they are now."""
    found = {}
    for name in ("iphone", "lock", "android"):
        answer = playing.get(f"/pictures/{name}.png")
        assert answer.headers["Content-Type"] == "image/png"
        found[name] = Image.open(io.BytesIO(answer.content)).convert("RGB")
    return found


def differ(one: Image.Image, other: Image.Image) -> bool:
    """Whether two pictures look different."""
    return one.size != other.size or ImageChops.difference(one, other).getbbox() is not None


def changes(answer: requests.Response) -> Iterator[dict[str, Any]]:
    """The server-sent events of an answer."""
    for line in answer.iter_lines(chunk_size=1):
        if line.startswith(b"data: "):
            yield json.loads(line.removeprefix(b"data: "))


def test_the_page_in_both_languages(playing: Playing) -> None:
    french, english = playing.get("/", **{"Accept-Language": "fr-FR"}), playing.get("/?lang=en")
    assert WORDS["fr"]["purchase"] in french.text
    assert 'lang="fr"' in french.text
    assert "Android affiche 79 points" in french.text
    assert WORDS["en"]["purchase"] in english.text
    assert "Android shows 79 points" in english.text
    assert playing.get("/", **{"Accept-Language": "de, en;q=0.8, fr;q=0.5"}).headers["Content-Language"] == "en"
    for page in (french, english):
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert "<script>" not in page.text
        assert "style=" not in page.text
        assert playing.session.link in page.text
        assert f"{playing.installation.url}/api/docs" in page.text
    assert playing.get("/static/page.css").ok
    assert playing.get("/static/page.js").headers["Content-Type"].startswith("text/javascript")
    assert playing.get("/static/../page.py").status_code == 404
    assert playing.get("/elsewhere").status_code == 404


def test_a_purchase_changes_the_pictures_and_tells_who_listens(playing: Playing) -> None:
    before = pictures(playing)
    with requests.get(f"{playing.url}/events?lang=en", stream=True, timeout=20) as stream:
        told = changes(stream)
        first = next(told)
        assert first["news"] == ""
        assert "Points 25" in playing.press("purchase").text  # without the script, the page waits for the phones
        heard = []
        for change in told:
            heard.append(change)
            if change["fragments"]["proof"].count('<li class="good">') == 2 and all(
                "25" in picture["alt"] for picture in change["pictures"].values()
            ):
                break
        assert any(WORDS["en"]["iphone"] in one["news"] and "Points 25" in one["news"] for one in heard)
        assert heard[-1]["pictures"]["iphone"]["src"] != first["pictures"]["iphone"]["src"]
    after = pictures(playing)
    assert all(differ(before[name], after[name]) for name in before)
    page = playing.get("/?lang=en").text
    assert "Points 25" in page
    assert WORDS["en"]["step_fetched"] in page


def test_offline_then_online(playing: Playing) -> None:
    page = playing.press("offline")
    assert WORDS["fr"]["done_offline"] in page.text
    assert WORDS["fr"]["online"] in page.text
    playing.press("purchase")
    eventually(lambda: WORDS["fr"]["state_told"] in playing.get("/?lang=fr").text)
    assert "n’est pas encore venu chercher la carte" in playing.get("/?lang=fr").text
    assert playing.installation.iphone.shows(playing.session.serial_number).text("points") == "0"
    assert playing.press("online", script=True).json()["message"] == WORDS["fr"]["done_online"]
    playing.wait_for_points("25")
    eventually(lambda: WORDS["fr"]["state_told"] not in playing.get("/?lang=fr").text)


def test_one_sentence_for_each_phone_says_how_it_stands(playing: Playing) -> None:
    playing.press("purchase")
    said = r"iPhone de Claire\u202f: <strong>à jour</strong> depuis [\d:]{8} — récupérée [\d,]+\xa0m?s après l’achat\."
    page = playing.get("/?lang=fr").text
    assert re.search(said, page), page
    assert re.search(r"Google <strong>a la dernière version</strong> \([\d:]{8}\)\u202f; l’affichage", page)
    versions, sentences = page.index('data-fragment="versions"'), page.index('data-fragment="proof"')
    assert sentences < page.index("<details>") < versions < page.index("</details>")


def test_the_log_and_the_sentences_have_the_clock_of_the_stores(playing: Playing) -> None:
    playing.press("purchase")
    shown = next(one for one in reversed(playing.session.snapshot.log_entries) if one.step == "fetched")
    here = shown.at.astimezone(ZoneInfo(TIME_ZONE))
    assert here.utcoffset()  # it differs from UTC, where this machine may run
    page = playing.get("/?lang=fr").text
    assert f'<time datetime="{shown.at.isoformat()}">{here:%H:%M:%S}</time>' in page
    fetched = next(end.fetched_at for end in playing.session.snapshot.far_ends if end.kind == "apple")
    assert fetched is not None
    assert f"depuis {fetched.astimezone(ZoneInfo(TIME_ZONE)):%H:%M:%S}" in page


def test_a_note_about_another_card_does_not_come_to_the_lock_screen(playing: Playing) -> None:
    playing.press("purchase")
    before = playing.session.snapshot.lock_screen
    assert before is not None
    api, iphone = playing.installation.api, playing.installation.iphone
    api("PUT", "/members/M-1002", MEMBERS["M-1002"])
    other = api("POST", "/members/M-1002/card")
    iphone.open_link(other["links"]["card"])
    playing.session.settle(1)
    api("PUT", "/members/M-1002/balances", {"sequence": 1, "points": 700, "tier": "Or"})
    iphone.wait_until(lambda phone: any(one.serial_number == other["serial_number"] for one in phone.notifications), 60)
    playing.press("refresh")
    playing.session.settle(1)
    assert playing.session.snapshot.lock_screen == before


def test_the_phones_are_drawn_whole_and_equally_wide(playing: Playing) -> None:
    sizes = {picture.size for picture in pictures(playing).values()}
    assert sizes == {(824, 1732)}


def test_each_person_has_an_address_a_password_and_a_task_for_today(playing: Playing) -> None:
    page = playing.get("/?lang=fr").text
    for person in STAFF:
        assert person.email in page
        assert person.password in page
        assert WORDS["fr"][f"route_{person.role}"] in page
    assert f'href="{playing.installation.url}/console/"' in page
    assert f'href="{playing.session.link}"' in page
    assert 'id="command-places"' in page


def test_the_tour_is_closed_and_says_how_it_went(playing: Playing) -> None:
    page = playing.get("/?lang=fr").text
    assert re.search(r"<summary>1 étape, réussie, en [\d,]+\xa0m?s</summary>", page)
    assert "<details open" not in page


def test_the_look_is_that_of_the_console(playing: Playing) -> None:
    shared = files("wallet_service.web").joinpath("static/css/tokens.css").read_text(encoding="utf-8")
    assert playing.get("/static/tokens.css").text == shared
    own = playing.get("/static/page.css").text
    assert "var(--space-" in own
    assert re.search(r"#[0-9a-f]{3,6}\b", own) is None


def test_pull_to_refresh_fetches_without_a_push(playing: Playing) -> None:
    before = len(playing.installation.apns.announcements)
    playing.press("refresh")
    assert playing.installation.iphone.events[-1].step in ("unchanged", "shown")
    assert len(playing.installation.apns.announcements) == before


def test_an_offer_comes_to_the_lock_screen(playing: Playing) -> None:
    assert WORDS["en"]["done_offer"] in playing.press("offer", language="en").text
    eventually(lambda: "foulards de soie" in playing.get("/?lang=en").text)


def test_the_service_says_no(playing: Playing) -> None:
    playing.installation.api("DELETE", "/members/M-1001")
    answer = playing.press("purchase", script=True, language="en")
    assert answer.status_code == 502
    assert answer.json()["message"].startswith(WORDS["en"]["failed"])
    page = playing.press("purchase", language="fr")
    assert page.status_code == 502
    assert WORDS["fr"]["failed"] in page.text


def test_other_sites_are_kept_out(playing: Playing) -> None:
    assert playing.get("/", Host="attacker.example").status_code == 403
    assert playing.press("purchase", Origin="https://attacker.example").status_code == 403
    assert playing.get("/do/purchase").status_code == 404
    assert playing.installation.iphone.shows(playing.session.serial_number).text("points") == "0"


@pytest.mark.skipif(shutil.which("curl") is None, reason="the commands are curl's")
def test_every_command_does_what_it_says(playing: Playing) -> None:
    lines = {
        one.name: one.lines
        for one in commands(playing.installation.api.base, playing.installation.api.key, playing.session.serial_number)
    }

    def run(name: str) -> str:
        done = subprocess.run(["bash", "-c", lines[name]], capture_output=True, text=True, timeout=30, check=True)
        assert "faults" not in done.stdout, done.stdout
        return done.stdout

    run("purchase")
    assert json.loads(run("places"))["chosen"]
    playing.wait_for_points("49")
    run("balances")
    playing.wait_for_points("480")
    assert json.loads(run("card"))["far_ends"]
    assert json.loads(run("timeline"))["changes"][0]["far_ends"]
    assert json.loads(run("offer"))["state"] == "running"
    eventually(lambda: "Un thé vous attend" in playing.get("/").text)
    assert json.loads(run("void"))["state"] == "void"
    serial = playing.session.serial_number
    playing.installation.iphone.wait_until(lambda phone: phone.shows(serial).voided, 60)


@pytest.mark.parametrize(
    ("asked", "header", "expected"),
    [
        ("en", "fr", "en"),
        (None, "en-GB,en;q=0.9,fr;q=0.8", "en"),
        (None, "fr;q=0.5,en;q=0.4", "fr"),
        (None, "de, en;q=0", "fr"),
        (None, "*", "fr"),
        ("de", "", "fr"),
        (None, "en;q=oops, fr", "fr"),
    ],
)
def test_the_visitor_s_language(asked: str | None, header: str, expected: str) -> None:
    assert language_of(asked, header) == expected
