"""Apple's web service. Numbers are those of apple-wallet.md, section 8, "Web service"."""

from __future__ import annotations

import io
import threading
import zipfile
from typing import Any

import orjson
import pytest
import requests

from tests.system import PASS_TYPE, System
from tests.web.phone_calls import Caller, Pass
from wallet_service.simulators.phones.wallet_rules import open_bundle


@pytest.fixture
def card(system: System) -> dict[str, Any]:
    """A member's card."""
    return system.enrol()


@pytest.fixture
def one(system: System, card: dict[str, Any]) -> Pass:
    """Its pass, downloaded."""
    return Pass.of(system, card)


@pytest.fixture
def phone(system: System) -> Caller:
    """A device."""
    return Caller(system)


def another(system: System, member_id: str) -> Pass:
    """Another member's pass."""
    return Pass.of(system, system.enrol(member_id))


def registrations(system: System) -> int:
    """How many there are."""
    return len(system.rows("SELECT FROM registrations"))


def test_item_47_register_is_new_once_for_each_device(system: System, phone: Caller, one: Pass) -> None:
    assert [phone.register(one), phone.register(one)] == [201, 200]
    assert Caller(system, device="device-2").register(one) == 201


def test_item_48_a_known_registration_takes_the_new_push_token(system: System, phone: Caller, one: Pass) -> None:
    phone.register(one)
    phone.push_token = "cd" * 32
    assert phone.register(one) == 200
    assert system.rows("SELECT push_token FROM devices") == [{"push_token": "cd" * 32}]


@pytest.mark.parametrize("header", [None, "ApplePass wrong", "Bearer {token}", "AppleOrder {token}", "ApplePass"])
def test_item_49_a_wrong_header_changes_nothing(system: System, phone: Caller, one: Pass, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.format(token=one.token)}
    path = f"/devices/device-1/registrations/{PASS_TYPE}/{one.serial}"
    answer = phone.call("POST", path, headers=headers, json={"pushToken": "ab" * 32})
    unknown = phone.call("POST", path + "x", headers=headers, json={"pushToken": "ab" * 32})
    assert (answer.status_code, answer.content) == (unknown.status_code, unknown.content) == (401, b"")
    assert registrations(system) == 0


def test_item_49_another_cards_token_opens_nothing(system: System, phone: Caller, one: Pass) -> None:
    assert phone.register(one, token=another(system, "M-2").token) == 401
    assert registrations(system) == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"pushToken": 5}', b'{"pushToken": ""}'])
def test_item_50_a_malformed_body_changes_nothing(system: System, phone: Caller, one: Pass, body: bytes) -> None:
    assert phone.register(one, body=body) == 400
    assert registrations(system) == 0


def test_item_51_unregister_is_idempotent_and_forgets_the_last_device(system: System, phone: Caller, one: Pass) -> None:
    two = another(system, "M-2")
    phone.register(one)
    phone.register(two)
    assert phone.unregister(one, token="wrong") == 401
    assert registrations(system) == 2
    assert [phone.unregister(one), phone.unregister(one)] == [200, 200]
    assert len(system.rows("SELECT FROM devices")) == 1
    assert phone.unregister(two) == 200
    assert system.rows("SELECT FROM devices") == []


@pytest.mark.parametrize("headers", [{}, {"Authorization": "ApplePass whatever"}])
def test_item_52_the_list_needs_no_authorization(phone: Caller, one: Pass, headers: dict[str, str]) -> None:
    phone.register(one)
    assert phone.changed(headers=headers).json()["serialNumbers"] == [one.serial]


def test_item_53_without_a_tag_all_then_nothing(system: System, phone: Caller, one: Pass) -> None:
    two = another(system, "M-2")
    phone.register(one)
    phone.register(two)
    first = phone.changed().json()
    assert first["serialNumbers"] == sorted([one.serial, two.serial])
    second = phone.changed(first["lastUpdated"])
    assert (second.status_code, second.content) == (204, b"")


def test_item_54_exactly_what_changed_since_the_tag(system: System, phone: Caller) -> None:
    passes = {member: another(system, member) for member in ("A", "B", "C")}
    for one in passes.values():
        phone.register(one)
    tag = phone.changed().json()["lastUpdated"]
    system.set_points("A", 1, sequence=1)
    system.set_points("C", 3, sequence=1)
    answer = phone.changed(tag).json()
    assert answer["serialNumbers"] == sorted([passes["A"].serial, passes["C"].serial])
    assert phone.changed(answer["lastUpdated"]).status_code == 204


def test_item_55_60_two_changes_within_one_second_both_arrive(system: System, phone: Caller, one: Pass) -> None:
    phone.register(one)
    tag = phone.changed().json()["lastUpdated"]
    dates: list[str] = []
    for points in (1, 2):
        system.set_points("M-1", points, sequence=points)
        answer = phone.changed(tag).json()
        assert answer["serialNumbers"] == [one.serial]
        assert int(answer["lastUpdated"]) > int(tag)
        tag = answer["lastUpdated"]
        fetched = phone.fetch(one, since=dates[-1] if dates else "")
        assert fetched.status_code == 200
        dates.append(fetched.headers["Last-Modified"])
    assert dates[0] != dates[1]


