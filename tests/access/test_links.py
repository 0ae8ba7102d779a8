"""Invitations and new passwords: looked at as often as one likes, used once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.access.conftest import NOW, PASSWORD, Access
from wallet_service.access.forgetting import forget_access
from wallet_service.access.links import accept_link, link_address, look_at_link, reset_link
from wallet_service.access.roles import OPERATOR
from wallet_service.access.sessions import look_at_session
from wallet_service.access.users import invite, lock_user
from wallet_service.errors import Invalid, NotFound

SECOND = timedelta(seconds=1)


@pytest.fixture
def token(access: Access) -> str:
    """An invitation's."""
    with access.sessions.begin() as db:
        made = invite(db, OPERATOR, email="lea@example.com", program_id="lumiere", role="admin", now=NOW)
    assert made.link_token is not None
    return made.link_token


def reset(access: Access) -> str:
    with access.sessions.begin() as db:
        made = reset_link(db, OPERATOR, "Lea@example.com", now=NOW)
    assert made is not None
    return made[1]


def opens(access: Access, token: str, after: timedelta = timedelta(0)) -> bool:
    with access.sessions.begin() as db:
        return look_at_link(db, token, now=NOW + after) is not None


def accept(access: Access, token: str, password: str = PASSWORD, after: timedelta = timedelta(0)) -> int:
    with access.sessions.begin() as db:
        return accept_link(db, access.passwords, token, password, now=NOW + after)


def test_looking_changes_nothing_and_acting_uses_it_up(access: Access, token: str) -> None:
    before = access.rows("SELECT user_links::text, users::text FROM user_links, users")
    for _ in range(3):
        assert opens(access, token)
    assert access.rows("SELECT user_links::text, users::text FROM user_links, users") == before
    user_id = accept(access, token)
    assert not opens(access, token)
    with pytest.raises(NotFound):
        accept(access, token)
    (row,) = access.rows("SELECT id, password_digest FROM users")
    assert row["id"] == user_id
    assert access.passwords.check(row["password_digest"], PASSWORD).is_right


def test_only_the_digest_is_kept(access: Access, token: str) -> None:
    assert token not in str(access.rows("SELECT user_links::text, journal::text FROM user_links, journal"))


@pytest.mark.parametrize(("kind", "lasts"), [("invitation", timedelta(hours=72)), ("reset", timedelta(hours=1))])
def test_how_long_a_link_opens(access: Access, token: str, kind: str, lasts: timedelta) -> None:
    used = token if kind == "invitation" else reset(access)
    assert opens(access, used, lasts - SECOND)
    assert not opens(access, used, lasts)
    with pytest.raises(NotFound):
        accept(access, used, after=lasts)
    accept(access, used, after=lasts - SECOND)


def test_a_refused_password_leaves_the_link(access: Access, token: str) -> None:
    with pytest.raises(Invalid, match="password"):
        accept(access, token, "azertyuiop123")
    accept(access, token)


def test_two_at_once_use_it_once(access: Access, token: str) -> None:
    def try_it(number: int) -> bool:
        try:
            accept(access, token, f"quatre mots bien choisis {number}")
        except NotFound:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(try_it, range(4))) == [False, False, False, True]


def test_a_newer_link_replaces_those_of_its_kind_and_a_password_all(access: Access, token: str) -> None:
    first, newer = reset(access), reset(access)
    assert not opens(access, first)
    assert opens(access, newer)
    assert opens(access, token), "whoever asks for a new password of somebody else voids no invitation"
    accept(access, newer)
    assert not opens(access, token)


def test_a_new_password_ends_every_session(access: Access) -> None:
    session = access.signed_in(access.person())
    accept(access, reset(access), "encore quatre mots")
    with access.sessions.begin() as db:
        assert look_at_session(db, session, now=NOW) is None


def test_nobody_and_locked_people_get_no_link(access: Access, token: str) -> None:
    with access.sessions.begin() as db:
        assert reset_link(db, OPERATOR, "nobody@example.com", now=NOW) is None
        (row,) = access.rows("SELECT id FROM users")
        lock_user(db, OPERATOR, row["id"], now=NOW)
        assert reset_link(db, OPERATOR, "lea@example.com", now=NOW) is None
    assert not opens(access, token)


def test_addresses_of_links() -> None:
    assert link_address("https://c.example", "invitation", "T") == "https://c.example/console/invitation/T"
    assert link_address("https://c.example", "reset", "T") == "https://c.example/console/reset/T"


def test_old_links_are_forgotten(access: Access, token: str) -> None:
    later = NOW + timedelta(days=33, seconds=1)
    assert forget_access(access.sessions, journal_kept=timedelta(days=365), now=later - 2 * SECOND)["user_links"] == 0
    assert forget_access(access.sessions, journal_kept=timedelta(days=365), now=later)["user_links"] == 1
