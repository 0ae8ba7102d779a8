"""What somebody tries who means harm, or a browser that was told nonsense: refused in words, and nothing is lost."""

from __future__ import annotations

import re
from datetime import timedelta

import pyotp
import pytest

from tests.system import System
from tests.web.console.staff import PASSWORD, Staff, sign_in
from wallet_service.access.roles import OPERATOR, Author
from wallet_service.access.users import address_id, invite, lock_user, unlock_user
from wallet_service.errors import Conflict

FACTOR = "/console/account/second-factor"
_STORE = {"latitude": 45.7578, "longitude": 4.8320}
_SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
BIG = "9" * 25


def secret_on(staff: Staff) -> str:
    """The key that the page shows."""
    return _secret(staff.get(FACTOR).text)


def _secret(text: str) -> str:
    found = re.search(r"\b(?:[A-Z2-7]{4} ?){8}\b", text)
    assert found is not None
    return found[0].replace(" ", "")


def code_of(system: System, secret: str) -> str:
    """What an authenticator app shows now."""
    return pyotp.TOTP(secret).at(system.clock())


def set_up(system: System, staff: Staff) -> str:
    """Set up a second factor; returns its secret."""
    secret = secret_on(staff)
    staff.post(FACTOR, {"code": code_of(system, secret)}, status=200)
    return secret


def test_the_password_alone_does_not_replace_the_second_factor(system: System) -> None:
    owner = sign_in(system)
    set_up(system, owner)
    thief = Staff(system.app.test_client(), "lumiere", owner.email)
    thief.post("/console/sign-in", {"email": owner.email, "password": PASSWORD})
    for answer in (thief.client.get(FACTOR), thief.client.post(FACTOR, data={"code": "1"}, headers=_SAME_ORIGIN)):
        assert answer.status_code == 303
        assert "/console/second-factor" in answer.headers["Location"]
    assert thief.client.get("/console/lumiere/").status_code == 303


def test_replacing_the_second_factor_asks_for_the_password_and_tells_the_owner(system: System) -> None:
    owner = sign_in(system)
    set_up(system, owner)
    told = len(system.rows("SELECT id FROM mails"))
    system.clock.advance(timedelta(minutes=16))
    assert "/password-again" in owner.client.get(FACTOR).headers["Location"]
    owner.post("/console/account/password-again", {"password": PASSWORD})
    set_up(system, owner)
    assert len(system.rows("SELECT id FROM mails")) == told + 1
    assert "Set up the second step" in owner.get("/journal").text


def test_after_a_wrong_code_the_same_key_is_shown_and_taken(system: System) -> None:
    staff = sign_in(system)
    secret = secret_on(staff)
    refused = staff.post(FACTOR, {"code": "000000"}, status=422)
    assert not isinstance(refused, str)
    assert _secret(refused.text) == secret
    staff.post(FACTOR, {"code": code_of(system, secret)}, status=200)


def test_a_code_typed_after_the_session_ended_is_not_kept(system: System) -> None:
    staff = sign_in(system)
    set_up(system, staff)
    system.clock.advance(timedelta(hours=13))
    staff.client.post("/console/second-factor", data={"code": "3LKT-ABCD"}, headers=_SAME_ORIGIN)
    assert system.rows("SELECT id FROM sessions WHERE form IS NOT NULL") == []


@pytest.mark.parametrize("locked_by", ["operator", "user"])
def test_who_may_let_somebody_in_again(system: System, locked_by: str) -> None:
    person = sign_in(system, "marketing").email
    with system.services.sessions() as db:
        number = address_id(db, person)
    admin = Author("user", 999, "Léa")
    with system.services.sessions.begin() as db:
        lock_user(db, OPERATOR if locked_by == "operator" else admin, number, program_id="lumiere", now=system.clock())
    if locked_by == "operator":
        with pytest.raises(Conflict), system.services.sessions.begin() as db:
            unlock_user(db, admin, number, program_id="lumiere", now=system.clock())
    with system.services.sessions.begin() as db:
        unlock_user(
            db, OPERATOR if locked_by == "operator" else admin, number, program_id="lumiere", now=system.clock()
        )
    assert system.rows("SELECT locked_at, locked_by FROM users WHERE id = :id", id=number) == [
        {"locked_at": None, "locked_by": None}
    ]


def test_strangers_elsewhere_do_not_keep_an_owner_out(system: System) -> None:
    owner = sign_in(system)
    stranger = {"REMOTE_ADDR": "203.0.113.9"}
    for _ in range(11):
        system.app.test_client().post(
            "/console/sign-in", data={"email": owner.email, "password": "x"}, environ_overrides=stranger
        )
    again = system.app.test_client().post(
        "/console/sign-in",
        data={"email": owner.email, "password": PASSWORD},
        headers=_SAME_ORIGIN,
        environ_overrides={"REMOTE_ADDR": "198.51.100.7"},
    )
    assert again.status_code == 303


