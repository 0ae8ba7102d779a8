"""The checklist of google-wallet.md, section 25: every item has a test of its number, or a reason in the docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DOCS = (HERE.parents[2] / "docs" / "google.md").read_text(encoding="utf-8")
ROWS = {int(row[1]): row[2] for row in re.finditer(r"^\| (\d+) \|.*\| ([^|]+) \|$", DOCS, re.MULTILINE)}


def numbers_in(name: str) -> set[int]:
    """The items that a test module names."""
    words = (HERE / f"{name}.py").read_text(encoding="utf-8")
    return {int(number) for found in re.findall(r"item_(\d\d(?:_\d\d)*)", words) for number in found.split("_")}


@pytest.mark.parametrize("item", range(1, 59))
def test_each_item_is_proved_where_the_docs_say(item: int) -> None:
    where = ROWS[item]
    modules = re.findall(r"`(test_\w+)`", where)
    assert modules or where.startswith("does not apply: ")
    assert all(item in numbers_in(module) for module in modules)
