"""`simulate …`: each simulator in a process of its own, on real sockets, until it is asked to stop."""

from __future__ import annotations

import io
import json
import signal
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner
from google.auth.transport.requests import Request
from google.oauth2 import service_account
from PIL import Image

from tests.conftest import OpenSystem
from tests.demo.processes import command
from tests.system import System
from wallet_service.cli import main
from wallet_service.simulators.apple_pki import Chain
from wallet_service.simulators.google.accounts import SCOPE


def test_an_iphone_and_apns_in_other_processes(open_system: OpenSystem, chain: Chain, tmp_path: Path) -> None:
    root, ca, picture = tmp_path / "the root.pem", tmp_path / "apns.pem", tmp_path / "iphone.png"
    root.write_bytes(chain.root_pem)
    apns_arguments = ("--trust", str(root), "--port", "0", "--control-port", "0", "--write-ca", str(ca))
    with command("simulate", "apns", *apns_arguments) as apns:
        url = apns.wait_for(r"WALLET_APNS_URL=(\S+)")
        control = apns.wait_for(r"control (\S+)")
        system = open_system(WALLET_APNS_URL=url, WALLET_APNS_CA_FILE=str(ca))
        link = system.enrol()["links"]["card"]
        system.set_points("M-1", 100, sequence=1)
        phone_arguments = ("--link", link, "--apns-control", control, "--root", str(root), "--draw", str(picture))
        with system.working(), command("simulate", "phone", *phone_arguments) as phone:
            phone.wait_for(r"Points 100, Titulaire Claire Moreau")
            phone.wait_for(r"registered +201")
            first = picture.read_bytes()
            system.set_points("M-1", 120, sequence=2)
            phone.wait_for(r"pushed")
            phone.wait_for(r"listed +\w+")
            phone.wait_for(r"fetched")
            phone.wait_for(r"Points 120")
            phone.wait_for(r"notified +.*120")
            assert apns.wait_for(r"200 +(\S+)") == "pass.example.lumiere"
            assert phone.stop(signal.SIGINT) == 0
            assert "stopped" in phone.output
        assert Image.open(io.BytesIO(picture.read_bytes())).size == Image.open(io.BytesIO(first)).size
        assert picture.read_bytes() != first
        assert apns.stop() == 0


def test_an_android_phone_in_another_process(system: System, tmp_path: Path) -> None:
    picture = tmp_path / "android.png"
    link = system.enrol()["links"]["card"]
    arguments = ("--android", "--google", system.google.url, "--link", link, "--draw", str(picture))
    with system.working(), command("simulate", "phone", *arguments, "--locale", "en_GB") as phone:
        phone.wait_for(r"saved")
        system.set_points("M-1", 1250, sequence=1)
        phone.wait_for(r"Points 1,250")
        assert phone.stop() == 0
    assert Image.open(io.BytesIO(picture.read_bytes())).format == "PNG"


def test_google_knows_its_key_file_again(tmp_path: Path) -> None:
    account = tmp_path / "account.json"
    arguments = ("--issuer", "3388000000012345678", "--account-out", str(account))
    with command("simulate", "google", "--port", "0", "--rate", "1", *arguments) as google:
        url = google.wait_for(r"WALLET_GOOGLE_API_URL=(\S+)")
        assert requests.get(google.wait_for(r"WALLET_GOOGLE_KEYS_URL=(\S+)"), timeout=10).ok
        token = _token(account)
        answers = [
            requests.get(f"{url}/walletobjects/v1/loyaltyClass/3388000000012345678.none", headers=token, timeout=10)
            for _ in range(5)
        ]
        assert {answer.status_code for answer in answers} == {404, 429}
        google.wait_for(r"429 .*GET /walletobjects/v1/loyaltyClass")
        assert google.stop() == 0
    with command("simulate", "google", "--port", url.rsplit(":", 1)[1], *arguments) as google:
        google.wait_for(r"WALLET_GOOGLE_SAVE_URL=(\S+)")
        assert _token(account) != token
        assert google.stop() == 0
    refused = CliRunner().invoke(main, ["simulate", "google", "--port", "0", *arguments])
    assert refused.exit_code == 1
    assert "use that --port" in refused.output


def _token(account: Path) -> dict[str, str]:
    credentials = service_account.Credentials.from_service_account_info(json.loads(account.read_text()), scopes=[SCOPE])
    credentials.refresh(Request())
    return {"Authorization": f"Bearer {credentials.token}"}


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("phone", "--link", "http://127.0.0.1:1/c/x"), 2, "an iPhone needs --apns-control"),
        (("phone", "--link", "http://127.0.0.1:1/c/x", "--android"), 2, "an Android phone needs --google"),
        (("phone", "--link", "http://127.0.0.1:1/c/x", "--apns-control", "http://127.0.0.1:1"), 1, "127.0.0.1:1/c/x"),
        (("apns", "--trust", __file__, "--port", "0"), 2, "holds no certificate in PEM"),
        (("google", "--issuer", "3388"), 2, "go together"),
    ],
)
def test_what_cannot_be_is_said_in_words(arguments: tuple[str, ...], status: int, words: str) -> None:
    refused = CliRunner().invoke(main, ["simulate", *arguments])
    assert refused.exit_code == status
    assert words in refused.output


def test_a_port_that_is_taken_is_named(system: System) -> None:
    refused = CliRunner().invoke(main, ["simulate", "google", "--port", system.google.url.rsplit(":", 1)[1]])
    assert refused.exit_code == 1
    assert "a port cannot be opened" in refused.output


def test_f25_a_phone_obeys_orders_and_ends_though_apns_has_gone(
    open_system: OpenSystem, chain: Chain, tmp_path: Path
) -> None:
    """It sleeps, lies, loses its network, keeps an old copy and comes back; E22: SIGTERM ends it."""
    root, ca = tmp_path / "the root.pem", tmp_path / "apns.pem"
    root.write_bytes(chain.root_pem)
    apns_arguments = ("--trust", str(root), "--port", "0", "--control-port", "0", "--write-ca", str(ca))
    with command("simulate", "apns", *apns_arguments) as apns:
        url, control = apns.wait_for(r"WALLET_APNS_URL=(\S+)"), apns.wait_for(r"control (\S+)")
        system = open_system(WALLET_APNS_URL=url, WALLET_APNS_CA_FILE=str(ca))
        link = system.enrol()["links"]["card"]
        arguments = ("--link", link, "--apns-control", control, "--root", str(root))
        with system.working(), command("simulate", "phone", *arguments) as phone:
            phone.wait_for(r"registered +201")
            phone.say("keep")
            phone.say("sleep")
            phone.wait_for(r"told to sleep")
            system.set_points("M-1", 10, sequence=1)
            phone.wait_for(r"slept +pass")
            phone.say("wake")
            phone.wait_for(r"Points 10,")
            phone.say("lie")
            phone.wait_for(r"told to lie")
            system.set_points("M-1", 20, sequence=2)
            phone.wait_for(r"lied")
            phone.say("honest")
            phone.say("offline")
            phone.wait_for(r"told to offline")
            system.set_points("M-1", 30, sequence=3)
            phone.say("online")
            phone.wait_for(r"Points 30,")
            phone.say("back")
            phone.wait_for(r"told to back\n(.*\n)*.*added")
            phone.say("dance")
            phone.wait_for(r"'dance' is no order")
            assert apns.stop() == 0
            assert phone.stop() == 0
