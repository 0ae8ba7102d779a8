"""Choice of language, dates, numbers and money as each language writes them (console checks C24, C26, C27)."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from wallet_service.web.locale import LANGUAGES, Reader, choose_locale, lazy, nlazy, po_file

ROOT = Path(__file__).parent.parent.parent
PARIS = ZoneInfo("Europe/Paris")
FR, EN = Reader("fr", PARIS), Reader("en", PARIS)
AT = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
NARROW, WIDE = "\u202f", "\u00a0"


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "offered", "chosen"),
    [
        ("en", "fr", ["fr"], ("fr", "en"), "en"),
        (None, "en", ["fr"], ("fr", "en"), "en"),
        (None, None, ["de", "en-US"], ("fr", "en"), "en"),
        (None, None, ["de"], ("fr", "en"), "fr"),
        (None, None, [], ("en", "fr"), "en"),
        ("xx", None, ["en"], ("fr", "en"), "en"),
        (None, None, ["fr-CA"], ("fr-CH", "en"), "fr-CH"),
        (None, None, ["en-GB"], ("en-US", "en-GB"), "en-GB"),
        (None, None, ["it"], ("it", "en"), "en"),  # we have no Italian pages, whatever the programme offers
        (None, None, ["it"], ("it",), "fr"),
    ],
)
def test_the_language_of_a_page(
    asked: str | None, kept: str | None, accepted: list[str], offered: tuple[str, ...], chosen: str
) -> None:
    assert choose_locale(asked=asked, kept=kept, accepted=accepted, offered=offered) == chosen


def test_numbers_percentages_and_money() -> None:
    assert FR.number(12480) == f"12{NARROW}480"
    assert EN.number(12480) == "12,480"
    assert FR.number(48.8566) == "48,8566"
    assert FR.percent(0.342) == f"34,2{NARROW}%"
    assert EN.percent(0.342) == "34.2%"
    assert FR.percent(1, 0) == f"100{NARROW}%"
    assert FR.money(2500, "EUR") == f"25,00{WIDE}€"
    assert EN.money(2500, "EUR") == "€25.00"
    assert EN.money(2500, "JPY") == "JP¥2,500"  # a currency without cents


def test_dates_are_in_the_zone_that_is_asked_for_and_name_it_where_it_is_not_the_readers() -> None:
    assert FR.moment(AT) == "ven. 27 nov. 2026, 10:00"
    assert EN.moment(AT) == "Fri 27 Nov 2026, 10:00"
    assert FR.moment(AT, "Europe/Paris") == "ven. 27 nov. 2026, 10:00"
    assert FR.moment(AT, "Indian/Reunion") == "ven. 27 nov. 2026, 13:00 (La Réunion)"
    assert EN.moment(AT, "Europe/Lisbon") == "Fri 27 Nov 2026, 09:00 (Lisbon)"
    assert FR.day(datetime(2026, 11, 27, 23, 30, tzinfo=UTC)) == "sam. 28 nov. 2026"
    assert FR.day(date(2026, 11, 27)) == "ven. 27 nov. 2026"
    assert FR.clock(AT + timedelta(seconds=7), seconds=True) == "10:00:07"


def test_c26_times_across_both_clock_changes() -> None:
    spring = datetime(2026, 3, 29, 0, 59, tzinfo=UTC)
    assert FR.moment(spring) == "dim. 29 mars 2026, 01:59"
    assert FR.moment(spring + timedelta(minutes=1)) == "dim. 29 mars 2026, 03:00"
    autumn = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert FR.moment(autumn) == "dim. 25 oct. 2026, 02:30 (UTC+02:00)"
    assert FR.moment(autumn + timedelta(hours=1)) == "dim. 25 oct. 2026, 02:30 (UTC+01:00)"
    assert FR.moment(autumn + timedelta(hours=2)) == "dim. 25 oct. 2026, 03:30"


def test_how_long_ago() -> None:
    assert FR.relative(AT - timedelta(minutes=3), AT) == "il y a 3 minutes"
    assert EN.relative(AT + timedelta(days=2), AT) == "in 2 days"
    assert FR.relative(AT, AT) == "à l’instant"


def test_sentences_made_in_code_wait_for_their_reader() -> None:
    at_most = nlazy("Enter at most %(num)s character.", "Enter at most %(num)s characters.", 1200)
    assert at_most.to(EN) == "Enter at most 1,200 characters."
    assert at_most.to(FR) == f"Saisissez 1{NARROW}200 caractères au plus."
    none = nlazy("Enter at most %(num)s character.", "Enter at most %(num)s characters.", 0)
    assert none.to(FR) == "Saisissez 0 caractère au plus."  # French: singular below two
    assert none.to(EN) == "Enter at most 0 characters."
    assert lazy("There is no store “%(store)s”.", store="lyon").to(FR) == (
        f"Il n’y a pas de magasin «{NARROW}lyon{NARROW}»."
    )


def entries(language: str) -> Iterator[Message]:
    with po_file(language).open("rb") as source:
        for entry in read_po(source, locale=language):
            if entry.id:
                yield entry


def strings_of(entry: Message) -> list[str]:
    return [entry.string] if isinstance(entry.string, str) else list(entry.string or ())


def ids_of(entry: Message) -> list[str]:
    return [entry.id] if isinstance(entry.id, str) else list(entry.id)


def test_c24_the_catalogue_is_complete_and_in_step_with_the_sources() -> None:
    for entry in entries("fr"):
        assert all(strings_of(entry)), f"no French for {entry.id!r}"
        assert not entry.fuzzy, entry.id
    source = po_file("fr").read_text(encoding="utf-8")
    assert "#~" not in source, "obsolete entries"
    check = [sys.executable, "-m", "tools.catalogues", "--check"]
    outcome = subprocess.run(check, cwd=ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert outcome.returncode == 0, outcome.stderr


def test_c24_placeholders_are_the_same_on_both_sides() -> None:
    for entry in entries("fr"):
        wanted = {name for msgid in ids_of(entry) for name in re.findall(r"%\(\w+\)s", msgid)}
        for string in strings_of(entry):
            assert set(re.findall(r"%\(\w+\)s", string)) == wanted, entry.id
            assert "%" not in re.sub(r"%\(\w+\)s|%%", "", string), entry.id


_FAULTS = {
    "no narrow no-break space before : ; ! ?": re.compile(rf"(?<![{NARROW}])[:;!?](?=\s|$)"),
    "no narrow no-break space inside « »": re.compile(rf"«(?!{NARROW})|(?<!{NARROW})»"),
    "a straight apostrophe": re.compile(r"'"),
    "three dots instead of an ellipsis": re.compile(r"\.\.\."),
    "a straight quotation mark": re.compile(r'"'),
    "a breaking space before %, € or after n°": re.compile(r" [%€](?!\()|n° "),
}


@pytest.mark.parametrize("fault", _FAULTS)
def test_c27_french_typography_in_the_catalogue(fault: str) -> None:
    wrong = [string for entry in entries("fr") for string in strings_of(entry) if _FAULTS[fault].search(string)]
    assert wrong == [], fault


def test_c27_the_rules_themselves_find_what_is_wrong() -> None:
    bad = ("Erreur : x", "« x »", "l'offre", "Attendez...", 'le "nom"', "34 %", "n° 3", "Vraiment ?", "Oui: x")
    for text in bad:
        assert any(rule.search(text) for rule in _FAULTS.values()), text
    good = (f"Erreur{NARROW}: x", f"«{NARROW}x{NARROW}»", "l’offre", "14:30", f"34{NARROW}%", "https://a.example")
    for text in good:
        assert not any(rule.search(text) for rule in _FAULTS.values()), text


def test_c27_english_sentences_have_typographic_marks() -> None:
    for entry in entries("fr"):
        for msgid in ids_of(entry):
            assert "'" not in msgid, msgid
            assert '"' not in msgid, msgid


def words_outside_of_catalogues(source: str) -> list[str]:
    """Words that a template says by itself, between tags or in attributes that are read aloud or shown."""
    source = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", source, flags=re.DOTALL)
    spoken = re.findall(r'(?:alt|aria-label|placeholder|title)="([^"]*)"', source)
    between = re.sub(r'[a-z-]+="[^"]*"', " ", re.sub(r"<[^>]*>", " ", source))
    return re.findall(r"[^\W\d_]{2,}", " ".join((*spoken, between)))


def test_c25_templates_hold_no_words_of_their_own() -> None:
    """What people read goes through `_()`: else it would be in one language on the pages of both."""
    templates = sorted((ROOT / "wallet_service" / "web" / "templates").glob("*/*.html"))
    assert len(templates) >= 8
    assert {
        path.name: found for path in templates if (found := words_outside_of_catalogues(path.read_text("utf-8")))
    } == {}
    assert words_outside_of_catalogues('<p class="x">Bonjour {{ name }}</p>') == ["Bonjour"]
    assert words_outside_of_catalogues('<img alt="Carte">{% if a %}{{ _("Card") }}{% endif %}') == ["Carte"]


def test_every_language_but_english_has_a_catalogue() -> None:
    assert [language for language in LANGUAGES if po_file(language).exists()] == ["fr"]
    assert set(LANGUAGES) == {"fr", "en"}
