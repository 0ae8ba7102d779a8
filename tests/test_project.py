"""The system itself: what its papers say is what it does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from wallet_service.cli import main
from wallet_service.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "wallet_service").rglob("*.py"))


def test_the_settings_table_of_the_readme_is_the_settings() -> None:
    table = re.findall(r"^\| `(WALLET_[A-Z_]+)` \| (.*?) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    assert {name for name, _ in table} == {PREFIX + name.upper() for name in Settings.model_fields}
    defaults = {name: default.strip("`") for name, default in table}
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, int | float) and not isinstance(field.default, bool):
            assert float(defaults[PREFIX + name.upper()]) == float(field.default), name


def test_every_command_of_the_readme_exists_and_explains_itself() -> None:
    context = click.Context(main)
    table = re.findall(r"^\| `([a-z`, |\\]+?)(?: FILE| …)?` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    assert len(table) > 8
    for cell in table:
        for words in cell.replace("`", "").split(","):
            family, *rest = words.split()
            command = main.get_command(context, family)
            assert command is not None, family
            for name in rest[0].replace("\\", "").split("|") if rest else []:
                assert isinstance(command, click.Group)
                assert command.get_command(context, name) is not None, f"{family} {name}"


@pytest.mark.parametrize("name", main.list_commands(click.Context(main)))
def test_every_command_has_help(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.help or command.callback


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_naive_time_and_no_long_file(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    if "migrations/versions" not in str(path):
        assert source.count("\n") <= 450, "files stay under about 400 lines"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in ("utcnow", "utcfromtimestamp", "today"):
            pytest.fail(f"{path}:{node.lineno}: {node.attr} gives a naive time")
        if isinstance(node, ast.Attribute) and node.attr == "now" and isinstance(node.value, ast.Name):
            is_simulator = "simulators" in path.parts or path.name.startswith("bench")
            allowed = path.name == "clock.py" or is_simulator or node.value.id != "datetime"
            assert allowed, f"{path}:{node.lineno}: the time is asked in clock.py only, and passed on"


def test_every_public_function_and_class_says_what_it_is_for() -> None:
    undocumented = []
    for path in SOURCES:
        if "migrations/versions" in str(path):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.iter_child_nodes(tree):
            if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
                continue
            if ast.get_docstring(node) is None:
                undocumented.append(f"{path.relative_to(ROOT)}:{node.name}")
    assert undocumented == []


def test_nothing_of_this_machine_or_of_a_registry_is_written_down() -> None:
    pattern = re.compile(r"(index-url|https?://[a-z0-9.-]*(registry|pypi)[a-z0-9.-]*/|\"resolved\": \"http)")
    for name in ("constraints.txt", "pyproject.toml", "Makefile", ".ci/run"):
        assert not pattern.search((ROOT / name).read_text(encoding="utf-8")), name
