"""Far ends that wait for a person, or for a phone to show up; and the button that tries again."""

from __future__ import annotations

from typing import Any, Literal

from flask import Response
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, Field

from wallet_service.delivery.status import WaitingFarEnd, retry_far_end, waiting_far_ends
from wallet_service.delivery.stopped_channels import StoppedChannelState, stopped_channels_of
from wallet_service.web.api.callers import caller, needs
from wallet_service.web.api.pages import page_of
from wallet_service.web.api.unit_of_work import session
from wallet_service.web.context import now

_TAG = Tag(name="deliveries", description="Announcements that need somebody.")
_LARGEST = 2**63 - 1


class DeliveryPath(BaseModel):
    """The far end's number."""

    delivery_id: int = Field(ge=1, le=_LARGEST)


class DeliveriesQuery(BaseModel):
    """A page of far ends, of both states or of one."""

    state: Literal["refused", "stale"] | None = None
    after: int = Field(default=0, ge=0, le=_LARGEST, description="The last number of the page before.")
    limit: int = Field(default=100, ge=1, le=1000)


class DeliveriesAnswer(BaseModel):
    """A page; `next` is the `after` of the following one, null on the last. `stopped`: the channels on which nothing is
    announced at present, and why.
    """

    items: list[WaitingFarEnd]
    next: int | None
    stopped: list[StoppedChannelState] = []


def add_routes(api: APIBlueprint) -> None:
    """Register the routes."""
    api.get("/deliveries", tags=[_TAG], responses={200: DeliveriesAnswer})(list_deliveries_route)
    api.post("/deliveries/<int:delivery_id>/retry", tags=[_TAG], responses={204: None})(retry_delivery_route)


@needs("read")
def list_deliveries_route(query: DeliveriesQuery) -> dict[str, Any]:
    """List far ends that are refused (a person must look) or are stale (the phone never came); and stopped channels."""
    found = waiting_far_ends(
        session(), caller().program_id, state=query.state, after=query.after, limit=query.limit + 1
    )
    page = page_of(found, query.limit, key=lambda one: one.delivery_id, answer=lambda one: one.model_dump(mode="json"))
    stopped = stopped_channels_of(session(), caller().program_id)
    return page | {"stopped": [state.model_dump(mode="json") for state in stopped]}


@needs("cards")
def retry_delivery_route(path: DeliveryPath) -> Response:
    """Try a refused or stale far end again, now."""
    retry_far_end(session(), caller().program_id, path.delivery_id, now=now())
    return Response(status=204)
