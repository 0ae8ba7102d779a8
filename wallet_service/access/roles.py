"""Permissions, roles, and the actors that hold them: the only table of who may do what. Pure.

People and tills have the permissions of their role. A key of the JSON API has those of its scopes, and its role says
which scopes it may have: a key stands for a system, so a technical key (the CRM itself) writes members, while a
technical person sees no name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from wallet_service.errors import Forbidden, Invalid


class Permission(StrEnum):
    """One act in one area, `area:act`."""

    OFFERS_READ = "offers:read"
    OFFERS_WRITE = "offers:write"
    OFFERS_PUBLISH = "offers:publish"
    STORES_READ = "stores:read"
    STORES_WRITE = "stores:write"
    STORES_WRITE_DETAILS = "stores:write_details"
    """Opening hours, telephone, lock-screen text."""
    STORES_IMPORT = "stores:import"
    MEMBERS_SEARCH = "members:search"
    """By name, mail address or telephone; the others look up one, by an exact number."""
    MEMBERS_LOOK_UP = "members:look_up"
    """One, by card number or id."""
    MEMBERS_SCAN = "members:scan"
    """One, by the code on the card, at the till."""
    MEMBERS_NAMES = "members:names"
    """To be shown names, addresses and telephone numbers at all."""
    MEMBERS_CORRECT = "members:correct"
    MEMBERS_ERASE = "members:erase"
    MEMBERS_EXPORT = "members:export"
    CARDS_PROOF = "cards:proof"
    CARDS_WRITE = "cards:write"
    """Issue, void, announce again."""
    FIGURES_READ = "figures:read"
    DELIVERIES_READ = "deliveries:read"
    CHANNELS_READ = "channels:read"
    CHANNELS_WRITE = "channels:write"
    CHANNELS_POSTER = "channels:poster"
    TEXTS_READ = "texts:read"
    TEXTS_WRITE = "texts:write"
    CONSENTS_READ = "consents:read"
    CONSENTS_WRITE = "consents:write"
    VOUCHERS_REDEEM = "vouchers:redeem"
    PURCHASES_REPORT = "purchases:report"
    EVENTS_REPORT = "events:report"
    """Any event, as a CRM does."""
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    CERTIFICATES_READ = "certificates:read"
    CERTIFICATES_WRITE = "certificates:write"
    SETTINGS_READ = "settings:read"
    SETTINGS_WRITE = "settings:write"
    TEAM_READ = "team:read"
    TEAM_WRITE = "team:write"
    JOURNAL_READ = "journal:read"


class Role(StrEnum):
    """What somebody is in one programme."""

    ADMIN = "admin"
    MARKETING = "marketing"
    STORE = "store"
    TILL = "till"
    TECHNICAL = "technical"


_P = Permission
_READ_SETUP = {_P.KEYS_READ, _P.WEBHOOKS_READ, _P.CERTIFICATES_READ, _P.SETTINGS_READ}
_WRITE_SETUP = {_P.KEYS_WRITE, _P.WEBHOOKS_WRITE, _P.CERTIFICATES_WRITE, _P.SETTINGS_WRITE}
_READ_CHANNELS = {_P.CHANNELS_READ, _P.TEXTS_READ, _P.CONSENTS_READ}
_READ_PLACES = {_P.OFFERS_READ, _P.STORES_READ}
_AT_THE_TILL = {_P.MEMBERS_SCAN, _P.MEMBERS_NAMES, _P.VOUCHERS_REDEEM, _P.PURCHASES_REPORT}
_MARKETING = (
    _READ_PLACES
    | {_P.OFFERS_WRITE, _P.OFFERS_PUBLISH, _P.STORES_WRITE, _P.STORES_WRITE_DETAILS, _P.STORES_IMPORT}
    | {_P.MEMBERS_SEARCH, _P.MEMBERS_LOOK_UP, _P.MEMBERS_NAMES, _P.CARDS_PROOF}
    | {_P.MEMBERS_CORRECT, _P.MEMBERS_ERASE, _P.MEMBERS_EXPORT, _P.CARDS_WRITE}
    | {_P.FIGURES_READ, _P.DELIVERIES_READ}
    | _READ_CHANNELS
    | {_P.CHANNELS_WRITE, _P.CHANNELS_POSTER, _P.TEXTS_WRITE, _P.CONSENTS_WRITE}
    | _READ_SETUP
    | {_P.JOURNAL_READ}
)

PERMISSIONS_OF: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(_MARKETING | _WRITE_SETUP | {_P.TEAM_READ, _P.TEAM_WRITE}),
    Role.MARKETING: frozenset(_MARKETING),
    Role.STORE: frozenset(
        _READ_PLACES
        | {_P.OFFERS_WRITE, _P.OFFERS_PUBLISH, _P.STORES_WRITE_DETAILS, _P.MEMBERS_LOOK_UP}
        | {_P.FIGURES_READ, _P.CHANNELS_POSTER}
        | _AT_THE_TILL
    ),
    Role.TILL: frozenset(_READ_PLACES | _AT_THE_TILL),
    Role.TECHNICAL: frozenset(
        _READ_PLACES
        | {_P.STORES_WRITE, _P.STORES_WRITE_DETAILS, _P.STORES_IMPORT}
        | {_P.MEMBERS_LOOK_UP, _P.CARDS_PROOF, _P.DELIVERIES_READ}
        | _READ_CHANNELS
        | _READ_SETUP
        | _WRITE_SETUP
        | {_P.JOURNAL_READ}
    ),
}
"""What people and tills may."""

STORE_ROLES = frozenset({Role.STORE, Role.TILL})
"""Roles that are held for named stores; the others are held for the whole programme."""
SHORT_IDLE_ROLES = frozenset({Role.ADMIN, Role.TECHNICAL})
"""Roles whose sessions end after an hour of rest, and who need a second factor where one is required."""
PASSWORD_AGAIN = frozenset(
    {
        _P.KEYS_WRITE,
        _P.TEAM_WRITE,
        _P.MEMBERS_ERASE,
        _P.MEMBERS_EXPORT,
        _P.CERTIFICATES_WRITE,
    }
)
"""Acts for which the password must have been entered a short while ago."""

Scope = Literal["members", "cards", "events", "stores", "offers", "read"]
PERMISSIONS_OF_SCOPE: Mapping[Scope, frozenset[Permission]] = {
    "members": frozenset({_P.MEMBERS_CORRECT, _P.MEMBERS_ERASE}),
    "cards": frozenset({_P.CARDS_WRITE}),
    "events": frozenset({_P.EVENTS_REPORT, _P.PURCHASES_REPORT}),
    "stores": frozenset({_P.STORES_WRITE, _P.STORES_WRITE_DETAILS, _P.STORES_IMPORT}),
    "offers": frozenset({_P.OFFERS_WRITE, _P.OFFERS_PUBLISH}),
    "read": frozenset(_READ_PLACES | {_P.MEMBERS_LOOK_UP, _P.MEMBERS_NAMES, _P.CARDS_PROOF, _P.DELIVERIES_READ}),
}
"""What each scope of an API key permits."""
SCOPES_OF: Mapping[str, tuple[Scope, ...]] = {
    "technical": ("members", "cards", "events", "stores", "offers", "read"),
    "marketing": ("stores", "offers", "read"),
    "store": ("offers", "read"),
    "till": ("events", "read"),
}
"""The scopes that a key of each role may have; there are no admin keys."""
STORELESS_SCOPES: frozenset[Scope] = frozenset({"members", "cards"})
"""What these write belongs to no store, so a key of one store cannot have them."""
EVENT_TYPES_OF: Mapping[str, frozenset[str]] = {"till": frozenset({"purchase.completed"})}
"""Roles whose keys may report some types only; the others may report all."""

ActorKind = Literal["user", "key", "till", "operator", "system"]


@dataclass(frozen=True, slots=True)
class Author:
    """Whose act a change was, as the journal names them. An operator is whoever runs commands on the machine."""

    kind: ActorKind
    id: int | None
    name: str


OPERATOR = Author("operator", None, "command line")
SYSTEM = Author("system", None, "service")


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody at work in one programme.

    `store_ids` None: the whole programme; else these stores alone. `permissions` are the role's, or those of a key's
    scopes.
    """

    kind: Literal["user", "key", "till"]
    id: int
    program_id: str
    role: Role
    store_ids: frozenset[str] | None
    name: str
    permissions: frozenset[Permission]

    @classmethod
    def of_role(
        cls,
        kind: Literal["user", "till"],
        id_: int,
        program_id: str,
        role: Role,
        store_ids: Iterable[str],
        name: str,
    ) -> Actor:
        """A person or a till, with what its role may. Roles that are held for stores see their own alone, even none."""
        stores = frozenset(store_ids) if role in STORE_ROLES else None
        return cls(kind, id_, program_id, role, stores, name, PERMISSIONS_OF[role])

    @property
    def author(self) -> Author:
        """This actor as the journal names it."""
        return Author(self.kind, self.id, self.name)

    def may(self, permission: Permission) -> bool:
        """Whether this actor may do that at all; where, the stores say."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Refuse an actor who may not do that.

        Raises:
            Forbidden: the permission is missing.
        """
        if not self.may(permission):
            raise Forbidden(f"the role {self.role} may not do this ({permission})")

    def has_store(self, store_id: str) -> bool:
        """Whether the store is one of the actor's."""
        return self.store_ids is None or store_id in self.store_ids

    def require_stores(self, store_ids: Collection[str], groups: Collection[str] = ()) -> None:
        """Refuse what reaches beyond the actor's stores. Naming no store means all of them, and a group may grow.

        Raises:
            Forbidden: a store is not the actor's, none is named, or a group is.
        """
        if self.store_ids is None:
            return
        if groups or not store_ids or not self.store_ids.issuperset(store_ids):
            own = ", ".join(sorted(self.store_ids)) or "none"
            raise Forbidden(f"only for your own stores ({own}): name them, and no groups")


