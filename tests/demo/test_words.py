"""Every word of the demo exists in both languages."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter
from typing import get_args

from wallet_service.demo import tour
from wallet_service.demo.tour_words import TOUR_IN_FRENCH
from wallet_service.demo.words import WORDS
from wallet_service.simulators.phones.android import AndroidStep
from wallet_service.simulators.phones.phone_events import Step


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
