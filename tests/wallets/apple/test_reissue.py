"""After a renewal installed passes are sent anew (F24); a token takes over the signing, and gives it back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import requests
from click.testing import CliRunner
from cryptography import x509

from tests.delivery.rounds import DeliveryRounds
from tests.system import PASS_TYPE, TEAM, System
from tests.wallets.apple.test_renewal import chain as chain
from tests.wallets.apple.test_renewal import renewed
from tests.wallets.apple.test_signers import soft_address
from tests.web.phone_calls import Caller, Pass
from wallet_service.cli.certs import certs
from wallet_service.errors import Invalid, NotFound, SettingsError
from wallet_service.offers.campaigns import walk_one_page
from wallet_service.programs.certificates import certificate_states
from wallet_service.programs.reissuing import reissue, reissue_where_renewed
from wallet_service.simulators.apple_pki import DevelopmentAuthority
from wallet_service.simulators.phones.wallet_rules import open_bundle

Apply = Callable[[str], tuple[str, ...]]


@pytest.fixture
def apply(system: System) -> Apply:
    """Apply the programme with more lines in `[apple]`; returns what changed."""
    file = system.folder / "program.toml"
    before = file.read_text(encoding="utf-8")

    def with_lines(lines: str) -> tuple[str, ...]:
        file.write_text(before.replace("[apple]\n", f"[apple]\n{lines}\n"), encoding="utf-8")
        return system.apply().changes

    return with_lines


def signer_of(system: System, body: bytes) -> int:
    """The serial number of the certificate that signed a pass."""
    bundle = open_bundle(body, roots_pem=system.chain.root_pem, allow_http=True)
    return bundle.signer.certificate.serial_number


def walked(system: System) -> None:
    """What a worker does until there is nothing left to compose."""
    worker, going = system.services.worker(), True
    while going:
        with system.services.sessions.begin() as db:
            going = walk_one_page(db, now=system.clock())
    while worker.compose_step():
        pass
    worker.stop()
    worker.run()


def test_every_installed_pass_is_sent_anew(system: System, authority: DevelopmentAuthority) -> None:
    one, other = Pass.of(system, system.enrol()), Pass.of(system, system.enrol("M-2"))
    phone, rounds = Caller(system), DeliveryRounds(system)
    phone.register(one)
    tag = phone.changed().json()["lastUpdated"]
    old = phone.fetch(one)
    new = renewed(system, authority)
    assert phone.fetch(one, since=old.headers["Last-Modified"]).status_code == 304, "nothing has changed for it"
    said = CliRunner(env=system.environment | {"WALLET_DATABASE_URL": system.services.database.url}).invoke(
        certs, ["reissue", "--program", "lumiere"]
    )
    assert said.exit_code == 0, said.output
    assert "lumiere: 1 installed cards will be sent anew" in said.output
    before = system.rows("SELECT version, digest FROM cards ORDER BY id")
    walked(system)
    after = system.rows("SELECT version, digest FROM cards ORDER BY id")
    assert after[0]["version"] > before[0]["version"]
    assert after[1] == before[1], "nobody has the other card"
    assert after[0]["digest"] == before[0]["digest"], "it looks as it did"
    assert rounds.tell() == 1
    assert phone.changed(tag).json()["serialNumbers"] == [one.serial]
    got = phone.fetch(one, since=old.headers["Last-Modified"])
    assert (signer_of(system, old.content), signer_of(system, got.content)) == (
        x509.load_pem_x509_certificate(system.chain.leaf_pem).serial_number,
        new.leaf.serial_number,
    )
    assert system.card(one.serial)["far_ends"][0]["state"] == "up_to_date"
    assert other.serial != one.serial


def test_it_is_spread_and_waits_for_who_has_just_done_something(
    system: System, authority: DevelopmentAuthority
) -> None:
    Caller(system).register(Pass.of(system, system.enrol()))
    renewed(system, authority)
    with system.services.sessions.begin() as db:
        assert reissue(db, "lumiere", now=system.clock()) == 1
    walked(system)
    (row,) = system.rows("SELECT urgency FROM deliveries WHERE kind = 'apple'")
    assert row["urgency"] == 1, "as a campaign"
    (change,) = system.rows("SELECT cause FROM card_versions ORDER BY version DESC LIMIT 1")
    assert change["cause"] == "time or campaign"


def test_by_itself_once_for_each_renewal(system: System, apply: Apply, authority: DevelopmentAuthority) -> None:
    def by_itself() -> list[str]:
        with system.services.sessions.begin() as db:
            return reissue_where_renewed(db, now=system.clock())

    renewed(system, authority)
    assert by_itself() == [], "the programme does not want it"
    apply("reissue_after_renewal = true")
    assert by_itself() == ["lumiere"]
    assert by_itself() == []
    system.clock.advance(timedelta(days=1))
    renewed(system, authority)
    assert by_itself() == ["lumiere"]


def test_a_first_certificate_renews_nothing(system: System, apply: Apply) -> None:
    apply("reissue_after_renewal = true")
    for _ in range(2):
        with system.services.sessions.begin() as db:
            assert reissue_where_renewed(db, now=system.clock()) == []
    assert system.rows("SELECT FROM campaigns WHERE reissue") == []


def test_without_a_certificate_that_signs_nothing_is_sent(system: System) -> None:
    with system.services.sessions.begin() as db:
        with pytest.raises(NotFound):
            reissue(db, "nobody", now=system.clock())
        with pytest.raises(SettingsError, match="no Apple certificate of lumiere signs now"):
            reissue(db, "lumiere", now=system.clock() + timedelta(days=900))


def test_a_token_signs_passes_and_our_own_key_signs_in_to_apns(
    system: System, apply: Apply, authority: DevelopmentAuthority
) -> None:
    link = system.enrol()["links"]["apple"]
    in_token = authority.issue(PASS_TYPE, TEAM, "Maison Lumière", system.clock(), days=300)
    address = soft_address(system.folder, in_token.key_pem, key="brand-key")
    (system.folder / "token.pem").write_bytes(in_token.leaf_pem + in_token.intermediate_pem)
    (system.folder / "pin").write_text(f"{address.pin}\n")
    old = 'certificate_file = "leaf.pem"\nkey_file = "leaf.key"\nintermediate_file = "intermediate.pem"\n'
    file = system.folder / "program.toml"
    lines = f"""certificate_file = "token.pem"