def check_key(role: str, scopes: Collection[str], store_id: str | None) -> tuple[Scope, ...]:
    """The scopes of a key of that role, all of them or the named ones, in their order.

    Raises:
        Invalid: the role is unknown, lacks a scope, or cannot be kept to one store.
    """
    known = SCOPES_OF.get(role)
    if known is None:
        raise Invalid.at("role", f"{role!r} is not a role of keys; known are {', '.join(sorted(SCOPES_OF))}")
    beyond = sorted(set(scopes) - set(known))
    if beyond:
        raise Invalid.at("scope", f"the role {role} has no {', '.join(beyond)}; it has {', '.join(known)}")
    if store_id is not None and role not in STORE_ROLES:
        raise Invalid.at("store", f"the role {role} is for the whole programme; a key of one store is store or till")
    return tuple(scope for scope in known if not scopes or scope in scopes)


def permissions_of_key(role: str, scopes: Iterable[str]) -> frozenset[Permission]:
    """What a key's scopes permit; a till's events are its purchases."""
    held = [PERMISSIONS_OF_SCOPE[scope] for scope in SCOPES_OF["technical"] if scope in set(scopes)]
    permissions = frozenset().union(*held)
    return permissions - {Permission.EVENTS_REPORT} if role in EVENT_TYPES_OF else permissions


def check_grant(role: str, store_ids: Collection[str]) -> Role:
    """The role, if it may be held for these stores.

    Raises:
        Invalid: the role is unknown, needs a store, or takes none.
    """
    try:
        found = Role(role)
    except ValueError:
        raise Invalid.at("role", f"{role!r} is not a role; known are {', '.join(Role)}") from None
    if found in STORE_ROLES and not store_ids:
        raise Invalid.at("store", f"the role {found} is held for stores: name at least one")
    if found not in STORE_ROLES and store_ids:
        raise Invalid.at("store", f"the role {found} is held for the whole programme: name no store")
    return found
