"""E22: what the machine refuses is said in words, not as a traceback; E21: a port that is taken names itself."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.system import System
from wallet_service.cli import main
from wallet_service.errors import Invalid
from wallet_service.programs.apply import _read


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody has."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def run(system: System, *arguments: str) -> Result:
    """The command line on a system's own settings, as an operator runs it."""
    environment = system.environment | {"WALLET_DATABASE_URL": system.services.database.url}
    return CliRunner().invoke(main, list(arguments), env=environment)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("serve", "--port"), "choose another --port"),
        (("worker", "--metrics-port"), "choose another --metrics-port"),
    ],
)
def test_e21_a_taken_port_is_named(system: System, taken: int, arguments: tuple[str, ...], words: str) -> None:
    said = run(system, *arguments, str(taken))
    assert said.exit_code == 1
    assert said.output.strip().splitlines()[-1].endswith(words)
    assert f"127.0.0.1 port {taken}: " in said.output
    assert "Traceback" not in said.output


def test_e22_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = CliRunner().invoke(main, ["certs", "dev", "--out", str(tmp_path / "file" / "folder")])
    assert said.exit_code == 1
    assert said.output == f"wallet-service: {tmp_path / 'file' / 'folder'}: {os.strerror(20)}\n"


_WITH_NUL = """
id = "cercle"
name = "a\\u0000b"
brand = "b"
locales = ["fr"]
time_zone = "Europe/Paris"
template = "t"
"""


@pytest.mark.parametrize(
    "document",
    ["a = " + "[" * 100_000 + "]" * 100_000, "a" + ".a" * 50_000 + " = 1", 'id = "a\\u0000"', _WITH_NUL],
    ids=["nested arrays", "nested tables", "NUL in an id", "NUL in a name"],
)
def test_e22_a_file_that_breaks_its_reader_is_refused(tmp_path: Path, document: str) -> None:
    path = tmp_path / "program.toml"
    path.write_text(document, encoding="utf-8")
    with pytest.raises(Invalid):
        _read(path)


def test_e22_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("h2", "wallet_service.cli.simulate"))]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("wallet_service.simulators.apns")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "h2", None)
    said = CliRunner().invoke(main, ["simulate", "apns", "--help"])
    assert said.exit_code == 1
    assert "this needs the extra 'simulators': pip install 'wallet-service[simulators]'" in said.output
