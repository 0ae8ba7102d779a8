"""The people of the demo: who works at Maison Lumière, each with a ready password for the console."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from wallet_service.access.roles import OPERATOR, Role
from wallet_service.access.users import invite, set_password
from wallet_service.demo.brand import POINTS
from wallet_service.services import build_services
from wallet_service.settings import settings_from


@dataclass(frozen=True)
class StaffMember:
    """Somebody to sign in as. `password` is made anew for each demo."""

    name: str
    email: str
    role: Role
    store_ids: tuple[str, ...]
    password: str


_STAFF = (
    ("Inès Garnier", "ines@maison-lumiere.example", Role.ADMIN, ()),
    ("Léa Martin", "lea@maison-lumiere.example", Role.MARKETING, ()),
    ("Paul Durand", "paul@maison-lumiere.example", Role.STORE, ("lyon-presquile",)),
)


def create_staff(environment: Mapping[str, str]) -> tuple[StaffMember, ...]:
    """Give each their role in the points programme; the stores are there already."""
    services = build_services(settings_from(environment))
    made = []
    try:
        for name, email, role, store_ids in _STAFF:
            password = secrets.token_urlsafe(12)
            with services.sessions.begin() as db:
                invited = invite(
                    db,
                    OPERATOR,
                    email=email,
                    name=name,
                    locale="fr",
                    program_id=POINTS.program_id,
                    role=role,
                    store_ids=store_ids,
                    now=services.clock(),
                )
                set_password(db, OPERATOR, services.passwords, invited.user_id, password, now=services.clock())
            made.append(StaffMember(name, email, role, store_ids, password))
    finally:
        services.close()
    return tuple(made)