def test_item_56_the_list_is_this_devices_and_this_types(system: System, phone: Caller, one: Pass) -> None:
    phone.register(one)
    stranger = Caller(system, device="device-2")
    assert (stranger.changed().status_code, stranger.changed().content) == (204, b"")
    other_type = phone.call("GET", "/devices/device-1/registrations/pass.example.other")
    assert other_type.status_code == 204
    for garbage in ("", "abc", "-1", "1.5", "9" * 40, "٣"):
        assert phone.changed(garbage).json()["serialNumbers"] == [one.serial]
    assert isinstance(phone.changed().json()["lastUpdated"], str)


def test_item_57_no_change_is_lost_between_concurrent_writers(system: System, phone: Caller) -> None:
    """Writers commit in any order while the phone keeps asking: what it has listed in the end is every last version."""
    members = [f"M-{n}" for n in range(6)]
    passes = {member: another(system, member) for member in members}
    for one in passes.values():
        phone.register(one)
    tag = phone.changed().json()["lastUpdated"]

    def write(member: str) -> None:
        for sequence in range(1, 9):
            system.set_points(member, sequence, sequence=sequence)

    writers = [threading.Thread(target=write, args=(member,)) for member in members]
    for writer in writers:
        writer.start()
    seen: dict[str, str] = {}

    def ask() -> None:
        nonlocal tag
        answer = phone.changed(tag)
        if answer.status_code == 200:
            assert int(answer.json()["lastUpdated"]) > int(tag)
            tag = answer.json()["lastUpdated"]
            for serial in answer.json()["serialNumbers"]:
                member = next(name for name, one in passes.items() if one.serial == serial)
                bundle = phone.fetch(passes[member]).content
                seen[member] = open_bundle(bundle, roots_pem=system.chain.root_pem, allow_http=True).serial_number
                seen[member] = _points_in(bundle)

    while any(writer.is_alive() for writer in writers):
        ask()
    for writer in writers:
        writer.join()
    ask()
    assert seen == dict.fromkeys(members, "8")


def _points_in(bundle: bytes) -> str:
    content = orjson.loads(zipfile.ZipFile(io.BytesIO(bundle)).read("pass.json"))
    fields = [field for slot in content["storeCard"].values() if isinstance(slot, list) for field in slot]
    return str(next(field["value"] for field in fields if field["key"] == "points"))


def test_item_57_a_change_between_download_and_registration_is_listed(system: System, phone: Caller) -> None:
    """Whatever tag the phone holds: it may be newer than that change, from another pass of the same type."""
    one, two = another(system, "M-1"), another(system, "M-2")
    system.set_points("M-1", 7, sequence=1)
    system.set_points("M-2", 8, sequence=1)
    phone.register(two)
    tag = phone.changed().json()["lastUpdated"]
    phone.register(one)
    assert phone.changed(tag).json()["serialNumbers"] == [one.serial]
    assert _points_in(phone.fetch(one).content) == "7"


def test_a_pass_as_downloaded_is_not_announced_at_registration(system: System, phone: Caller, one: Pass) -> None:
    phone.register(one)
    assert system.rows("SELECT FROM deliveries WHERE kind = 'apple' AND wanted_version > told_version") == []
    assert system.card(one.serial)["far_ends"][0]["state"] == "up_to_date"


def test_item_58_the_newest_pass_is_that_pass(system: System, phone: Caller, one: Pass) -> None:
    answer = phone.fetch(one)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/vnd.apple.pkpass"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Last-Modified"].endswith("GMT")
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    bundle = open_bundle(answer.content, roots_pem=system.chain.root_pem, allow_http=True)
    assert (bundle.serial_number, bundle.pass_type_id) == (one.serial, PASS_TYPE)
    assert bundle.content["authenticationToken"] == one.token


def test_item_59_conditional_requests(system: System, phone: Caller, one: Pass) -> None:
    modified = phone.fetch(one).headers["Last-Modified"]
    same = phone.fetch(one, since=modified)
    assert (same.status_code, same.content) == (304, b"")
    assert phone.fetch(one, since="Thu, 01 Jan 2015 00:00:00 GMT").status_code == 200
    assert phone.fetch(one, since="yesterday, more or less").status_code == 200


def test_item_61_wrong_token_and_unknown_serial_look_alike(phone: Caller, one: Pass) -> None:
    wrong = phone.fetch(one, token="0" * 32)
    unknown = phone.call("GET", f"/passes/{PASS_TYPE}/{'0' * 32}", token=one.token)
    assert (wrong.status_code, wrong.content) == (unknown.status_code, unknown.content) == (401, b"")


