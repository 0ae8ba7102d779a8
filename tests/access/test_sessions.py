"""Sessions: opaque, bound to what a person is at this moment, ended in time."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from tests.access.conftest import NOW, Access
from wallet_service.access.forgetting import forget_access
from wallet_service.access.roles import OPERATOR, Permission
from wallet_service.access.sessions import (
    FORM_KEPT_FOR,
    LARGEST_FORM,
    SignedIn,
    end_other_sessions,
    end_session,
    keep_form,
    look_at_session,
    open_session,
    renew_after_password,
    renew_after_second_factor,
    sessions_of,
    take_form,
)
from wallet_service.access.users import lock_user, remove_grant, set_grant, unlock_user

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def look(access: Access, token: str, after: timedelta = timedelta(0), *, prolong: bool = True) -> SignedIn | None:
    """A request with that cookie, so long after the beginning."""
    with access.sessions.begin() as db:
        return look_at_session(db, token, now=NOW + after, prolong=prolong)


def live(access: Access, token: str, after: timedelta = timedelta(0)) -> SignedIn:
    """A request whose session must be live."""
    found = look(access, token, after)
    assert found is not None
    return found


def test_a_session_knows_its_person_and_what_they_may(access: Access) -> None:
    user_id = access.person(role="store", store_ids=["lyon"])
    signed_in = live(access, access.signed_in(user_id))
    assert (signed_in.user_id, signed_in.email, signed_in.name) == (user_id, "lea@example.com", "Léa Martin")
    actor = signed_in.actor_in("lumiere")
    assert actor is not None
    assert (actor.kind, actor.id, actor.store_ids) == ("user", user_id, frozenset({"lyon"}))
    assert actor.may(Permission.OFFERS_WRITE)
    assert signed_in.actor_in("other") is None


def test_c10_only_a_digest_of_256_random_bits_is_kept(access: Access) -> None:
    user_id = access.person()
    token = access.signed_in(user_id)
    assert len(base64.urlsafe_b64decode(token + "=")) == 32
    assert access.signed_in(user_id) != token
    (row, _) = access.rows("SELECT token_digest, sessions::text AS whole FROM sessions ORDER BY id")
    assert len(row["token_digest"]) == 32
    assert token not in row["whole"]
    assert base64.urlsafe_b64decode(token + "=").hex() not in row["whole"]
    assert look(access, row["token_digest"].hex()) is None
    assert look(access, token + "x") is None


def test_c10_the_token_changes_at_the_password_and_the_second_factor(access: Access) -> None:
    first = access.signed_in(access.person())
    with access.sessions.begin() as db:
        second = renew_after_password(db, live(access, first).session_id, now=NOW + MINUTE)
    assert look(access, first) is None
    assert live(access, second).password_entered_at == NOW + MINUTE
    with access.sessions.begin() as db:
        third = renew_after_second_factor(db, live(access, second).session_id, now=NOW + MINUTE)
    assert look(access, second) is None
    assert live(access, third).second_factor_at == NOW + MINUTE


def test_c5_a_removed_grant_ends_the_next_request(access: Access) -> None:
    user_id = access.person()
    access.person(program_id="other", role="technical")
    token = access.signed_in(user_id)
    assert set(live(access, token).actors) == {"lumiere", "other"}
    with access.sessions.begin() as db:
        remove_grant(db, OPERATOR, user_id, program_id="lumiere", now=NOW)
    assert set(live(access, token).actors) == {"other"}
    with access.sessions.begin() as db:
        remove_grant(db, OPERATOR, user_id, program_id="other", now=NOW)
    assert look(access, token) is None


def test_c5_another_role_holds_at_the_next_request(access: Access) -> None:
    user_id = access.person()
    token = access.signed_in(user_id)
    with access.sessions.begin() as db:
        set_grant(db, OPERATOR, user_id, program_id="lumiere", role="till", store_ids=["lyon"], now=NOW)
    actor = live(access, token).actor_in("lumiere")
    assert actor is not None
    assert not actor.may(Permission.OFFERS_WRITE)


def test_c5_a_locked_users_session_ends_and_does_not_come_back(access: Access) -> None:
    user_id = access.person()
    token = access.signed_in(user_id)
    assert look(access, token)
    with access.sessions.begin() as db:
        lock_user(db, OPERATOR, user_id, now=NOW)
    assert look(access, token) is None
    with access.sessions.begin() as db:
        unlock_user(db, OPERATOR, user_id, now=NOW)
    assert look(access, token) is None


def test_a_look_is_one_statement(access: Access) -> None:
    token = access.signed_in(access.person())
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(access.database.engine, "before_cursor_execute", note)
    assert look(access, token, MINUTE)
    assert len(statements) == 1


@pytest.mark.parametrize(
    ("role", "idle"), [("admin", HOUR), ("technical", HOUR), ("marketing", 12 * HOUR), ("store", 12 * HOUR)]
)
def test_c14_the_idle_end_of_each_role(access: Access, role: str, idle: timedelta) -> None:
    stores = ["lyon"] if role == "store" else []
    token = access.signed_in(access.person(role=role, store_ids=stores))
    almost = idle - timedelta(seconds=1)
    ends_at = look(access, token, almost, prolong=False)
    assert ends_at is not None
    assert ends_at.ends_at == NOW + idle
    assert look(access, token, idle, prolong=False) is None
    assert look(access, token, idle) is None


def test_c14_a_person_with_any_strong_role_rests_an_hour_at_most(access: Access) -> None:
    user_id = access.person(role="marketing")
    access.person(role="technical", program_id="other")
    assert look(access, access.signed_in(user_id), HOUR) is None


def test_c14_requests_prolong_and_polling_does_not(access: Access) -> None:
    token = access.signed_in(access.person(role="admin"))
    for minutes in range(5, 60, 5):
        assert look(access, token, minutes * MINUTE, prolong=False)
    assert look(access, token, HOUR, prolong=False) is None

    token = access.signed_in(access.person(role="admin"))
    assert live(access, token, 50 * MINUTE).ends_at == NOW + 110 * MINUTE
    assert look(access, token, 109 * MINUTE, prolong=False)
    assert look(access, token, 110 * MINUTE, prolong=False) is None


def test_c14_the_absolute_end_comes_whatever_one_does(access: Access) -> None:
    token = access.signed_in(access.person(role="admin"))
    for minutes in range(30, 12 * 60, 30):
        assert look(access, token, minutes * MINUTE)
    assert look(access, token, 12 * HOUR - MINUTE)
    assert look(access, token, 12 * HOUR) is None


def test_when_somebody_was_last_seen(access: Access) -> None:
    token = access.signed_in(access.person())
    look(access, token, 10 * MINUTE, prolong=False)
    assert access.rows("SELECT last_seen_at FROM users") == [{"last_seen_at": None}]
    look(access, token, 20 * MINUTE)
    assert access.rows("SELECT last_seen_at FROM users") == [{"last_seen_at": NOW + 20 * MINUTE}]


def test_a_page_does_not_wait_for_another_of_the_same_person(access: Access) -> None:
    user_id = access.person()
    token, other = access.signed_in(user_id), access.signed_in(user_id)
    with access.sessions.begin() as slow:
        assert look_at_session(slow, token, now=NOW + MINUTE)
        with access.sessions.begin() as db:
            assert look_at_session(db, token, now=NOW + 2 * MINUTE)
            assert look_at_session(db, other, now=NOW + 2 * MINUTE)


def test_c15_the_password_is_fresh_for_a_quarter_of_an_hour(access: Access) -> None:
    signed_in = live(access, access.signed_in(access.person()))
    assert signed_in.password_is_fresh(NOW + 15 * MINUTE - timedelta(seconds=1))
    assert not signed_in.password_is_fresh(NOW + 15 * MINUTE)


def test_a_person_lists_and_ends_their_sessions(access: Access) -> None:
    user_id, other = access.person(), access.person("paul@example.com")
    tokens = [access.signed_in(user_id, now=NOW + number * MINUTE) for number in range(3)]
    pauls = access.signed_in(other)
    with access.sessions.begin() as db:
        listed = sessions_of(db, user_id, now=NOW + HOUR)
        assert [(one.agent, one.created_at) for one in listed] == [
            ("Firefox", NOW + number * MINUTE) for number in (2, 1, 0)
        ]
        end_session(db, listed[0].id, user_id=other, now=NOW)
        assert len(sessions_of(db, user_id, now=NOW + HOUR)) == 3, "nobody ends another's session"
        end_session(db, listed[0].id, user_id=user_id, now=NOW)
    assert look(access, tokens[2]) is None
    with access.sessions.begin() as db:
        end_other_sessions(db, listed[1].id, user_id=user_id, now=NOW)
    assert [bool(look(access, token)) for token in tokens] == [False, True, False]
    assert look(access, pauls)


def keep(access: Access, token: str, fields: dict[str, list[str]], at: datetime, path: str = "/console/x") -> bool:
    with access.sessions.begin() as db:
        return keep_form(db, token, path, fields, now=at)


def test_c23_what_was_typed_comes_back_after_signing_in(access: Access) -> None:
    user_id = access.person(role="admin")
    ended = access.signed_in(user_id)
    at = NOW + 2 * HOUR
    assert look(access, ended, 2 * HOUR) is None
    fields = {"title.fr": ["Été"], "store_ids": ["lyon", "paris"], "code": ["E-1"], "new_password": ["geheim"]}
    assert keep(access, ended, fields, at)
    with access.sessions.begin() as db:
        token = open_session(db, user_id, agent="Firefox", former_token=ended, now=at + MINUTE)
        signed_in = look_at_session(db, token, now=at + MINUTE)
        assert signed_in is not None
        form = take_form(db, signed_in.session_id, now=at + MINUTE)
        assert form is not None
        assert form.path == "/console/x"
        assert form.fields == {"title.fr": ["Été"], "store_ids": ["lyon", "paris"], "code": ["E-1"]}
        assert take_form(db, signed_in.session_id, now=at + MINUTE) is None, "once"
    assert "geheim" not in str(access.rows("SELECT sessions::text FROM sessions"))


def test_c23_a_form_is_kept_for_half_an_hour_and_for_its_own_person(access: Access) -> None:
    lea, paul = access.person(role="admin"), access.person("paul@example.com")
    for user_id, wait, comes_back in ((lea, FORM_KEPT_FOR, False), (paul, MINUTE, False), (lea, MINUTE, True)):
        ended = access.signed_in(lea)
        assert keep(access, ended, {"title": ["x"]}, NOW + HOUR)
        with access.sessions.begin() as db:
            token = open_session(db, user_id, agent="", former_token=ended, now=NOW + HOUR)
            signed_in = look_at_session(db, token, now=NOW + HOUR)
            assert signed_in is not None
            assert (take_form(db, signed_in.session_id, now=NOW + HOUR + wait) is not None) is comes_back


def test_c23_what_is_too_large_or_of_an_ended_session_is_not_kept(access: Access) -> None:
    user_id = access.person()
    token = access.signed_in(user_id)
    assert not keep(access, token, {"text": ["x" * LARGEST_FORM]}, NOW)
    assert not keep(access, token, {"text": ["a\0b"]}, NOW)
    for path in ("https://evil.example", "//evil.example", "/\\evil.example", "x"):
        assert not keep(access, token, {"text": ["x"]}, NOW, path)
    assert not keep(access, "unknown", {"text": ["x"]}, NOW)
    with access.sessions.begin() as db:
        lock_user(db, OPERATOR, user_id, now=NOW)
    assert not keep(access, token, {"text": ["x"]}, NOW)


def test_signing_in_again_ends_the_session_before(access: Access) -> None:
    user_id = access.person()
    first = access.signed_in(user_id)
    with access.sessions.begin() as db:
        second = open_session(db, user_id, agent="x" * 500, former_token=first, now=NOW)
    assert look(access, first) is None
    assert look(access, second)


@pytest.mark.parametrize(
    ("role", "rule", "step"),
    [
        ("admin", "required", "set_up"),
        ("technical", "required", "set_up"),
        ("marketing", "required", "none"),
        ("admin", "offered", "none"),
        ("admin", "off", "none"),
    ],
)
def test_who_needs_a_second_factor(access: Access, role: str, rule: Any, step: str) -> None:
    assert live(access, access.signed_in(access.person(role=role))).second_factor_step(rule) == step


def test_old_sessions_are_forgotten(access: Access) -> None:
    user_id = access.person()
    access.signed_in(user_id, now=NOW - timedelta(days=1, seconds=1))
    young = access.signed_in(user_id)
    assert forget_access(access.sessions, journal_kept=HOUR, now=NOW)["sessions"] == 1
    assert look(access, young)
