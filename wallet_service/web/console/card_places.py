"""Why a card has the ten places that it has: the card is named in a form, never in an address, and each look is kept in
the journal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from flask import request
from pydantic import Field
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access.journal import record
from wallet_service.access.roles import Permission
from wallet_service.cards.places import card_of_number, reasons_of_card
from wallet_service.errors import Fault, Invalid
from wallet_service.offers.places import text_in
from wallet_service.parsing import parse
from wallet_service.storage.tables import Card
from wallet_service.values import Value
from wallet_service.web.console.gate import Console
from wallet_service.web.console.navigation import frame
from wallet_service.web.console.visit import actor, may, program, session, typed, visit
from wallet_service.web.context import now
from wallet_service.web.form_values import Raw, nest
from wallet_service.web.forms import Form
from wallet_service.web.headers import Audience
from wallet_service.web.locale import Lazy, lazy
from wallet_service.web.pages import current_reader, page

_ABOVE = "console.simulator_simulator"
CONDITIONS: Mapping[str, Lazy] = {
    "tier": lazy("it is for another tier"),
    "favourite_store": lazy("it is for those with another favourite store"),
    "attributes": lazy("it is for other members, by what the CRM says of them"),
    "purchase": lazy("it is for those who bought lately"),
    "consent": lazy("it is for those who have agreed to marketing"),
    "wallet": lazy("it is for another wallet"),
    "uses": lazy("this member has used it as often as possible"),
}
"""A target's condition that is not met, as the end of a sentence."""


class LookDocument(Value):
    """Whose card."""

    member: str = Field(max_length=200)


@dataclass(frozen=True)
class Holder:
    """Whose card a page is about, as far as the person may see: a name, or an identifier alone."""

    name: str | None
    number: str


def add_pages(console: Console) -> None:
    """Register the pages."""
    console.page("/card-places", card_places, needs=Permission.MEMBERS_LOOK_UP, methods=("GET", "POST"))


def card_places() -> AnyResponse:
    """Name a card; then its places, each with its reason, and the stores with an offer that are not among them."""
    if request.method == "GET":
        return _page(typed(), ())
    raw = typed()
    try:
        asked = parse(LookDocument, nest(LookDocument, raw, current_reader()))
        card = look_up(asked.member)
    except Invalid as error:
        return _page(raw, error.faults)
    return _page(raw, (), card)


def look_up(number: str) -> Card:
    """The card that somebody of the staff names, for those who may look one up; the look is kept in the journal.

    Raises:
        Forbidden: the role may look up nobody.
        Invalid: there is no such card.
    """
    actor().require(Permission.MEMBERS_LOOK_UP)
    # somebody of a store has the card before them; ids of other systems are for those who see proofs
    card = card_of_number(session(), program().program_id, number, by_id=may(Permission.CARDS_PROOF))
    record(
        session(),
        visit().author,
        "places_looked_at",
        "member",
        card.member_pk,
        program_id=program().program_id,
        now=now(),
    )
    return card


def holder_of(card: Card) -> Holder:
    """Whose card it is, by what the person may see."""
    member = card.member
    if not may(Permission.MEMBERS_NAMES):
        return Holder(None, member.member_id)
    return Holder(" ".join(part for part in (member.first_name, member.last_name) if part) or None, member.card_number)


def offer_titles() -> Mapping[str, str | None]:
    """Code → title of each published offer; None for one that is of other people's stores alone."""
    places, reader = program().places, current_reader()
    own = actor().store_ids
    return {
        offer.code: (text_in(offer.title, reader.language) or offer.code)
        if own is None or not own.isdisjoint(places.stores_of(offer))
        else None
        for offer in places.offers
    }


def _page(raw: Raw, faults: Sequence[Fault], card: Card | None = None) -> AnyResponse:
    reader = current_reader()
    label = _("Card number, or member’s identifier") if may(Permission.CARDS_PROOF) else _("Card number")
    form = Form(LookDocument, raw, faults, reader, {"member": label})
    found = reasons_of_card(session(), program(), card, now=now()) if card is not None else None
    return page(
        "console/card_places/card_places.html",
        Audience.CONSOLE,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        frame=frame(_ABOVE, trail=((_("Near a store"), frame(_ABOVE).current),)),
        form=form,
        refused=bool(faults),
        holder=holder_of(card) if card is not None else None,
        found=found,
        stores=program().places.stores,
        titles=offer_titles(),
        conditions=CONDITIONS,
    )


def _(msgid: str) -> str:
    return current_reader().gettext(msgid)
