"""People and their roles: invited, changed, locked; each change in the journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.access.conftest import NOW, PASSWORD, Access
from wallet_service.access.roles import OPERATOR, Author, Role
from wallet_service.access.users import (
    Granted,
    Invited,
    address_id,
    invite,
    lock_user,
    normal_email,
    people,
    person_of,
    remove_grant,
    set_grant,
    set_password,
    unlock_user,
)
from wallet_service.errors import Conflict, Invalid, NotFound

LEA = Author("user", 1, "Léa Martin")


def invited(access: Access, email: str = "Lea@Example.com ", role: str = "marketing", **more: Any) -> Invited:
    values: dict[str, Any] = {"program_id": "lumiere", "now": NOW} | more
    with access.sessions.begin() as db:
        return invite(db, OPERATOR, email=email, role=role, **values)


def journal(access: Access) -> list[str]:
    return [row["action"] for row in access.rows("SELECT action FROM journal ORDER BY id")]


def test_an_invited_person_is_known_by_the_address_in_small_letters(access: Access) -> None:
    first = invited(access, name="Léa", locale="fr")
    assert first.link_token is not None
    with access.sessions() as db:
        assert address_id(db, "LEA@example.com") == first.user_id
        (person,) = people(db)
    assert (person.email, person.name, person.locale, person.state) == ("lea@example.com", "Léa", "fr", "invited")
    assert person.grants == (Granted("lumiere", Role.MARKETING, ()),)
    assert journal(access) == ["user_invited", "grant_set"]
    assert "lea@" not in str(access.rows("SELECT changes::text FROM journal"))


def test_invited_again_the_role_is_replaced_and_a_person_stays_one(access: Access) -> None:
    first = invited(access)
    again = invited(access, role="store", store_ids=["paris", "lyon", "lyon"])
    elsewhere = invited(access, role="admin", program_id="other")
    assert first.user_id == again.user_id == elsewhere.user_id
    with access.sessions() as db:
        assert person_of(db, first.user_id).grants == (
            Granted("lumiere", Role.STORE, ("lyon", "paris")),
            Granted("other", Role.ADMIN, ()),
        )
        assert [person.email for person in people(db, program_id="other")] == ["lea@example.com"]
    (change,) = access.rows(
        "SELECT changes FROM journal WHERE action = 'grant_set' AND changes ? 'role' OFFSET 1 LIMIT 1"
    )
    assert change["changes"]["role"] == {"from": "marketing", "to": "store"}
    assert len(access.rows("SELECT FROM user_links WHERE used_at IS NULL")) == 1, "only the newest link opens"


def test_somebody_with_a_password_needs_no_link(access: Access) -> None:
    user_id = access.person()
    assert invited(access, role="technical", program_id="other") == Invited(user_id, None)


def test_the_same_role_again_is_no_change(access: Access) -> None:
    user_id = access.person()
    before = journal(access)
    with access.sessions.begin() as db:
        set_grant(db, LEA, user_id, program_id="lumiere", role="marketing", now=NOW)
    assert journal(access) == before


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"email": "nobody"}, Invalid, "email: 'nobody' is no mail address"),
        ({"email": "a@b@c"}, Invalid, "email"),
        ({"email": "Léa <lea@example.com>"}, Invalid, "email"),
        ({"email": "lea@example.com\nbcc: x@y.z"}, Invalid, "email"),
        ({"name": "Léa\nMartin"}, Invalid, "name"),
        ({"program_id": "nothing"}, NotFound, "there is no programme 'nothing'"),
        ({"role": "boss"}, Invalid, "known are admin, marketing, store, till, technical"),
        ({"role": "store"}, Invalid, "store: the role store is held for stores"),
        ({"role": "store", "store_ids": ["nice"]}, Invalid, "lumiere has no store nice"),
        ({"role": "admin", "store_ids": ["lyon"]}, Invalid, "name no store"),
    ],
)
def test_wrong_invitations_are_refused_in_words(
    access: Access, wrong: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as refused:
        invited(access, **wrong)
    assert words in str(refused.value)
    assert access.rows("SELECT FROM users") == access.rows("SELECT FROM journal") == []


def test_addresses() -> None:
    assert normal_email(" Lea.Martin+x@Example.COM") == "lea.martin+x@example.com"


def test_a_removed_grant_and_a_lock_are_journalled(access: Access) -> None:
    user_id = access.person()
    with access.sessions.begin() as db:
        remove_grant(db, LEA, user_id, program_id="lumiere", now=NOW)
        lock_user(db, LEA, user_id, program_id="lumiere", now=NOW)
        lock_user(db, LEA, user_id, program_id="lumiere", now=NOW)
        assert person_of(db, user_id).state == "locked"
        unlock_user(db, LEA, user_id, now=NOW)
        unlock_user(db, LEA, user_id, now=NOW)
        assert (person_of(db, user_id).state, person_of(db, user_id).grants) == ("active", ())
    assert journal(access)[-3:] == ["grant_removed", "user_locked", "user_unlocked"]
    with pytest.raises(NotFound), access.sessions.begin() as db:
        remove_grant(db, LEA, user_id, program_id="lumiere", now=NOW)


def test_a_locked_person_is_not_invited(access: Access) -> None:
    user_id = access.person()
    with access.sessions.begin() as db:
        lock_user(db, OPERATOR, user_id, now=NOW)
    with pytest.raises(Conflict, match="locked"):
        invited(access)


def test_an_admin_locks_nobody_out_of_another_programme(access: Access) -> None:
    user_id = access.person()
    invited(access, role="technical", program_id="other")
    with pytest.raises(Conflict, match="another programme"), access.sessions.begin() as db:
        lock_user(db, LEA, user_id, program_id="lumiere", now=NOW)
    with access.sessions.begin() as db:
        lock_user(db, OPERATOR, user_id, now=NOW)


def test_an_operator_corrects_a_name_and_an_admin_does_not(access: Access) -> None:
    user_id = access.person(locale="fr")
    with access.sessions.begin() as db:
        invite(db, LEA, email="lea@example.com", name="X", program_id="other", role="admin", now=NOW)
        assert (person_of(db, user_id).name, person_of(db, user_id).locale) == ("Léa Martin", "fr")
        invite(db, OPERATOR, email="lea@example.com", name="Léa M.", program_id="other", role="admin", now=NOW)
        assert (person_of(db, user_id).name, person_of(db, user_id).locale) == ("Léa M.", "fr")
    assert journal(access)[-1] == "user_changed"


def test_a_programme_keeps_an_admin(access: Access) -> None:
    first, second = access.person("a@example.com", "admin"), invited(access, "b@example.com", "admin").user_id
    author = Author("user", first, "A")
    refusals: tuple[Callable[[Session], None], ...] = (
        lambda db: remove_grant(db, author, first, program_id="lumiere", now=NOW),
        lambda db: lock_user(db, author, first, program_id="lumiere", now=NOW),
        lambda db: set_grant(db, author, first, program_id="lumiere", role="marketing", now=NOW),
    )
    for refuse in refusals:
        with pytest.raises(Conflict, match="without an admin"), access.sessions.begin() as db:
            refuse(db)
    with access.sessions.begin() as db:  # the second has a password now, so can take over
        set_password(db, OPERATOR, access.passwords, second, PASSWORD, now=NOW)
        lock_user(db, author, first, program_id="lumiere", now=NOW)
    with access.sessions.begin() as db:  # an operator can always make another
        lock_user(db, OPERATOR, second, now=NOW)


def test_a_set_password_is_checked_and_ends_what_was_open(access: Access) -> None:
    user_id = access.person()
    access.signed_in(user_id)
    with pytest.raises(Invalid, match="own name"), access.sessions.begin() as db:
        set_password(db, OPERATOR, access.passwords, user_id, "lea.martin.2026", now=NOW)
    assert len(access.rows("SELECT FROM sessions WHERE ended_at IS NULL")) == 1
    with access.sessions.begin() as db:
        set_password(db, OPERATOR, access.passwords, user_id, "encore quatre mots", now=NOW)
    assert access.rows("SELECT FROM sessions WHERE ended_at IS NULL") == []
    (row,) = access.rows("SELECT password_digest FROM users")
    assert row["password_digest"].startswith("$argon2id$")