def test_asking_for_a_new_password_does_not_void_an_invitation(system: System) -> None:
    with system.services.sessions.begin() as db:
        invited = invite(
            db, OPERATOR, email="new@example.com", name="", locale=None, program_id="lumiere", role="marketing",
            now=system.clock(),
        )  # fmt: skip
    client = system.app.test_client()
    assert client.post("/console/forgotten", data={"email": "new@example.com"}, headers=_SAME_ORIGIN).status_code == 200
    assert client.get(f"/console/invitation/{invited.link_token}").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/team/{BIG}", 404),
        (f"/stores/import/{BIG}", 404),
        (f"/journal?before={BIG}", 200),
        ("/journal?before=-1", 200),
        (f"/stores?page={BIG}", 200),
        ("/stores?q=%00", 422),
        ("/journal?kind=%00", 422),
        ("/journal?until=9999-12-31", 200),
        ("/journal?since=0001-01-01", 200),
        ("/stores/%00", 404),
    ],
)
def test_an_address_that_nobody_typed_is_no_failure(system: System, path: str, status: int) -> None:
    sign_in(system).get(path, status=status)


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        (f"/console/account/sessions/{BIG}/end", {}, 404),
        ("/console/forgotten", {"email": "a\0b@example.com"}, 422),
        ("/team/invite", {"email": "a@example.com", "role": "store", "store": "\0"}, 422),
        ("/stores/new", {"name": "X", "position.y": "1"}, 422),
        ("/stores/new", {"name": "X", "exceptions.z": "1", "beacons_text.q": "1", "groups_text.q": "1"}, 422),
    ],
)
def test_a_forged_form_is_refused_in_words(system: System, path: str, data: dict[str, str], status: int) -> None:
    sign_in(system).post(path, data, status=status)


def test_what_is_refused_before_anything_is_looked_at_is_refused_in_words(system: System) -> None:
    client = system.app.test_client()
    assert client.get("/console/%00").status_code in (404, 422)
    assert client.get("/console/%ff").status_code == 404
    answer = client.post("/console/sign-in", data={"email": "x" * 2_000_000})
    assert answer.status_code == 413
    assert "<h1" in answer.text


def test_a_file_larger_than_a_form_can_be_imported(system: System) -> None:
    staff = sign_in(system)
    rows = "".join(f"s{number};Magasin {number};45,7;4,8;{'x' * 90}\n" for number in range(12_000))
    content = ("code;nom;lat;lon;note\n" + rows).encode()
    assert len(content) > 1_100_000
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="s.csv"\r\n\r\n'
    body = head + content + b"\r\n--edge--\r\n"
    location = staff.post("/stores/import", body, content_type="multipart/form-data; boundary=edge")
    assert isinstance(location, str)
    assert "12000" in re.sub(r"\D", "", staff.get(location).text)


def test_a_store_that_is_gone_gives_nobody_rights_any_more(system: System) -> None:
    for name in ("lyon", "paris"):
        system.api.ok("PUT", f"/stores/{name}", _STORE | {"name": name})
    both = sign_in(system, "store", stores=("lyon", "paris"))
    one = sign_in(system, "store", stores=("lyon",))
    system.api.ok("DELETE", "/stores/lyon")
    system.api.ok("PUT", "/stores/lyon", _STORE | {"name": "Another"})
    both.get("/stores/lyon", status=404)
    both.get("/stores/paris")
    assert one.client.get("/console/lumiere/").status_code in (303, 404)


def test_a_stores_name_never_makes_it_a_page_of_ours(system: System) -> None:
    staff = sign_in(system)
    for name in ("Import", "New"):
        staff.post("/stores/new", {"name": name, "latitude": "45.75", "longitude": "4.83", "far_ok": "1"})
    assert {row["store_id"] for row in system.rows("SELECT store_id FROM stores")} == {"store-import", "store-new"}


def test_saving_a_page_keeps_what_it_does_not_show(system: System) -> None:
    system.api.ok("PUT", "/stores/lyon", _STORE | {"name": "Lyon", "proximity_text": {"fr": "Bonjour", "de": "Hallo"}})
    staff = sign_in(system)
    version = staff.get("/stores/lyon").one("input", name="_version").get("value")
    form = {"name": "Lyon", "latitude": "45.7578", "longitude": "4.8320", "_version": version, "far_ok": "1"}
    staff.post("/stores/lyon", form | {"proximity_text.fr": "Bonsoir"})
    texts = system.rows("SELECT proximity_text FROM stores")[0]["proximity_text"]
    assert texts == {"fr": "Bonsoir", "de": "Hallo"}


def test_the_journal_as_a_file_runs_no_formula(system: System) -> None:
    staff = sign_in(system)
    staff.post("/team/invite", {"email": "x@example.com", "name": "=HYPERLINK(1)", "role": "marketing"})
    lines = staff.client.get("/console/lumiere/journal.csv").text.splitlines()
    assert not any(cell.lstrip('"')[:1] in ("=", "@", "+") for line in lines for cell in line.split(";"))
