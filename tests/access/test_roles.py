"""The table of who may do what (console.md 4.1), and the stores that it is for."""

from __future__ import annotations

import pytest

from wallet_service.access.roles import (
    PASSWORD_AGAIN,
    PERMISSIONS_OF,
    SCOPES_OF,
    Actor,
    Permission,
    Role,
    check_grant,
    check_key,
    permissions_of_key,
)
from wallet_service.errors import Forbidden, Invalid

ADMIN, MARKETING, STORE, TILL, TECHNICAL = "a", "m", "s", "t", "x"
ROLES = {ADMIN: Role.ADMIN, MARKETING: Role.MARKETING, STORE: Role.STORE, TILL: Role.TILL, TECHNICAL: Role.TECHNICAL}
TABLE = {
    "offers:read": "amstx",
    "offers:write": "ams",
    "offers:publish": "ams",
    "stores:read": "amstx",
    "stores:write": "amx",
    "stores:write_details": "amsx",
    "stores:import": "amx",
    "members:search": "am",
    "members:look_up": "amsx",
    "members:scan": "st",
    "members:names": "amst",
    "members:correct": "am",
    "members:erase": "am",
    "members:export": "am",
    "cards:proof": "amx",
    "cards:write": "am",
    "figures:read": "ams",
    "deliveries:read": "amx",
    "channels:read": "amx",
    "channels:write": "am",
    "channels:poster": "ams",
    "texts:read": "amx",
    "texts:write": "am",
    "consents:read": "amx",
    "consents:write": "am",
    "vouchers:redeem": "st",
    "purchases:report": "st",
    "events:report": "",
    "keys:read": "amx",
    "keys:write": "ax",
    "webhooks:read": "amx",
    "webhooks:write": "ax",
    "certificates:read": "amx",
    "certificates:write": "ax",
    "settings:read": "amx",
    "settings:write": "ax",
    "team:read": "a",
    "team:write": "a",
    "journal:read": "amx",
}


def test_the_table_of_roles_is_whole_and_exact() -> None:
    assert set(TABLE) == {str(permission) for permission in Permission}
    for permission in Permission:
        holders = {role for role, permissions in PERMISSIONS_OF.items() if permission in permissions}
        assert holders == {ROLES[letter] for letter in TABLE[permission]}, permission


def test_c96_nobody_technical_sees_a_name() -> None:
    assert Permission.MEMBERS_NAMES not in PERMISSIONS_OF[Role.TECHNICAL]
    assert Permission.MEMBERS_SEARCH not in PERMISSIONS_OF[Role.TECHNICAL]


def test_what_needs_the_password_again() -> None:
    assert {str(one) for one in PASSWORD_AGAIN} == {
        "keys:write",
        "team:write",
        "members:erase",
        "members:export",
        "certificates:write",
    }


@pytest.mark.parametrize("role", ["marketing", "store"])
def test_a_key_writes_nothing_that_a_person_of_its_role_may_not(role: str) -> None:
    written = {one for one in permissions_of_key(role, SCOPES_OF[role]) if not one.endswith(("read", "look_up"))}
    assert written - {Permission.CARDS_PROOF, Permission.MEMBERS_NAMES} <= PERMISSIONS_OF[Role(role)]


def test_a_tills_key_reports_purchases_and_no_other_event() -> None:
    permissions = permissions_of_key("till", SCOPES_OF["till"])
    assert Permission.PURCHASES_REPORT in permissions
    assert Permission.EVENTS_REPORT not in permissions
    assert Permission.EVENTS_REPORT in permissions_of_key("technical", ["events"])
    assert permissions_of_key("technical", ["cards"]) == {Permission.CARDS_WRITE}


def actor(role: Role, *stores: str) -> Actor:
    return Actor.of_role("user", 1, "lumiere", role, stores, "Léa")


def test_an_actor_may_what_the_role_may() -> None:
    manager = actor(Role.STORE, "lyon")
    assert manager.may(Permission.OFFERS_PUBLISH)
    assert not manager.may(Permission.STORES_WRITE)
    manager.require(Permission.OFFERS_PUBLISH)
    with pytest.raises(Forbidden, match="store"):
        manager.require(Permission.TEAM_WRITE)


@pytest.mark.parametrize(
    ("stores", "groups"), [(["paris"], []), (["lyon", "paris"], []), ([], []), (["lyon"], ["south"])]
)
def test_c7_a_store_role_reaches_its_own_stores_alone(stores: list[str], groups: list[str]) -> None:
    with pytest.raises(Forbidden, match="lyon"):
        actor(Role.STORE, "lyon").require_stores(stores, groups)
    actor(Role.MARKETING).require_stores(stores, groups)


def test_stores_of_an_actor() -> None:
    manager = actor(Role.STORE, "lyon", "nice")
    manager.require_stores(["lyon"])
    manager.require_stores(["nice", "lyon"])
    assert manager.has_store("lyon")
    assert not manager.has_store("paris")
    assert actor(Role.ADMIN).has_store("paris")
    assert not actor(Role.TILL).has_store("paris"), "a till without stores has none, not all"


@pytest.mark.parametrize(
    ("role", "scopes", "store", "path"),
    [
        ("till", ["members"], None, "scope"),
        ("store", ["offers", "stores"], None, "scope"),
        ("technical", [], "lyon", "store"),
        ("marketing", ["offers"], "lyon", "store"),
        ("admin", [], None, "role"),
    ],
)
def test_a_key_that_contradicts_itself_is_refused(role: str, scopes: list[str], store: str | None, path: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_key(role, scopes, store)
    assert [fault.path for fault in refused.value.faults] == [path]


def test_a_key_that_agrees_with_itself() -> None:
    assert check_key("technical", (), None) == SCOPES_OF["technical"]
    assert check_key("marketing", ("read", "stores"), None) == ("stores", "read")
    assert check_key("store", (), "lyon") == ("offers", "read")


def test_store_roles_need_a_store_and_the_others_take_none() -> None:
    assert check_grant("till", ["lyon"]) is Role.TILL
    assert check_grant("admin", []) is Role.ADMIN
    for role, stores in (("store", []), ("till", []), ("admin", ["lyon"]), ("boss", [])):
        with pytest.raises(Invalid):
            check_grant(role, stores)
