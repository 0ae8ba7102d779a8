"""The commands `certs` and `pass`, as a person types them."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from tests.wallets.apple.conftest import CARD, DATA, NOW, PASS_TYPE, SERVICE, TEAM, key_pem, make_chain
from wallet_service.cli.certs import certs_group
from wallet_service.cli.passes import passes
from wallet_service.wallets.apple.certificates import PassIdentity, pem_of
from wallet_service.wallets.apple.passes.archive import PassBuilder


@pytest.fixture
def stored() -> dict[str, PassIdentity]:
    return {}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the chain of the tests, at the time of the tests."""
    chain = make_chain()
    (tmp_path / "now").write_text(NOW.isoformat())
    monkeypatch.setenv("WALLET_CLOCK", f"file:{tmp_path / 'now'}")
    (tmp_path / "root.pem").write_bytes(pem_of(chain.root))
    (tmp_path / "intermediate.pem").write_bytes(pem_of(chain.intermediate))
    (tmp_path / "pass.cer").write_bytes(chain.leaf.public_bytes(serialization.Encoding.DER))
    (tmp_path / "key.pem").write_bytes(key_pem(chain.key))
    (tmp_path / "password").write_text("secret\n")
    encryption = serialization.BestAvailableEncryption(b"secret")
    (tmp_path / "pass.p12").write_bytes(
        pkcs12.serialize_key_and_certificates(None, chain.key, chain.leaf, [chain.intermediate], encryption)
    )
    return tmp_path


def certs(stored: dict[str, PassIdentity], *arguments: object, typed: str | None = None) -> Result:
    return CliRunner().invoke(
        certs_group(lambda program, identity, _: stored.__setitem__(program, identity)),
        [str(each) for each in arguments],
        input=typed,
    )


def test_csr_writes_a_private_key_and_never_over_another(tmp_path: Path, stored: dict[str, PassIdentity]) -> None:
    out = tmp_path / "new"
    arguments = ("csr", "--pass-type-id", PASS_TYPE, "--team-id", TEAM, "--out", out)
    assert certs(stored, *arguments).exit_code == 0
    assert stat.S_IMODE((out / "key.pem").stat().st_mode) == 0o600
    assert b"BEGIN CERTIFICATE REQUEST" in (out / "request.csr").read_bytes()
    before = (out / "key.pem").read_bytes()
    again = certs(stored, *arguments)
    assert again.exit_code == 1
    assert "exists already" in again.output
    assert (out / "key.pem").read_bytes() == before


def test_import_p12_with_a_password_file_or_a_prompt(folder: Path, stored: dict[str, PassIdentity]) -> None:
    file, root = folder / "pass.p12", folder / "root.pem"
    by_file = certs(
        stored, "import", file, "--program", "lumiere", "--password-file", folder / "password", "--root", root
    )
    assert by_file.exit_code == 0, by_file.output
    assert stored["lumiere"].pass_type_id == PASS_TYPE
    typed = certs(stored, "import", file, "--program", "other", "--root", root, typed="secret\n")
    assert typed.exit_code == 0, typed.output
    assert "secret" not in typed.output
    assert stored["other"] == stored["lumiere"]
    wrong = certs(stored, "import", file, "--program", "third", "--root", root, typed="nonsense\n")
    assert wrong.exit_code == 1
    assert "the password does not open this .p12" in wrong.output
    assert "third" not in stored


def test_import_cer_with_its_key(folder: Path, stored: dict[str, PassIdentity]) -> None:
    arguments = ["import", folder / "pass.cer", "--program", "lumiere", "--key", folder / "key.pem"]
    development = ["--intermediate", folder / "intermediate.pem", "--root", folder / "root.pem"]
    assert certs(stored, *arguments, *development).exit_code == 0
    refused = certs({}, *arguments)
    assert refused.exit_code == 1
    assert "was issued by" in refused.output
    assert "nothing was imported" in refused.output


def test_check_says_what_is_wrong(folder: Path, stored: dict[str, PassIdentity]) -> None:
    password = ("--password-file", folder / "password", "--root", folder / "root.pem")
    good = certs(stored, "check", folder / "pass.p12", *password)
    assert good.exit_code == 0, good.output
    assert "pass.p12: good" in good.output
    alone = certs(
        stored, "check", folder / "pass.cer", "--intermediate", folder / "intermediate.pem",
        "--root", folder / "root.pem", "--team-id", "ZZZZZ99999",
    )  # fmt: skip
    assert alone.exit_code == 1
    assert "is for another team: ABCDE12345 instead of ZZZZZ99999" in alone.output
    wrong = certs(
        stored, "check", folder / "pass.cer", "--key", folder / "key.pem",
        "--intermediate", DATA / "apple-ca" / "AppleWWDRCAG3.pem",
    )  # fmt: skip
    assert wrong.exit_code == 1
    assert "is WWDR G3" in wrong.output
    nonsense = certs(stored, "check", folder / "password")
    assert nonsense.exit_code == 1
    assert "is not a certificate" in nonsense.output


def test_check_follows_the_clock(folder: Path, stored: dict[str, PassIdentity]) -> None:
    (folder / "now").write_text((NOW + timedelta(days=400)).isoformat())
    password = ("--password-file", folder / "password", "--root", folder / "root.pem")
    late = certs(stored, "check", folder / "pass.p12", *password)
    assert late.exit_code == 1
    assert "expired on" in late.output


def test_dev_makes_a_chain_that_import_takes(tmp_path: Path, stored: dict[str, PassIdentity]) -> None:
    out = tmp_path / "dev"
    assert certs(stored, "dev", "--out", out).exit_code == 0
    assert stat.S_IMODE((out / "key.pem").stat().st_mode) == 0o600
    imported = certs(
        stored, "import", out / "certificate.pem", "--key", out / "key.pem", "--root", out / "root.pem",
        "--program", "lumiere",
    )  # fmt: skip
    assert imported.exit_code == 0, imported.output
    assert stored["lumiere"].pass_type_id == "pass.example.maison-lumiere"


def test_pass_check_in_words_and_json(folder: Path) -> None:
    good = PassBuilder(make_chain().identity(), web_service_url=SERVICE).build(CARD, at=NOW)
    (folder / "good.pkpass").write_bytes(good)
    (folder / "odd.pkpass").write_bytes(good + b"\n")
    (folder / "bad.pkpass").write_bytes(good[:-40])
    arguments = ["check", str(folder / "good.pkpass"), "--root", str(folder / "root.pem")]
    fine = CliRunner().invoke(passes, arguments)
    assert fine.exit_code == 0, fine.output
    assert "good" in fine.output
    bad = CliRunner().invoke(
        passes, ["check", str(folder / "bad.pkpass"), "--json", "--root", str(folder / "root.pem")]
    )
    assert bad.exit_code == 1
    (finding,) = json.loads(bad.output)
    assert (finding["rule"], finding["severity"], finding["path"]) == ("1", "error", "archive")
    assert finding["message"].startswith("is not a ZIP archive")
    assert (bool(finding["remedy"]), finding["source"]) == (True, "Apple, Building a Pass")
    odd = CliRunner().invoke(passes, ["check", str(folder / "odd.pkpass"), "--root", str(folder / "root.pem")])
    assert odd.exit_code == 0, odd.output
    assert "Wallet takes it" in " ".join(odd.output.split())
    table = CliRunner().invoke(passes, ["check", str(folder / "good.pkpass")])
    assert table.exit_code == 1
    assert "Wallet refuses it" in " ".join(table.output.split())
    assert "WWDR G4" in table.output
