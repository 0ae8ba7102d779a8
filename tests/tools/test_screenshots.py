"""The pictures of the docs: the table names every page, and every picture is there, small."""

from __future__ import annotations

import re

from PIL import Image

from tests.system import System
from tests.web.console.every_page import is_a_page, rules_of
from tools.screenshots import FOLDER, PICTURES, ROOT, SCHEMES, WIDEST, WIDTHS

MOST_BYTES = 2_000_000


def test_the_table_names_every_page_of_the_console(system: System) -> None:
    named = {picture.endpoint: re.sub(r"\{\w+\}", "1", picture.path) for picture in PICTURES}
    rules = [rule for rule in rules_of(system.app) if is_a_page(rule)]
    assert set(named) == {rule.endpoint for rule in rules}
    assert len(named) == len(PICTURES)
    adapter = system.app.url_map.bind("localhost")
    for endpoint, path in named.items():
        assert adapter.match(path)[0] == endpoint


def test_every_picture_is_there_and_they_are_small() -> None:
    wanted = {f"{one.name}.{width}.{scheme}.webp" for one in PICTURES for width in WIDTHS for scheme in SCHEMES}
    there = {path.name for path in FOLDER.iterdir()}
    assert there == wanted
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST_BYTES
    for path in FOLDER.iterdir():
        with Image.open(path) as image:
            assert (image.format, image.width) == ("WEBP", min(WIDEST, WIDTHS[path.name.split(".")[1]]))


def test_the_docs_show_each_page_and_link_its_other_looks() -> None:
    text = (ROOT / "docs" / "console.md").read_text(encoding="utf-8")
    shown = re.findall(r"\]\(images/console/([\w.-]+)\)", text)
    assert sorted(shown) == sorted(path.name for path in FOLDER.iterdir())
    assert len(re.findall(r"!\[[^\]]+\]\(images/console/", text)) == len(PICTURES)
