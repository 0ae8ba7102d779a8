"""Team and journal (console checks C4, C5, C7, C15, C25)."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.system import System
from tests.web.console.staff import PASSWORD, sign_in

LYON = {"name": "Lyon Bellecour", "latitude": 45.757, "longitude": 4.832}


def test_c4_an_invitation_is_a_mail_to_that_person_and_a_journal_entry(system: System) -> None:
    system.api.ok("PUT", "/stores/lyon", LYON)
    admin = sign_in(system)
    form = {"email": "Paul@Example.com", "name": "Paul Durand", "role": "store", "store": ["", "lyon"]}
    page = admin.follow("/team/invite", form)
    assert "on its way by e-mail" in page.text
    assert "paul@example.com" in page.text
    assert "/console/invitation/" not in page.text
    (mail,) = system.rows("SELECT to_address, text FROM mails")
    assert mail["to_address"] == "paul@example.com"
    assert "/console/invitation/" in mail["text"]
    entries = admin.get("/journal").text
    assert "Gave a role" in entries
    assert "Léa Martin" in entries
    csv = admin.client.get("/console/lumiere/journal.csv")
    assert csv.text.startswith("\ufeffWhen;Who;What")
    assert csv.text.count("grant") == 0, "the words, not the codes"


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"email": "paul", "role": "marketing"}, "Enter an e-mail address"),
        ({"email": "", "role": "marketing"}, "Fill in this field."),
        ({"email": "paul@example.com", "role": ""}, "Role"),
        ({"email": "paul@example.com", "role": "store"}, "Stores"),
        ({"email": "paul@example.com", "role": "store", "store": "paris"}, "Stores"),
    ],
)
def test_c4_what_is_refused_leaves_nothing(system: System, form: dict[str, str], sentence: str) -> None:
    admin = sign_in(system)
    before = system.rows("SELECT count(*) AS n FROM journal")
    page = admin.post("/team/invite", form, status=422)
    assert not isinstance(page, str)
    assert page.title.startswith("Error")
    assert sentence in page.text
    assert system.rows("SELECT count(*) AS n FROM journal") == before
    assert system.rows("SELECT id FROM mails") == []


def test_c15_the_team_asks_for_the_password_again(system: System) -> None:
    admin = sign_in(system)
    admin.get("/team/invite")
    system.clock.advance(timedelta(minutes=16))
    answer = admin.client.get("/console/lumiere/team/invite")
    assert answer.headers["Location"] == "/console/account/password-again?next=/console/lumiere/team/invite"
    admin.post("/console/account/password-again", {"password": "wrong"}, status=422)
    data = {"password": PASSWORD, "next": "/console/lumiere/team/invite"}
    assert "Invite somebody" in admin.follow("/console/account/password-again", data).title


def test_c5_who_loses_the_role_is_out_at_the_next_click(system: System) -> None:
    admin, other = sign_in(system), sign_in(system, "marketing")
    other.get("/")
    user_id = system.rows("SELECT id FROM users WHERE email = :email", email=other.email)[0]["id"]
    page = admin.get(f"/team/{user_id}/remove")
    assert "no longer sees this programme" in page.text
    other.get("/")
    admin.follow(f"/team/{user_id}/remove")
    assert other.client.get("/console/lumiere/").status_code in (303, 404)


def test_the_last_administrator_stays(system: System) -> None:
    admin = sign_in(system)
    user_id = system.rows("SELECT id FROM users")[0]["id"]
    for act in ("lock", "remove"):
        page = admin.post(f"/team/{user_id}/{act}", status=409)
        assert not isinstance(page, str)
        assert "without an administrator" in page.text
    page = admin.post(f"/team/{user_id}", {"role": "marketing"}, status=422)
    assert not isinstance(page, str)
    assert "without an administrator" in page.text


@pytest.mark.parametrize("role", ["marketing", "store", "till", "technical"])
def test_others_do_not_reach_the_team(system: System, role: str) -> None:
    system.api.ok("PUT", "/stores/lyon", LYON)
    person = sign_in(system, role, stores=("lyon",) if role in ("store", "till") else ())
    page = person.get("/team", status=403)
    assert "Your role may not open this page" in page.text
    assert "Team" not in person.get("/").text


def test_c23_c82_what_was_typed_when_the_session_ended_is_there_after_signing_in_again(system: System) -> None:
    admin = sign_in(system)
    system.clock.advance(timedelta(minutes=61))
    to_sign_in = admin.post("/team/invite", {"email": "paul@example.com", "role": "marketing"})
    assert isinstance(to_sign_in, str)
    assert "what you typed is kept" in admin.get(f"{to_sign_in}&lang=en").text
    back = parse_qs(urlsplit(to_sign_in).query)["next"][0]
    page = admin.follow("/console/sign-in", {"email": admin.email, "password": PASSWORD, "next": back})
    assert page.one("input", name="email").get("value") == "paul@example.com"
    assert system.rows("SELECT id FROM mails") == []
