"""Events from CRMs and tills: CloudEvents 1.0, and the shape of the data of each type that we know. Pure.

Source: CloudEvents specification 1.0.2, its JSON format and its HTTP binding (structured, batched and binary modes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from wallet_service.documents.balances import BalancesDocument
from wallet_service.documents.members import MemberDocument
from wallet_service.documents.types import LARGEST, Identifier
from wallet_service.errors import Invalid
from wallet_service.parsing import parse
from wallet_service.values import Money, Value

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
STREAM = "application/x-ndjson"
MOST_EVENTS = 1000
_BINARY_PREFIX = "ce-"


class CloudEvent(BaseModel):
    """The envelope. Extension attributes are allowed, as the specification demands, and ignored."""

    model_config = ConfigDict(frozen=True, extra="allow")

    specversion: Literal["1.0"]
    id: Annotated[str, Field(min_length=1, max_length=255)]
    source: Annotated[str, Field(min_length=1, max_length=255)]
    type: Annotated[str, Field(min_length=1, max_length=255)]
    subject: Identifier
    time: AwareDatetime | None = None
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str | None = None
    data: dict[str, Any]


class PurchaseLine(Value):
    """One line of a sale; `amount` is what was paid for the line."""

    sku: str | None = None
    category: str | None = None
    brand: str | None = None
    quantity: Annotated[int, Field(ge=-10_000, le=10_000)] = 1
    amount: Money


class Purchase(Value):
    """The data of `purchase.completed`."""

    order_id: Annotated[str, Field(min_length=1, max_length=128)]
    paid: Money
    gross: Money | None = None
    store_id: Identifier | None = None
    channel: Literal["store", "web", "app", "phone", "marketplace"] | None = None
    lines: tuple[PurchaseLine, ...] = Field(default=(), max_length=1000)


class PointsAdjustment(Value):
    """The data of `points.adjusted`: a difference, with the reason that a person will read."""

    points: Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
    reason: Annotated[str, Field(min_length=1, max_length=200)]


Data = MemberDocument | BalancesDocument | Purchase | PointsAdjustment
DATA_OF: Mapping[str, type[Data]] = {
    "member.updated": MemberDocument,
    "balances.set": BalancesDocument,
    "purchase.completed": Purchase,
    "points.adjusted": PointsAdjustment,
}


def parse_event(raw: Any) -> CloudEvent:
    """Check an envelope; every fault with its path.

    Raises:
        Invalid: it is not a CloudEvent 1.0 with a subject (the member's id) and JSON data.
    """
    if not isinstance(raw, dict):
        raise Invalid.at("", "an event is a JSON object")
    return parse(CloudEvent, raw)


def data_of(event: CloudEvent) -> Data:
    """The data of an event, by its type.

    Raises:
        Invalid: the type is unknown, or the data is wrong; paths begin with `data`.
    """
    model = DATA_OF.get(event.type)
    if model is None:
        raise Invalid.at("type", f"{event.type!r} is not known here; known are {', '.join(sorted(DATA_OF))}")
    try:
        return parse(model, event.data)
    except Invalid as error:
        raise error.under("data") from error


def read_body(body: bytes, content_type: str, headers: Mapping[str, str]) -> tuple[list[Any], bool]:
    """The raw events of an HTTP request, and whether it carried several.

    Args:
        content_type: without parameters, lower case.
        headers: lower-case names; `ce-…` of the binary mode are read.

    Raises:
        Invalid: the body is not what its content type says.
    """
    match content_type:
        case "application/cloudevents-batch+json":
            events = _json(body, "")
            if not isinstance(events, list):
                raise Invalid.at("", "a batch is a JSON array of events")
            several = True
        case "application/x-ndjson":
            lines = [line for line in body.splitlines() if line.strip()]
            events, several = [_json_or_text(line) for line in lines], True
        case "application/json" if f"{_BINARY_PREFIX}id" in headers:
            attributes = {
                name.removeprefix(_BINARY_PREFIX): value
                for name, value in headers.items()
                if name.startswith(_BINARY_PREFIX)
            }
            events, several = [{**attributes, "data": _json(body, "data")}], False
        case "application/cloudevents+json" | "application/json":
            events, several = [_json(body, "")], False
        case _:
            raise Invalid.at("", f"the content type should be {STRUCTURED}, {BATCH} or {STREAM}")
    if len(events) > MOST_EVENTS:
        raise Invalid.at("", f"{len(events)} events in one request; send at most {MOST_EVENTS}")
    return events, several


def _json_or_text(line: bytes) -> Any:
    """A line of a stream; one that is not JSON stays text, and is refused as an event of its own."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return line.decode(errors="replace")


def _json(raw: bytes, path: str) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Invalid.at(path, f"is not JSON: {error}") from error
