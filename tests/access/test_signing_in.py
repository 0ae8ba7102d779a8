"""Signing in: right, wrong and too often; what it tells is the same for known and unknown addresses."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest

from tests.access.conftest import NOW, PASSWORD, Access
from tests.access.test_passwords import CountingHasher
from wallet_service.access.passwords import Passwords
from wallet_service.access.roles import OPERATOR, Author
from wallet_service.access.second_factor import confirm_second_factor, offer_second_factor
from wallet_service.access.sessions import SignedIn, look_at_session
from wallet_service.access.signing_in import SignIn, SignInOutcome, Wait, Welcome, Wrong
from wallet_service.access.users import lock_user, remove_grant

MINUTE = timedelta(minutes=1)


def try_in(
    access: Access,
    email: str = "lea@example.com",
    password: str = PASSWORD,
    *,
    network: str = "203.0.113.0/24",
    after: timedelta = timedelta(0),
) -> SignInOutcome:
    """One try."""
    return access.sign_in.sign_in(email, password, network=network, agent="Firefox", now=NOW + after)


def session_of(access: Access, outcome: SignInOutcome) -> SignedIn:
    """The session that came of it."""
    assert isinstance(outcome, Welcome)
    with access.sessions.begin() as db:
        found = look_at_session(db, outcome.token, now=NOW)
    assert found is not None
    return found


def test_the_right_password_begins_a_session(access: Access) -> None:
    user_id = access.person()
    signed_in = session_of(access, try_in(access, " LEA@example.com"))
    assert signed_in.user_id == user_id
    assert access.rows("SELECT last_seen_at FROM users") == [{"last_seen_at": NOW}]


def test_c8_unknown_and_wrong_are_the_same_and_cost_the_same(access: Access) -> None:
    access.person()
    hasher = CountingHasher()
    passwords = Passwords(hasher)
    passwords.prepare()
    sign_in = SignIn(access.sessions, passwords, access.digester, access.sealer)
    for email in ("lea@example.com", "nobody@example.com", "not an address", "a\0b@example.com"):
        before = len(hasher.verified)
        assert sign_in.sign_in(email, "wrong", network="n", agent="", now=NOW) == Wrong()
        assert len(hasher.verified) == before + 1, "a digest was computed, known or not"


@pytest.mark.parametrize("reason", ["locked", "no grant", "invited"])
def test_who_may_not_in_is_told_no_more_than_a_stranger(access: Access, reason: str) -> None:
    user_id = access.person()
    with access.sessions.begin() as db:
        if reason == "locked":
            lock_user(db, OPERATOR, user_id, now=NOW)
        elif reason == "no grant":
            remove_grant(db, OPERATOR, user_id, program_id="lumiere", now=NOW)
        else:
            db.connection().exec_driver_sql("UPDATE users SET password_digest = NULL")
    assert try_in(access) == Wrong()
    assert access.rows("SELECT FROM sessions") == []


@pytest.mark.parametrize("email", ["lea@example.com", "nobody@example.com"])
def test_c9_the_eleventh_try_waits_and_another_address_does_not(access: Access, email: str) -> None:
    access.person()
    access.person("paul@example.com")
    for number in range(10):
        assert try_in(access, email, "wrong") == Wrong(), number
    eleventh = try_in(access, email, PASSWORD)
    assert isinstance(eleventh, Wait)
    assert eleventh.wait == 6 * MINUTE
    assert isinstance(try_in(access, "paul@example.com"), Welcome)
    later = try_in(access, email, PASSWORD, after=6 * MINUTE)
    assert isinstance(later, Welcome if email == "lea@example.com" else Wrong)


def test_c9_the_owner_is_told_once_and_a_stranger_never(access: Access) -> None:
    access.person(locale="fr")
    for email in ("lea@example.com", "nobody@example.com"):
        for _ in range(10):
            try_in(access, email, "wrong", network=email)
    told = [try_in(access, "lea@example.com", "wrong", network="lea@example.com") for _ in range(3)]
    assert all(isinstance(outcome, Wait) for outcome in told)
    owners = [outcome.tell for outcome in told if isinstance(outcome, Wait)]
    assert owners[0] is not None
    assert (owners[0].email, owners[0].locale) == ("lea@example.com", "fr")
    assert owners[1:] == [None, None]
    stranger = try_in(access, "nobody@example.com", "wrong", network="nobody@example.com")
    assert isinstance(stranger, Wait)
    assert stranger.tell is None


def test_tries_from_everywhere_have_a_limit_that_the_owner_does_not_meet_at_ten(access: Access) -> None:
    access.person()
    for number in range(99):
        assert try_in(access, "lea@example.com", "wrong", network=f"n{number}") == Wrong()
    assert isinstance(try_in(access, network="home"), Welcome)
    assert try_in(access, "lea@example.com", "wrong", network="n99") == Wrong()
    assert isinstance(try_in(access, network="home"), Wait)


def test_twenty_tries_an_hour_from_one_network(access: Access) -> None:
    access.person()
    for number in range(20):
        assert try_in(access, f"nobody{number}@example.com", "wrong") == Wrong()
    refused = try_in(access)
    assert isinstance(refused, Wait)
    assert refused.tell is None, "the address was not tried too often"
    assert isinstance(try_in(access, network="198.51.100.0/24"), Welcome)


def test_what_succeeds_does_not_count(access: Access) -> None:
    access.person()
    for _ in range(25):
        assert isinstance(try_in(access), Welcome)


def test_a_digest_with_old_parameters_is_replaced_at_signing_in(access: Access) -> None:
    access.person()
    (before,) = access.rows("SELECT password_digest FROM users")
    sign_in = SignIn(access.sessions, Passwords(CountingHasher(passes=2)), access.digester, access.sealer)
    assert isinstance(sign_in.sign_in("lea@example.com", PASSWORD, network="n", agent="", now=NOW), Welcome)
    (after,) = access.rows("SELECT password_digest FROM users")
    assert before != after
    assert isinstance(sign_in.sign_in("lea@example.com", PASSWORD, network="n", agent="", now=NOW), Welcome)


def test_the_password_again(access: Access) -> None:
    access.person()
    signed_in = session_of(access, try_in(access))
    later = NOW + 20 * MINUTE
    assert access.sign_in.enter_password_again(signed_in, "wrong", now=later) == Wrong()
    outcome = access.sign_in.enter_password_again(signed_in, PASSWORD, now=later)
    assert session_of(access, outcome).password_is_fresh(later)
    for _ in range(9):
        assert access.sign_in.enter_password_again(signed_in, "wrong", now=later) == Wrong()
    assert isinstance(access.sign_in.enter_password_again(signed_in, PASSWORD, now=later), Wait)


def test_the_second_factor(access: Access) -> None:
    user_id = access.person(role="admin")
    signed_in = session_of(access, try_in(access))
    author = Author("user", user_id, "Léa")
    with access.sessions.begin() as db:
        app = pyotp.TOTP(offer_second_factor(db, access.sealer, user_id, issuer="x").secret)
        confirm_second_factor(db, access.sealer, author, user_id, app.at(NOW - timedelta(seconds=30)), now=NOW)
    assert access.sign_in.enter_code(signed_in, "0000000", now=NOW) == Wrong()
    passed = session_of(access, access.sign_in.enter_code(signed_in, app.at(NOW), now=NOW))
    assert passed.second_factor_step("required") == "none"
    for _ in range(9):
        assert access.sign_in.enter_code(passed, app.at(NOW), now=NOW) == Wrong()
    assert isinstance(access.sign_in.enter_code(passed, "000000", now=NOW), Wait)