pkcs11_module = "{address.module}"
pkcs11_token = "{address.token}"
pkcs11_key = "brand-key"
"""
    assert old in file.read_text(encoding="utf-8")
    document = file.read_text(encoding="utf-8").replace(old, "")
    file.write_text(document.replace("[apple]\n", f"[apple]\n{lines}"), encoding="utf-8")
    services = system.services

    with pytest.raises(Invalid, match=r"apple\.pkcs11_pin_file: is missing"):
        system.apply()
    file.write_text(file.read_text(encoding="utf-8").replace("[apple]\n", '[apple]\npkcs11_pin_file = "pin"\n'))
    assert "Apple certificate imported" in system.apply().changes
    leaf = x509.load_pem_x509_certificate(in_token.leaf_pem)
    assert signer_of(system, requests.get(link, timeout=30).content) == leaf.serial_number
    with services.sessions() as db:
        to_push = services.keys.push_identity(db, "lumiere")
        (state,) = certificate_states(db, services.keys, now=system.clock())
    assert to_push is not None
    assert to_push.key_pem() == system.chain.key_pem
    assert state.days_left < 21, "the channel's certificate ends first"
    renewed(system, authority)
    assert signer_of(system, requests.get(link, timeout=30).content) == leaf.serial_number, "the token goes before"
    file.write_text(document, encoding="utf-8")
    assert "passes are signed by a key of our own again" in system.apply().changes
    assert signer_of(system, requests.get(link, timeout=30).content) != leaf.serial_number
