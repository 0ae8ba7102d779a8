# ruff: noqa: E501  (messages are as phones write them)
"""Wallet sign-up over HTTP (checklist 66), and the log endpoint's findings (checklist 63)."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import OpenSystem
from tests.system import PASS_TYPE, System
from tests.web.phone_calls import Caller, Pass
from wallet_service.simulators.phones.cms import verify_signature
from wallet_service.wallets.apple.device_logs import MOST_FOR_A_CARD, read_report, troubled_cards
from wallet_service.wallets.apple.new_keys import make_reader_key

DESIGNS = Path(__file__).parents[2] / "pass_templates"
FORM = """
[apple.nfc]

[apple.personalization]
description = "form_text"
fields = ["name", "email", "postal_code"]
"""


@pytest.fixture
def signing_up(open_system: OpenSystem, tmp_path: Path) -> System:
    """A system whose design has a form, and whose programme Apple has granted NFC."""
    designs = tmp_path / "designs"
    folder = designs / "points-card"
    shutil.copytree(DESIGNS / "points-card", folder)
    (folder / "template.toml").write_text((folder / "template.toml").read_text() + FORM)
    for words in (folder / "words").iterdir():
        words.write_text(words.read_text() + 'form_text = "Dites-nous qui vous êtes"\n')
    Image.new("RGB", (450, 120), "#204030").save(folder / "images" / "personalization_logo.png")
    system = open_system(WALLET_TEMPLATES_DIR=str(designs))
    program = system.folder / "program.toml"
    granted = f'intermediate_file = "intermediate.pem"\nsign_up = true\nnfc_encryption_public_key = "{_key()}"'
    program.write_text(program.read_text().replace('intermediate_file = "intermediate.pem"', granted))
    system.apply()
    return system


def _key() -> str:
    return make_reader_key().public_base64


def enrolled(system: System, **member: Any) -> Pass:
    system.api.ok("PUT", "/members/M-9", member)
    return Pass.of(system, system.api.ok("POST", "/members/M-9/card"))


def files_in(bundle: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def answered(one: Pass, caller: Caller, token: str = "the phone's token", **info: str) -> Any:
    body = {"personalizationToken": token, "requiredPersonalizationInfo": info}
    return caller.call("POST", f"/passes/{PASS_TYPE}/{one.serial}/personalize", json=body)


def test_item_66_from_the_form_to_the_pass_with_a_name(signing_up: System) -> None:
    system, phone = signing_up, Caller(signing_up)
    one = enrolled(system)
    asked = files_in(phone.fetch(one).content)
    assert json.loads(asked["personalization.json"])["description"] == "Dites-nous qui vous êtes"
    assert "personalizationLogo@2x.png" in asked
    answer = answered(one, phone, fullName="Claire Moreau", emailAddress="claire@example.com", postalCode="69002")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/octet-stream"
    signer = verify_signature(answer.content, b"the phone's token", system.chain.root_pem)
    assert signer.pass_type_id == PASS_TYPE
    after = files_in(phone.fetch(one).content)
    assert "personalization.json" not in after
    assert b"Claire Moreau" in after["pass.json"]
    member = system.api.ok("GET", "/members/M-9")
    assert (member["first_name"], member["last_name"], member["email"]) == ("Claire", "Moreau", "claire@example.com")
    assert member["attributes"] == {"postal_code": "69002"}


def test_item_66_it_counts_once_and_only_where_it_was_asked(signing_up: System, system: System) -> None:
    phone = Caller(signing_up)
    one = enrolled(signing_up)
    assert answered(one, phone, givenName="Claire", familyName="Moreau").status_code == 200
    assert answered(one, phone, fullName="Somebody Else").status_code == 401
    assert signing_up.api.ok("GET", "/members/M-9")["last_name"] == "Moreau"
    switched_off = Caller(system)
    assert answered(enrolled(system), switched_off, fullName="Claire Moreau").status_code == 401


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"personalizationToken": "t", "requiredPersonalizationInfo": {}}']
)
def test_item_66_a_malformed_answer_changes_nothing(signing_up: System, body: bytes) -> None:
    one = enrolled(signing_up)
    answer = Caller(signing_up).call("POST", f"/passes/{PASS_TYPE}/{one.serial}/personalize", data=body)
    assert (answer.status_code, answer.content) == (400, b"")
    assert signing_up.api.ok("GET", "/members/M-9")["first_name"] is None


def message(task: str, serial: str, error: str) -> str:
    about = f"for device 0123456789abcdef0123456789abcdef, pass type {PASS_TYPE}, serial number {serial}"
    return f"[2026-11-21 09:14:07 +0100] {task} task ({about}; with web service url https://a.example) encountered error: {error}"


def test_item_63_what_phones_report_is_found_at_the_card(system: System) -> None:
    one, phone = Pass.of(system, system.enrol()), Caller(system)
    wrong = [message("Get pass", one.serial, "Received invalid pass data")] * 2
    wrong += [
        message("Register", one.serial, "Unexpected response code 401"),
        "nonsense",
        message("Get pass", "x", "y"),
    ]
    assert phone.call("POST", "/log", json={"logs": wrong}).status_code == 200
    reports = system.card(one.serial)["phone_reports"]
    assert [(report["task"], report["error"], report["times"]) for report in reports] == [
        ("register", "Unexpected response code 401", 1),
        ("fetch", "Received invalid pass data", 2),
    ]
    with system.services.sessions() as db:
        assert troubled_cards(db, "lumiere", since=system.clock().replace(year=2020)) == [(one.serial, 2)]


def test_item_63_findings_are_capped(system: System) -> None:
    one, phone = Pass.of(system, system.enrol()), Caller(system)
    for page in range(3):
        logs = [message("Get pass", one.serial, f"error number {page} {number}") for number in range(30)]
        phone.call("POST", "/log", json={"logs": logs})
    reports = system.card(one.serial)["phone_reports"]
    assert len(reports) == MOST_FOR_A_CARD
    assert reports[0]["error"] == "error number 2 29"


@pytest.mark.parametrize(
    ("text", "task", "error"),
    [
        (
            "[t] Get serial #s task (for device d, pass type pass.a, last updated (null); with web service url "
            "https://a.example) encountered error: Unexpected response code 500",
            "list", "Unexpected response code 500",
        ),
        (
            "[t] Web service error for pass.a (https://a.example): Response to 'What changed?' request included 1 "
            "serial numbers but the lastUpdated tag (12) remained the same.",
            "list", "Response to 'What changed?' request included 1 serial numbers but the lastUpdated tag … remained the same.",
        ),
        (
            "[t] Get pass task (pass type pass.a, serial number abc, if-modified-since (null); with web service url "
            "https://a.example/apple) encountered error: see https://a.example/x for 0123456789abcdef0123",
            "fetch", "see … for …",
        ),
        ("something new", "other", "something new"),
    ],
)  # fmt: skip
def test_the_shapes_that_phones_write(text: str, task: str, error: str) -> None:
    report = read_report(text)
    assert (report.task, report.error) == (task, error)
