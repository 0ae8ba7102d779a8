"""What became of an offer: its report, and what became of each notification."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from wallet_service.access.roles import STORE_ROLES
from wallet_service.errors import Forbidden
from wallet_service.offers.pressure import Decision
from wallet_service.offers.publishing import require_offer
from wallet_service.offers.report import (
    FEWEST,
    Notification,
    counts_of_people,
    notification_counts,
    notifications_page,
    report_of,
)
from wallet_service.offers.states import OfferState
from wallet_service.storage.tables import Offer
from wallet_service.values import Money
from wallet_service.web.api.callers import caller, needs
from wallet_service.web.api.offers import OfferPath
from wallet_service.web.api.pages import page_of
from wallet_service.web.api.unit_of_work import session
from wallet_service.web.context import now

_TAG = Tag(name="offers", description="Offers, shown near their stores while they hold.")


class ReportAnswer(BaseModel):
    """The figures of an offer. Members, each once, except `uses` (purchases) and `revenue` (what they came to, less
    what was given back). `decisions` sum to `targeted`, and without `not_installed` to `to_update`. For keys of a store
    a count below `hidden_below` is null, and `revenue` with it. `is_forgotten`: who carried it is not known any more.
    Members of an offer on more than 100 000 cards are as of `counted_at`.
    """

    state: OfferState
    targeted: int | None
    to_update: int | None
    announced: int | None
    proven: int | None
    uses: int | None
    holders: int | None
    revenue: list[Money] | None
    uses_without_amount: int | None
    held_back: int | None
    decisions: dict[Decision, int | None]
    counted_at: datetime
    hidden_below: int | None
    is_forgotten: bool


class NotificationsQuery(BaseModel):
    """A page of members, in a fixed order."""

    after: int = Field(default=0, ge=0, le=2**63 - 1, description="The `next` of the page before.")
    limit: int = Field(default=100, ge=1, le=1000)
    decision: Decision | None = Field(default=None, description="Only those with this decision.")


class NotificationAnswer(BaseModel):
    """What became of one member's notification."""

    member_id: str
    decision: Decision
    decided_at: datetime
    held_until: datetime | None
    notified_at: datetime | None


class NotificationsAnswer(BaseModel):
    """A page with the counts of all; `next` is the `after` of the following one, null on the last."""

    counts: dict[Decision, int]
    items: list[NotificationAnswer]
    next: int | None


def add_routes(api: APIBlueprint) -> None:
    """Register the routes."""
    offer = "/offers/<int:offer_id>"
    api.get(f"{offer}/report", tags=[_TAG], responses={200: ReportAnswer})(offer_report_route)
    api.get(f"{offer}/notifications", tags=[_TAG], responses={200: NotificationsAnswer})(offer_notifications_route)


@needs("read")
def offer_report_route(path: OfferPath) -> dict[str, Any]:
    """Say what became of an offer."""
    found = report_of(session(), _own_offer(path), now=now())
    hides = caller().actor.role in STORE_ROLES
    people = counts_of_people(found, hides=hides)
    return ReportAnswer(
        state=found.state,
        revenue=list(found.revenue) if people["holders"] is not None else None,
        decisions={name: people[name] for name in found.decisions},
        counted_at=found.counted_at,
        hidden_below=FEWEST if hides else None,
        is_forgotten=found.is_forgotten,
        **{
            name: people[name]
            for name in (
                *("targeted", "to_update", "announced", "proven", "uses", "holders"),
                *("uses_without_amount", "held_back"),
            )
        },
    ).model_dump(mode="json")


@needs("read")
def offer_notifications_route(path: OfferPath, query: NotificationsQuery) -> dict[str, Any]:
    """List what became of each member's notification. For keys of the whole programme."""
    offer = require_offer(session(), caller().program_id, path.offer_id)
    if caller().actor.role in STORE_ROLES:
        raise Forbidden("members are listed for keys of the whole programme alone")
    found = notifications_page(
        session(), offer, decision=query.decision, after=query.after, limit=query.limit + 1, now=now()
    )
    page = page_of(found, query.limit, key=lambda one: one.key, answer=_answer)
    return {"counts": notification_counts(session(), offer, now=now()), **page}


def _own_offer(path: OfferPath) -> Offer:
    offer = require_offer(session(), caller().program_id, path.offer_id)
    caller().require_store(offer.store_ids, offer.groups)
    return offer


def _answer(one: Notification) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in NotificationAnswer.model_fields}
    return NotificationAnswer(**values).model_dump(mode="json")
