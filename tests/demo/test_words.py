"""Every word of the demo exists in both languages."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

from wallet_service.crm.inbox import Status
from wallet_service.demo import tour
from wallet_service.demo.sentences import sentences_of
from wallet_service.demo.session import FarEnd, Snapshot
from wallet_service.demo.tour_record import Told
from wallet_service.demo.tour_words import ANSWERS_IN_FRENCH, TOUR_IN_FRENCH
from wallet_service.demo.words import WORDS
from wallet_service.simulators.phones.android import AndroidStep
from wallet_service.simulators.phones.phone_events import Step

AT = datetime(2026, 11, 27, 13, 2, 31, tzinfo=UTC)


def gaps(words: str) -> set[str | None]:
    """The names of the gaps in a text."""
    return {name for _, name, _, _ in Formatter().parse(words) if name is not None}


def test_both_languages_have_the_same_words() -> None:
    assert WORDS["fr"].keys() == WORDS["en"].keys()
    for name, french in WORDS["fr"].items():
        assert gaps(french) == gaps(WORDS["en"][name]), name


def test_every_step_of_a_phone_has_its_words() -> None:
    assert {f"step_{one}" for one in (*get_args(Step), *get_args(AndroidStep))} <= WORDS["fr"].keys()


def test_every_word_that_the_templates_use_exists() -> None:
    folder = Path(tour.__file__).parent / "templates"
    used = {
        name for path in folder.glob("*.html") for name in re.findall(r"words\.(\w+)", path.read_text(encoding="utf-8"))
    }
    assert len(used) > 20
    assert used <= WORDS["fr"].keys()


def test_the_tour_is_told_in_french_too() -> None:
    said = {
        call.args[0].value
        for call in ast.walk(ast.parse(Path(tour.__file__).read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in ("step", "note")
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    assert len(said) > 15
    assert said <= TOUR_IN_FRENCH.keys()
    assert {one for one in TOUR_IN_FRENCH if one not in said and not one.startswith("iPhone: ")} == set()
    for english, french in TOUR_IN_FRENCH.items():
        assert gaps(english) == gaps(french)


def test_french_has_no_space_at_which_a_mark_could_fall_to_the_next_line() -> None:
    for name, french in WORDS["fr"].items():
        assert re.search(r" [:;!?»]|« ", french) is None, name


def test_what_the_tour_repeats_of_an_answer_is_in_french_too() -> None:
    said = Told("event {event}: {status}", {"event": "order-1", "status": "repeated"})
    words = {**TOUR_IN_FRENCH, **ANSWERS_IN_FRENCH}
    assert said.in_other_words(words) == "événement order-1 : déjà connu, laissé de côté"
    assert set(get_args(Status)) <= ANSWERS_IN_FRENCH.keys()


@pytest.mark.parametrize(
    ("end", "is_online", "expected"),
    [
        (FarEnd("apple", 2, 2, 2, "up_to_date", fetched_at=AT, took_ms=412), True, "récupérée 0,4\xa0s après l’achat"),
        (FarEnd("apple", 2, 2, 2, "up_to_date", fetched_at=AT), True, "<strong>à jour</strong> depuis 14:02:31."),
        (FarEnd("apple", 2, 2, 1, "told", told_at=AT), True, "prévenu</strong> à 14:02:31, n’est pas encore venu"),
        (FarEnd("apple", 2, 2, 1, "told", told_at=AT), False, "hors ligne"),
        (FarEnd("apple", 2, 1, 1, "waiting"), False, "en attente</strong>, hors ligne"),
        (FarEnd("google", 2, 1, None, "waiting"), True, "recevra la nouvelle version"),
        (FarEnd("google", 2, 2, None, "up_to_date", told_at=AT), True, "l’affichage par le téléphone n’est pas"),
        (FarEnd("apple", 2, 2, 1, "gone", gone_at=AT), True, "retirée</strong> à 14:02:31"),
        (FarEnd("apple", 2, 2, 1, "stale", told_at=AT), True, "ne répond plus"),
        (FarEnd("google", 2, 2, None, "refused", told_at=AT), True, "refusé"),
    ],
)
def test_each_state_has_its_sentence(end: FarEnd, is_online: bool, expected: str) -> None:
    snapshot = Snapshot(far_ends=(end,), iphone_online=is_online, cause="event page-1")
    (told,) = sentences_of(snapshot, WORDS["fr"], language="fr", zone="Europe/Paris")
    assert expected in told.words
