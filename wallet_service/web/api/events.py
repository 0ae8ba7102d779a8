"""Events: CloudEvents 1.0, one, a batch or a stream of lines."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from flask_openapi3 import APIBlueprint, Tag
from pydantic import BaseModel, RootModel

from wallet_service.crm.events import BATCH, STREAM, STRUCTURED, CloudEvent, read_body
from wallet_service.crm.inbox import take_in
from wallet_service.errors import Invalid
from wallet_service.web.api.callers import caller, needs
from wallet_service.web.api.unit_of_work import received_at, session
from wallet_service.web.context import now, services
from wallet_service.web.problems import FaultModel, problem_of

_TAG = Tag(name="events", description="What a CRM or a till reports.")
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            STRUCTURED: {"schema": CloudEvent.model_json_schema()},
            BATCH: {"schema": {"type": "array", "items": CloudEvent.model_json_schema()}},
            STREAM: {"schema": {"type": "string", "description": "One CloudEvent in JSON on each line."}},
        },
    }
}


class EventAnswer(BaseModel):
    """What became of one event: applied, repeated (known before), ignored (older news) or refused (see `faults`)."""

    id: str | None
    status: str
    detail: str | None = None
    faults: list[FaultModel] = []


class EventsAnswer(BaseModel):
    """What became of each event, in their order."""

    results: list[EventAnswer]
    refused: int


class ReceivedAnswer(RootModel[EventAnswer | EventsAnswer]):
    """To one event its own answer; to a batch or a stream, also to an empty one, that to each."""


def add_routes(api: APIBlueprint) -> None:
    """Hang the route into the API."""
    api.post(
        "/events",
        tags=[_TAG],
        responses={202: ReceivedAnswer, 207: EventsAnswer},
        openapi_extensions=_BODY,
    )(post_events_route)


@needs("events")
def post_events_route() -> Response | tuple[dict[str, Any], int]:
    """Take in one event (202, or 422 with its faults) or several (202, or 207 if some were refused)."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    raws, several = read_body(request.get_data(), request.mimetype, headers)
    caller().require_event_types(str(raw["type"]) for raw in raws if isinstance(raw, dict) and "type" in raw)
    caller().require_events_of_store(raws)
    answers = take_in(session(), services().publisher, caller().program_id, raws, received_at=received_at(), now=now())
    if not several:
        first = answers[0]
        return problem_of(Invalid(*first.faults)) if first.status == "refused" else (first.as_json(), 202)
    refused = sum(answer.status == "refused" for answer in answers)
    return {"results": [answer.as_json() for answer in answers], "refused": refused}, 207 if refused else 202
