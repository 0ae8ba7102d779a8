"""The console's gate: who passes, who does not, and what they read (console checks C1, C3, C5, C8-C11, C16, C23)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tests.system import System
from tests.web.console.staff import PASSWORD, Staff, sign_in
from wallet_service.access.roles import OPERATOR
from wallet_service.access.users import lock_user
from wallet_service.web.console.gate import Console

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


def test_c1_a_page_without_permission_cannot_be_registered(system: System) -> None:
    with pytest.raises(TypeError, match="needs"):
        Console().page("/secret", lambda: None)  # type: ignore[call-arg,arg-type,return-value]


def test_who_is_not_signed_in_is_led_to_signing_in_and_back(system: System) -> None:
    answer = system.app.test_client().get("/console/lumiere/")
    assert answer.status_code == 303
    assert answer.headers["Location"].endswith("/console/sign-in?next=%2Fconsole%2Flumiere%2F")


def test_c3_another_programme_does_not_exist(system: System) -> None:
    page = sign_in(system).get("/console/elsewhere/", status=404)
    assert "not one of your stores" in page.text


def test_c5_who_was_locked_is_out_at_once(system: System) -> None:
    staff = sign_in(system, "marketing")
    staff.get("/")
    with system.services.sessions.begin() as db:
        user_id = system.rows("SELECT id FROM users")[0]["id"]
        lock_user(db, OPERATOR, user_id, now=system.clock())
    assert staff.client.get("/console/lumiere/").status_code == 303


def test_c8_unknown_person_and_wrong_password_are_told_the_same(system: System) -> None:
    sign_in(system)
    client = system.app.test_client()
    pages = {}
    for email in ("admin-0@example.com", "nobody-0@example.com"):
        form = {"email": email, "password": "wrong"}
        answer = client.post("/console/sign-in?lang=en", data=form, headers=SAME_ORIGIN)
        assert answer.status_code == 422
        pages[email] = answer.text.replace(email, "…")
    assert len(set(pages.values())) == 1
    assert "Wrong e-mail address or password." in next(iter(pages.values()))


def test_c9_the_eleventh_try_waits_in_words_and_another_address_does_not(system: System) -> None:
    client = system.app.test_client()
    for _ in range(10):
        form = {"email": "lea@example.com", "password": "wrong"}
        assert client.post("/console/sign-in?lang=en", data=form, headers=SAME_ORIGIN).status_code == 422
    answer = client.post("/console/sign-in?lang=en", data=form, headers=SAME_ORIGIN)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 60
    assert re.search(r"Try again in \d+ minutes", answer.text)
    other = {"email": "paul@example.com", "password": "wrong"}
    assert client.post("/console/sign-in?lang=en", data=other, headers=SAME_ORIGIN).status_code == 422


def test_c10_the_cookie_is_guarded_and_new_at_each_sign_in(system: System) -> None:
    staff = sign_in(system)
    form = {"email": staff.email, "password": PASSWORD}
    answer = staff.client.post("/console/sign-in?lang=en", data=form, headers=SAME_ORIGIN)
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("wallet=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    token = cookie.split(";")[0].removeprefix("wallet=")
    assert all(token not in str(row) for row in system.rows("SELECT * FROM sessions"))
    assert len(system.rows("SELECT id FROM sessions WHERE ended_at IS NULL")) == 1


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}, {}], ids=str
)
def test_c11_another_sites_form_is_refused_with_a_valid_session(system: System, headers: dict[str, str]) -> None:
    staff = sign_in(system)
    answer = staff.client.post("/console/sign-out", headers=headers)
    assert answer.status_code == 403
    staff.get("/")


@pytest.mark.parametrize("wish", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example"])
def test_c16_signing_in_leads_nowhere_else(system: System, wish: str) -> None:
    staff = sign_in(system)
    location = staff.post("/console/sign-in", {"email": staff.email, "password": PASSWORD, "next": wish})
    assert location == "/console/"


def test_c14_a_session_ends_by_itself_and_polling_does_not_prolong_it(system: System) -> None:
    staff = sign_in(system)
    for _ in range(3):
        system.clock.advance(timedelta(minutes=25))
        answer = staff.client.get("/console/lumiere/?poll=1")
    assert answer.status_code == 303


def test_a_forgotten_password_is_set_by_a_link_that_works_once(system: System) -> None:
    staff = sign_in(system)
    anybody = Staff(system.app.test_client(), "lumiere", "")
    for email in (staff.email, "nobody@example.com"):
        assert "Regardez vos e-mails" in str(
            getattr(anybody.post("/console/forgotten", {"email": email}, status=200), "text", "")
        )
    (mail,) = system.rows("SELECT to_address, text FROM mails")
    assert mail["to_address"] == staff.email
    found = re.search(r"/console/reset/\S+", mail["text"])
    assert found is not None
    anybody.get(found[0])
    anybody.get(found[0])
    refused = anybody.post(found[0], {"password": "short"}, status=422)
    assert not isinstance(refused, str)
    assert refused.title.startswith("Erreur")
    anybody.post(found[0], {"password": "another long password"})
    anybody.get(found[0], status=410)
    location = anybody.post("/console/sign-in", {"email": staff.email, "password": "another long password"})
    assert location == "/console/"
