"""The contract, counted: each of the 87 items of the conformance checklist has a test that is named by its number.

Where the name says something else, it stands here; where an item cannot be tested in this project, here is why.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[2]
NAMED_OTHERWISE = {
    73: "delivery/test_ledger.py::test_gone_drops_a_registration_unless_it_is_newer",
    84: "offers/test_choosing_places.py::test_choice_is_deterministic_spread_and_obeys_the_order",
}
NOT_TESTED_HERE = {
    83: "Apple's badge may be shown only in the artwork that Apple hands out to members of its programme, so none is "
    "shipped and none is drawn; the landing page has instructions instead (web/test_landing.py)."
}
_NUMBERS = re.compile(r"def test_items?_(\d+(?:_(?:and_|to_)?\d+)*)_")


def named_items() -> dict[int, list[str]]:
    """Item → the tests whose names carry its number."""
    found: dict[int, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for match in _NUMBERS.finditer(path.read_text(encoding="utf-8")):
            numbers = [int(number) for number in re.findall(r"\d+", match[1])]
            if "_to_" in match[1]:
                numbers = list(range(numbers[0], numbers[-1] + 1))
            for number in numbers:
                found.setdefault(number, []).append(f"{path.relative_to(TESTS)}: {match[0]}")
    return found


@pytest.mark.parametrize("item", range(1, 88))
def test_every_item_is_a_test(item: int) -> None:
    if item in NOT_TESTED_HERE:
        assert len(NOT_TESTED_HERE[item]) > 40
    elif item in NAMED_OTHERWISE:
        file, _, name = NAMED_OTHERWISE[item].partition("::")
        assert f"def {name}(" in (TESTS / file).read_text(encoding="utf-8")
    else:
        assert item in named_items()


def test_the_guide_explains_every_rule() -> None:
    guide = (TESTS.parent / "docs" / "apple.md").read_text(encoding="utf-8")
    spans = re.findall(r"^\| (\d+)–(\d+) \|", guide, re.MULTILINE)
    assert [number for first, last in spans for number in range(int(first), int(last) + 1)] == list(range(1, 88))
