"""The project as a whole: its documents, its layers and its sources agree."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Callable
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
            is_exempt = {"simulators", "bench"} & set(path.parts)
            allowed = path.name == "clock.py" or is_exempt or node.value.id != "datetime"
            assert allowed, f"{path}:{node.lineno}: the time is asked in clock.py only, and passed on"


def _layers_of_the_documentation() -> list[frozenset[str]]:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.split("| Package, top layer first |", 1)[1].split("\n\n", 1)[0]
    first_cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    return [frozenset(re.findall(r"`(\w+)`", cell)) for cell in first_cells]


def _layers_of_the_contract() -> list[frozenset[str]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (contract,) = [contract for contract in contracts if contract["name"] == "Packages in layers"]
    return [frozenset(layer.split(" | ")) for layer in contract["layers"]]


def test_the_table_of_layers_in_the_documentation_is_the_contract() -> None:
    assert _layers_of_the_documentation() == _layers_of_the_contract()


@pytest.mark.parametrize("layers", [_layers_of_the_documentation, _layers_of_the_contract])
def test_every_package_is_in_one_layer(layers: Callable[[], list[frozenset[str]]]) -> None:
    listed = Counter(name for layer in layers() for name in layer)
    packages = {path.parent.name for path in (ROOT / "wallet_service").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "wallet_service").glob("*.py")} - {"__init__"}
    assert listed == Counter(packages | modules)


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_the_paths_in_the_documentation_exist(name: str) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    paths = re.findall(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+(?:\.py)?)`", page)
    sources = [path for path in paths if path.endswith(".py") or path.startswith(("storage/", "wallet_service/"))]
    assert [path for path in sources if not any((ROOT / base / path).exists() for base in ("", "wallet_service"))] == []


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
