"""The entry points of the demo: for each person of the brand an address, and what they would do today. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wallet_service.access.roles import Role
from wallet_service.demo.staff import StaffMember


@dataclass(frozen=True)
class EntryPoint:
    """Where one person begins. `name` and the words of `links` are keys of the page's words.

    Attributes:
        person: who signs in; None: nobody has to.
        links: words and address.
    """

    name: str
    person: StaffMember | None
    links: tuple[tuple[str, str], ...]


def entry_points(staff: Sequence[StaffMember], *, console: str, card: str) -> tuple[EntryPoint, ...]:
    """All of them, in the order of the page.

    Args:
        staff: who has a password; a role that nobody has gets none.
        console: the address to sign in at.
        card: the card's smart link.
    """
    of_role = {person.role: person for person in staff}
    inside = tuple(
        EntryPoint(str(role), of_role[role], (("open_console", console),))
        for role in (Role.STORE, Role.MARKETING)
        if role in of_role
    )
    return (
        *inside,
        EntryPoint("customer", None, (("open_card", card),)),
        EntryPoint("support", None, (("open_timeline", "#command-timeline"), ("open_places", "#command-places"))),
    )
