"""Rendering: whole pages, blocks of them, languages, and what every page has (console checks C12, C18, C25)."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import UndefinedError

from tests.browser.style_guide import create_guide
from tests.web.page_reader import Page, read_page
from wallet_service.web.assets import UnknownAsset
from wallet_service.web.headers import Audience, headers_for
from wallet_service.web.locale import Reader
from wallet_service.web.pages import page, read_as, templates_of

PARIS = ZoneInfo("Europe/Paris")
PAGES = ("console", "offer", "store", "confirm", "public")


@pytest.fixture(scope="module")
def guide() -> Flask:
    return create_guide()


@pytest.fixture
def client(guide: Flask) -> FlaskClient:
    return guide.test_client()


def get(client: FlaskClient, path: str) -> Page:
    answer = client.get(path)
    assert answer.status_code == 200
    return read_page(answer.text)


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_whole(client: FlaskClient, name: str, language: str) -> None:
    found = get(client, f"/{name}?lang={language}")
    assert found.faults() == []
    assert found.language == language


@pytest.mark.parametrize("name", PAGES)
def test_c25_the_two_languages_share_no_sentence_of_ours(client: FlaskClient, name: str) -> None:
    words = {language: get(client, f"/{name}?lang={language}").text for language in ("fr", "en")}
    for english, french in (
        ("Skip to content", "Aller au contenu"),
        ("(optional)", "(facultatif)"),
        ("Sign out", "Se déconnecter"),
    ):
        assert (english in words["en"]) == (french in words["fr"])
        assert french not in words["en"]
        assert english not in words["fr"]


def test_the_language_is_told_and_the_switch_is_in_the_other_one(client: FlaskClient) -> None:
    answer = client.get("/public", headers={"Accept-Language": "en-US,en;q=0.9,fr;q=0.5"})
    assert answer.headers["Content-Language"] == "en"
    assert "Accept-Language" in answer.headers["Vary"]
    assert '<a href="/public?lang=fr" hreflang="fr" lang="fr">Version française</a>' in answer.text


@pytest.mark.parametrize(
    ("name", "audience"), [("console", Audience.CONSOLE), ("offer", Audience.EDITOR), ("public", Audience.PUBLIC)]
)
def test_c12_a_page_carries_the_headers_of_its_audience(client: FlaskClient, name: str, audience: Audience) -> None:
    answer = client.get(f"/{name}")
    for header, value in headers_for(audience, https=False).items():
        assert answer.headers[header] == value


def test_a_block_by_itself_is_what_it_is_within_the_page(client: FlaskClient) -> None:
    part, whole = client.get("/console/results").text, client.get("/console").text
    assert part.strip().startswith('<div class="listing cards">')
    assert part.partition('<div id="status"')[0].strip() in whole
    assert "<html" not in part


def test_a_value_that_was_forgotten_fails_the_render(guide: Flask) -> None:
    with guide.test_request_context("/"):
        read_as(Reader("fr", PARIS))
        with pytest.raises(UndefinedError, match="frame"):
            page("guide/console.html", Audience.CONSOLE)


def test_a_static_file_that_is_not_there_fails_the_render(guide: Flask) -> None:
    with guide.app_context(), pytest.raises(UnknownAsset):
        templates_of(guide).from_string("{{ asset('vendor/missing.js') }}").render()


def test_a_table_without_words_for_having_no_rows_cannot_be_written(guide: Flask) -> None:
    source = '{% from "parts/lists.html" import table %}{% call(r, k) table("x", [], []) %}{% endcall %}'
    with guide.test_request_context("/"), pytest.raises(UndefinedError, match="empty_words"):
        templates_of(guide).from_string(source).render()


def test_words_from_people_are_text_and_never_markup(guide: Flask) -> None:
    source = """{% from "parts/states.html" import badge %}{{ badge(words, "full") }}
        {{ _("%(label)s: %(sentence)s", label=words, sentence="") }}"""
    with guide.test_request_context("/"):
        read_as(Reader("en", PARIS))
        text = templates_of(guide).from_string(source).render(words="<script>")
    assert "<script>" not in text
    assert text.count("&lt;script&gt;") == 2


def test_c18_a_refused_form_says_so_in_its_title_and_keeps_what_was_typed(client: FlaskClient) -> None:
    answer = client.post(
        "/offer?lang=fr", data={"title.fr": "x" * 501, "uses_total": "douze", "notify": ["", "on"], "_draft": "1"}
    )
    assert answer.status_code == 422
    found = read_page(answer.text)
    assert found.faults() == []
    assert found.title.startswith("Erreur\u202f: Nouvelle offre")
    assert found.one("input", name="uses_total").get("value") == "douze"
    assert found.one("input", name="uses_total").get("aria-invalid") == "true"
    assert found.one("input", name="notify", type="checkbox").get("checked") is not None
    assert "Saisissez 500 caractères au plus." in found.text
    summary = found.one("div", role="alert")
    assert summary.get("autofocus") is not None
    links = [link.get("href") for link in summary.iter("a")]
    assert "#field-title-fr" in links
    assert "#field-uses_total" in links


def test_a_form_that_is_accepted_leads_on(client: FlaskClient) -> None:
    typed = {
        "title.fr": "Soirée",
        "store_ids": ["", "lyon"],
        "starts_at": "2026-11-27T10:00",
        "ends_at": "2026-11-27T18:00",
    }
    answer = client.post("/offer", data=typed)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console")


def test_the_reader_of_pages_finds_what_is_wrong() -> None:
    """The checks themselves: each broken page is found out."""
    good = '<!doctype html><html lang="fr"><head><title>T</title></head><body><h1>H</h1>{}</body></html>'
    assert read_page(good.format("")).faults() == []
    for wrong in (
        "<h1>two</h1>",
        '<p id="a"></p><p id="a"></p>',
        "<input name='x'>",
        '<p style="color: red">x</p>',
        "<script>1</script>",
        '<button onclick="x()">x</button>',
        '<img src="/x.png">',
        '<a href="https://elsewhere.example/x">x</a><script src="https://elsewhere.example/x.js"></script>',
        '<p aria-describedby="nowhere">x</p>',
        "<p><div></p>",
        '<a href="#nowhere">x</a>',
    ):
        assert read_page(good.format(wrong)).faults() != [], wrong
