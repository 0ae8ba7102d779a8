"""`pass build`: from values without a database, and bundles of stored cards (checklist 82)."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.system import System
from wallet_service.cards.template_folder import load_template
from wallet_service.cli.passes import passes
from wallet_service.errors import Invalid
from wallet_service.simulators.phones.wallet_rules import open_bundle
from wallet_service.wallets.apple.certificates import development_trust
from wallet_service.wallets.apple.checking.check import check_path
from wallet_service.wallets.apple.passes.archive import bundle_of

DESIGNS = sorted(path for path in (Path(__file__).parents[2] / "pass_templates").iterdir() if path.is_dir())
POINTS = str(next(path for path in DESIGNS if path.name == "points-card"))


@pytest.fixture(scope="module")
def development(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from wallet_service.cli.certs import certs

    folder = tmp_path_factory.mktemp("chains") / "dev"
    assert CliRunner().invoke(certs, ["dev", "--out", str(folder)]).exit_code == 0
    return folder


def build(out: Path, *arguments: str) -> Result:
    return CliRunner().invoke(passes, ["build", "--out", str(out), *arguments])


def signing(development: Path) -> list[str]:
    names = {"--certificate": "certificate.pem", "--key": "key.pem"}
    return [text for option, name in names.items() for text in (option, str(development / name))]


def fields_of(path: Path) -> dict[str, object]:
    document = json.loads(zipfile.ZipFile(path).read("pass.json"))
    return {
        field["key"]: field["value"]
        for name, array in document["storeCard"].items()
        for field in array
        if name.endswith("Fields")
    }


def test_values_from_the_command_line_and_from_json(tmp_path: Path) -> None:
    (tmp_path / "values.json").write_text(json.dumps({"member": {"first_name": "Inès"}, "balance": {"points": 7}}))
    out = tmp_path / "card.pkpass"
    ran = build(
        out, "--template", POINTS, "--values", str(tmp_path / "values.json"), "--value", "balance.points=1250",
        "--value", "balance.tier=Or", "--locale", "fr",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    fields = fields_of(out)
    assert (fields["points"], fields["tier"], fields["member"]) == (1250, "Or", "Inès")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--value", "balance.point=1"), "balance.point: unknown field"),
        (("--value", "balance.points=lots"), "balance.points"),
        (("--value", "points"), "should look like member.first_name=Claire"),
        (("--locale", "de"), "has no words for de"),
    ],
)
def test_wrong_values_are_refused_with_their_path(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    ran = build(tmp_path / "card.pkpass", "--template", POINTS, *arguments)
    assert ran.exit_code == 1
    assert words in ran.output
    assert not (tmp_path / "card.pkpass").exists()


def test_either_cards_or_a_design(tmp_path: Path) -> None:
    assert build(tmp_path / "a").exit_code == 2
    assert build(tmp_path / "a", "serial", "--template", POINTS).exit_code == 2


@pytest.mark.parametrize("folder", DESIGNS, ids=lambda path: path.name)
def test_shipped_designs_pass_the_linter_in_every_language(folder: Path, development: Path, tmp_path: Path) -> None:
    """Not one warning but that a development chain has not what only Apple grants."""
    trust = development_trust((development / "root.pem").read_bytes())
    from wallet_service.clock import system_clock

    for locale in load_template(folder).words:
        out = tmp_path / f"{locale}.pkpass"
        ran = build(out, "--template", str(folder), "--sample", "--locale", locale, *signing(development))
        assert ran.exit_code == 0, ran.output
        assert check_path(out, now=system_clock(), trust=trust) == []
        open_bundle(out.read_bytes(), roots_pem=(development / "root.pem").read_bytes())


def test_item_82_a_bundle_of_stored_cards(system: System, tmp_path: Path) -> None:
    serials = [str(system.enrol(f"M-{number}")["serial_number"]) for number in range(11)]
    environment = system.environment | {"WALLET_DATABASE_URL": system.services.database.url}

    def run(count: int) -> Result:
        arguments = ["build", *serials[:count], "--out", str(tmp_path / f"{count}.pkpasses")]
        return CliRunner().invoke(passes, arguments, env=environment)

    assert run(10).exit_code == 0
    with zipfile.ZipFile(tmp_path / "10.pkpasses") as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == sorted(f"{serial}.pkpass" for serial in serials[:10])
        first = archive.read(f"{serials[0]}.pkpass")
    opened = open_bundle(first, roots_pem=system.chain.root_pem, allow_http=True)
    assert opened.serial_number == serials[0]
    refused = run(11)
    assert refused.exit_code == 1
    assert "there are 11; a bundle holds 2 to 10" in refused.output
    alone = CliRunner().invoke(passes, ["build", serials[0], "--out", str(tmp_path / "one.pkpass")], env=environment)
    assert alone.exit_code == 0
    assert zipfile.ZipFile(tmp_path / "one.pkpass").namelist()[0] == "pass.json"


def test_item_82_too_large_together() -> None:
    with pytest.raises(Invalid, match="150,000,000"):
        bundle_of({"a": bytes(80_000_000), "b": bytes(80_000_000)})


def test_a_bundle_is_a_plain_archive() -> None:
    made = bundle_of({"a": b"one", "b": b"two"})
    assert zipfile.ZipFile(io.BytesIO(made)).read("b.pkpass") == b"two"


def test_a_number_is_a_text_where_a_text_is_wanted(tmp_path: Path) -> None:
    """Issue 10, point 17; a voucher's last day is a day here, too (A1)."""
    values = {"balance": {"vouchers": [{"code": "A", "valid_until": "2031-12-31"}]}}
    (tmp_path / "values.json").write_text(json.dumps(values))
    out = tmp_path / "card.pkpass"
    ran = build(
        out, "--template", POINTS, "--value", "member.card_number=2900001001001", "--value", "balance.points=12",
        "--values", str(tmp_path / "values.json"), "--value", "member.first_name=true",
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    document = json.loads(zipfile.ZipFile(out).read("pass.json"))
    assert {code["message"] for code in document["barcodes"]} == {"2900001001001"}
    assert fields_of(out)["points"] == 12


@pytest.mark.parametrize("value", ["balance.points=12.0", "balance.points=true", 'balance.points="12"'])
def test_what_looks_like_a_number_is_none(tmp_path: Path, value: str) -> None:
    ran = build(tmp_path / "card.pkpass", "--template", POINTS, "--value", value)
    assert (ran.exit_code, "balance.points" in ran.output) == (1, True)