def test_item_62_head_gives_the_headers_and_counts_as_no_download(system: System, phone: Caller, one: Pass) -> None:
    phone.register(one)
    system.set_points("M-1", 3, sequence=1)
    got, head = phone.call("HEAD", f"/passes/{PASS_TYPE}/{one.serial}", token=one.token), None
    assert system.card(one.serial)["far_ends"][0]["state"] != "up_to_date"
    head, got = got, phone.fetch(one)
    assert head.content == b""
    for name in ("Content-Type", "Last-Modified", "Cache-Control"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize(
    "body", [b'{"logs": ["one", "two"]}', b"", b"{", b'{"logs": 5}', b'{"logs": [1, null]}', b"x" * 200_000]
)
def test_item_63_the_log_takes_everything(phone: Caller, body: bytes) -> None:
    answer = phone.call("POST", "/log", data=body)
    assert (answer.status_code, answer.content) == (200, b"")


def test_item_63_no_id_of_a_message_is_kept(system: System, phone: Caller, one: Pass) -> None:
    message = (
        f"[2026-11-21 09:14:07 +0100] Get pass task (pass type {PASS_TYPE}, serial number {one.serial}; "
        f"with web service url {system.url}) encountered error: Unexpected response code 500"
    )
    phone.call("POST", "/log", json={"logs": [message]})
    (row,) = system.rows("SELECT task, error, times FROM device_reports")
    assert row == {"task": "fetch", "error": "Unexpected response code 500", "times": 1}


def test_item_64_every_endpoint_works_with_a_double_slash(system: System, one: Pass) -> None:
    phone = Caller(system, base="/apple//v1")
    assert phone.register(one) == 201
    assert phone.changed().status_code == 200
    assert phone.fetch(one).status_code == 200
    assert phone.call("POST", "/log", json={"logs": []}).status_code == 200
    assert phone.unregister(one) == 200


@pytest.mark.parametrize("path", ["/nothing", "/passes/a", f"/passes/{PASS_TYPE}/a%2Fb", "/devices/d/registrations"])
def test_item_64_what_is_not_there_is_a_bare_status(phone: Caller, path: str) -> None:
    answer = phone.call("GET", path, token="x")
    assert answer.status_code in (401, 404)
    assert answer.content == b""


def test_item_64_a_status_without_a_body_has_no_content_type(system: System, phone: Caller, one: Pass) -> None:
    """C11: whatever is answered to a phone has a type exactly if it has a body."""
    newest, registration = f"/passes/{PASS_TYPE}/{one.serial}", phone._registration(one)
    push_token = {"pushToken": "ab" * 32}
    answers = [
        phone.call("POST", registration, token=one.token, json=push_token),
        phone.call("POST", registration, token=one.token, json=push_token),
        phone.call("POST", registration, token="wrong", json=push_token),
        phone.call("POST", registration, token=one.token, data=b"{"),
        phone.changed(),
        phone.changed("9" * 18),
        phone.fetch(one),
        phone.fetch(one, since=phone.fetch(one).headers["Last-Modified"]),
        phone.fetch(one, token="wrong"),
        phone.fetch(one, method="HEAD", token="wrong"),
        phone.fetch(one, method="HEAD", since=phone.fetch(one).headers["Last-Modified"]),
        phone.call("POST", "/log", json={"logs": []}),
        phone.call("POST", f"{newest}/personalize", json={}),
        phone.call("GET", "/nothing"),
        phone.call("PUT", newest),
        phone.call("DELETE", registration, token=one.token),
        phone.call("DELETE", registration, token="wrong"),
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [201, 200, 401, 400, 200, 204, 200, 304, 401, 401, 304, 200, 400, 404, 405, 200, 401]
    assert [bool(answer.content) for answer in answers] == ["Content-Type" in answer.headers for answer in answers]
    assert sum(bool(answer.content) for answer in answers) == 2


def test_item_65_no_cookies(phone: Caller, one: Pass) -> None:
    for answer in (phone.fetch(one), phone.changed(), phone.call("POST", "/log", data=b"")):
        assert "Set-Cookie" not in answer.headers


def test_item_67_a_hundred_quick_calls_are_all_answered(phone: Caller, one: Pass) -> None:
    phone.register(one)
    tag = phone.changed().json()["lastUpdated"]
    assert {phone.changed(tag).status_code for _ in range(100)} == {204}


def test_item_68_a_void_card_is_served_void(system: System, phone: Caller, one: Pass) -> None:
    system.api.ok("POST", f"/cards/{one.serial}/void")
    content = orjson.loads(zipfile.ZipFile(io.BytesIO(phone.fetch(one).content)).read("pass.json"))
    assert content["voided"] is True
    assert "barcodes" not in content


def test_item_29_31_token_and_serial_never_change(system: System, phone: Caller, one: Pass) -> None:
    system.set_points("M-1", 3, sequence=1)
    again = Pass.of(system, system.enrol())
    assert (again.serial, again.token) == (one.serial, one.token)


def test_item_81_the_download_link(system: System, one: Pass) -> None:
    answer = requests.get(one.link, timeout=30)
    assert answer.headers["Content-Type"] == "application/vnd.apple.pkpass"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="card.pkpass"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert "Last-Modified" in answer.headers
    lost = requests.get(f"{system.url}/c/no-such-link/pass.pkpass", timeout=30)
    assert lost.status_code == 404
    assert lost.headers["Content-Type"].startswith("text/html")
