"""`certs import` and `pass build` on a real installation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from click.testing import CliRunner, Result

from tests.system import System
from wallet_service.cli import main
from wallet_service.simulators.apple_pki import make_chain


def run(system: System, *arguments: object, **changes: str | None) -> Result:
    environment = {**system.environment, "WALLET_DATABASE_URL": system.services.database.libpq_url, **changes}
    return CliRunner(env=environment).invoke(main, [str(each) for each in arguments])


def test_a_new_certificate_is_imported_and_signs_the_next_pass(system: System, tmp_path: Path) -> None:
    serial_number = system.enrol()["serial_number"]
    root = system.environment["WALLET_APPLE_ROOT_FILE"]
    built = run(system, "pass", "build", serial_number, "--out", tmp_path / "card.pkpass")
    assert built.exit_code == 0, built.output
    checked = run(system, "pass", "check", tmp_path / "card.pkpass", "--root", root)
    assert checked.exit_code == 0, checked.output
    assert "good" in checked.output

    (tmp_path / "key.pem").write_bytes(system.chain.key_pem)
    (tmp_path / "leaf.pem").write_bytes(system.chain.leaf_pem + system.chain.intermediate_pem)
    files = (tmp_path / "leaf.pem", "--key", tmp_path / "key.pem")
    imported = run(system, "certs", "import", *files, "--program", "lumiere")
    assert imported.exit_code == 0, imported.output
    nobody = run(system, "certs", "import", *files, "--program", "nobody")
    assert nobody.exit_code == 1


def test_a_development_root_on_the_command_line_alone(system: System, tmp_path: Path) -> None:
    """E17: `certs import --root` needs no setting beside it, and is not for production."""
    (tmp_path / "key.pem").write_bytes(system.chain.key_pem)
    (tmp_path / "leaf.pem").write_bytes(system.chain.leaf_pem + system.chain.intermediate_pem)
    arguments = ("certs", "import", tmp_path / "leaf.pem", "--key", tmp_path / "key.pem", "--program", "lumiere")
    root = ("--root", system.environment["WALLET_APPLE_ROOT_FILE"])
    no_setting = {"WALLET_APPLE_ROOT_FILE": None}
    assert run(system, *arguments, **no_setting).exit_code == 1
    imported = run(system, *arguments, *root, **no_setting)
    assert imported.exit_code == 0, imported.output
    checked = run(system, "certs", "check", "--program", "lumiere", *root, **no_setting)
    assert checked.exit_code == 0, checked.output
    assert "is not WWDR G4" in run(system, "certs", "check", "--program", "lumiere", **no_setting).output


def test_an_expired_certificate_does_not_sign_now(system: System, tmp_path: Path) -> None:
    """E17: `certs check` says so, of one whose time is over and of one whose time has not begun."""
    check = ("certs", "check", "--program", "lumiere")
    assert ", signs now\n" in run(system, *check).output
    for days, words in ((500, "expired on"), (-500, "is not valid before")):
        (tmp_path / "now").write_text((system.clock() + timedelta(days=days)).isoformat())
        said = run(system, *check, WALLET_CLOCK=f"file:{tmp_path / 'now'}")
        assert said.exit_code == 1, said.output
        assert words in said.output
        assert ", signs now" not in said.output
        assert "no certificate signs now" in said.output


def test_a_certificate_of_another_pass_type_is_not_imported(system: System, tmp_path: Path) -> None:
    chain = make_chain("pass.example.other", "OTHER12345", "Other", datetime.now(UTC))
    (tmp_path / "leaf.pem").write_bytes(chain.leaf_pem + chain.intermediate_pem)
    (tmp_path / "key.pem").write_bytes(chain.key_pem)
    (tmp_path / "root.pem").write_bytes(chain.root_pem)
    arguments = (tmp_path / "leaf.pem", "--key", tmp_path / "key.pem", "--root", tmp_path / "root.pem")
    refused = run(system, "certs", "import", *arguments, "--program", "lumiere")
    assert refused.exit_code == 1
    assert "pass.example.other instead of pass.example.lumiere" in refused.output


def test_a_card_that_does_not_exist(system: System, tmp_path: Path) -> None:
    missing = run(system, "pass", "build", "nothing", "--out", tmp_path / "card.pkpass")
    assert missing.exit_code == 1
    assert not (tmp_path / "card.pkpass").exists()
