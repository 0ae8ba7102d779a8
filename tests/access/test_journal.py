"""The journal: an entry for each change, in its transaction, without what must not outlive a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.access.conftest import NOW, Access
from wallet_service.access.forgetting import forget_access
from wallet_service.access.journal import changes_between, entries, record
from wallet_service.access.roles import OPERATOR, Author

LEA = Author("user", 7, "Léa Martin")


def write(access: Access, action: str, object_id: str = "1", **more: Any) -> None:
    """One entry of Léa's about an offer."""
    values: dict[str, Any] = {"program_id": "lumiere", "now": NOW} | more
    with access.sessions.begin() as db:
        record(db, LEA, action, "offer", object_id, **values)


def test_an_entry_says_who_did_what_to_what(access: Access) -> None:
    changes = changes_between({"title": "A", "notify": False, "code": "X"}, {"title": "B", "notify": False})
    write(access, "offer_changed", "12", changes=changes, request_id="r-1")
    with access.sessions() as db:
        (entry,) = entries(db, "lumiere").entries
    assert (entry.at, entry.actor_kind, entry.actor_id, entry.actor_name) == (NOW, "user", 7, "Léa Martin")
    assert (entry.action, entry.object_kind, entry.object_id, entry.request_id) == (
        "offer_changed",
        "offer",
        "12",
        "r-1",
    )
    assert entry.changes == {"title": {"from": "A", "to": "B"}, "code": {"from": "X", "to": None}}


def test_c4_a_rolled_back_change_leaves_no_entry(access: Access) -> None:
    with access.sessions() as db:
        record(db, LEA, "offer_changed", "offer", 1, program_id="lumiere", now=NOW)
        db.rollback()
    write(access, "offer_published")
    assert access.rows("SELECT action FROM journal") == [{"action": "offer_published"}]


def test_personal_fields_are_named_and_secrets_are_not_told(access: Access) -> None:
    changes = {
        "email": ("claire@example.com", "c@example.com"),
        "tier": ("silver", "gold"),
        "api_key": ("wk_old", "wk_new"),
        "password": (None, "quatre mots"),
        "apple": ({"team_id": "T", "key_file": {"private_key": "PEM"}}, {"team_id": "U", "totp_secret": "S"}),
    }
    with access.sessions.begin() as db:
        record(db, LEA, "member_corrected", "member", 3, program_id="lumiere", changes=changes, now=NOW)
    (row,) = access.rows("SELECT changes, changes::text AS whole FROM journal")
    assert row["changes"]["email"] == {}
    assert row["changes"]["tier"] == {"from": "silver", "to": "gold"}
    assert row["changes"]["apple"]["to"] == {"team_id": "U", "totp_secret": None}
    for told in ("claire", "wk_", "quatre", "PEM", '"S"'):
        assert told not in row["whole"]


def test_the_journal_is_append_only(access: Access) -> None:
    write(access, "offer_published")
    with pytest.raises(DBAPIError, match="append only"), access.sessions.begin() as db:
        db.execute(text("UPDATE journal SET actor_name = 'nobody'"))
    assert access.rows("SELECT actor_name FROM journal") == [{"actor_name": "Léa Martin"}]


def test_filters_and_pages(access: Access) -> None:
    for hours, object_id in enumerate(["1", "2", "1", "2", "1"]):
        write(access, f"act_{hours}", object_id, now=NOW + timedelta(hours=hours))
    write(access, "elsewhere", program_id="other")
    with access.sessions.begin() as db:
        record(db, OPERATOR, "grant_set", "user", 9, program_id="lumiere", now=NOW + timedelta(hours=9))

    def actions(**filters: Any) -> list[str]:
        with access.sessions() as db:
            return [entry.action for entry in entries(db, "lumiere", **filters).entries]

    assert actions() == ["grant_set", "act_4", "act_3", "act_2", "act_1", "act_0"]
    assert actions(object_kind="offer", object_id=2) == ["act_3", "act_1"]
    assert actions(actor=("user", 7), since=NOW + timedelta(hours=1), until=NOW + timedelta(hours=3)) == [
        "act_2",
        "act_1",
    ]
    assert actions(actions=["act_0", "grant_set"]) == ["grant_set", "act_0"]
    with access.sessions() as db:
        first = entries(db, "lumiere", limit=4)
        second = entries(db, "lumiere", limit=4, before=first.before)
    assert [entry.action for entry in second.entries] == ["act_1", "act_0"]
    assert (first.before, second.before) == (first.entries[-1].id, None)


def test_entries_are_kept_for_their_time_and_no_longer(access: Access) -> None:
    write(access, "old", now=NOW - timedelta(days=365, seconds=1))
    write(access, "young", now=NOW - timedelta(days=365))
    assert forget_access(access.sessions, journal_kept=timedelta(days=365), now=NOW)["journal"] == 1
    assert access.rows("SELECT action FROM journal") == [{"action": "young"}]
