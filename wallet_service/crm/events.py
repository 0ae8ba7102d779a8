"""Events from CRMs and tills: CloudEvents 1.0, and the shape of the data of each type that we know. Pure.

Source: CloudEvents specification 1.0.2, its JSON format and its HTTP binding (structured, batched and binary modes).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from wallet_service.documents.balances import BalancesDocument
from wallet_service.documents.linked_passes import LinkedPassDocument
from wallet_service.documents.members import MemberDocument
from wallet_service.documents.types import Identifier, Instant, Integer, Points, ShortText, printable
from wallet_service.errors import Invalid, Unsupported
from wallet_service.parsing import load_json, parse, read_json, refusal, require_sound
from wallet_service.values import Money, Value

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
STREAM = "application/x-ndjson"
MOST_EVENTS = 1000
_BINARY_PREFIX = "ce-"


Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(printable)]


class CloudEvent(BaseModel):
    """The envelope. Extension attributes are allowed, as the specification demands, and ignored."""

    model_config = ConfigDict(frozen=True, extra="allow")

    specversion: Literal["1.0"]
    id: Name
    source: Name
    type: Name
    subject: Identifier
    time: Instant | None = None
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: Annotated[str, Field(max_length=2000)] | None = None
    data: dict[str, Any]


class PurchaseLine(Value):
    """One line of a sale; `amount` is what was paid for the line."""

    sku: ShortText | None = None
    category: ShortText | None = None
    brand: ShortText | None = None
    quantity: Annotated[Integer, Field(ge=-10_000, le=10_000)] = 1
    amount: Money


class Purchase(Value):
    """The data of `purchase.completed`."""

    order_id: ShortText
    paid: Money
    gross: Money | None = None
    store_id: Identifier | None = None
    channel: Literal["store", "web", "app", "phone", "marketplace"] | None = None
    lines: tuple[PurchaseLine, ...] = Field(default=(), max_length=1000)
    offers: tuple[Identifier, ...] = Field(default=(), max_length=20)
    """The codes of the offers that it used."""


class Return(Value):
    """The data of `return.accepted`: a part of an order, or all of it, was paid back. Several of one order add up.

    `refund_id` names the refund within its source; without it the event's id does. `order_source`: the source that
    reported the order, where it is another than this event's.
    """

    refund_id: ShortText | None = None
    order_id: ShortText
    order_source: Name | None = None
    refunded: Money
    store_id: Identifier | None = None
    reason: ShortText | None = None

    @model_validator(mode="after")
    def _gives_back(self) -> Self:
        if self.refunded.amount <= 0:
            raise refusal("greater_than", "should be more than 0", path="refunded.amount", gt=0)
        return self


class PointsAdjustment(Value):
    """The data of `points.adjusted`: a difference, with the reason that a person will read."""

    points: Points
    reason: ShortText


Data = MemberDocument | BalancesDocument | LinkedPassDocument | Purchase | Return | PointsAdjustment
DATA_OF: Mapping[str, type[Data]] = {
    "member.updated": MemberDocument,
    "balances.set": BalancesDocument,
    "pass.linked": LinkedPassDocument,
    "purchase.completed": Purchase,
    "return.accepted": Return,
    "points.adjusted": PointsAdjustment,
}


def parse_event(raw: Any) -> CloudEvent:
    """Check an envelope; every fault with its path.

    Raises:
        Invalid: it is not a CloudEvent 1.0 with a subject (the member's id) and JSON data.
    """
    if isinstance(raw, Invalid):
        raise raw
    require_sound(raw)
    if not isinstance(raw, dict):
        raise Invalid.at("", "an event is a JSON object", "not_an_object")
    return parse(CloudEvent, raw)


def digest_of(event: CloudEvent) -> bytes:
    """SHA-256 of what an event says. Not of its envelope: traces and times of sending differ from try to try."""
    said = {"type": event.type, "subject": event.subject, "data": event.data}
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest()


def data_of(event: CloudEvent) -> Data:
    """The data of an event, by its type.

    Raises:
        Invalid: the type is unknown, or the data is wrong; paths begin with `data`.
    """
    model = DATA_OF.get(event.type)
    if model is None:
        known = ", ".join(sorted(DATA_OF))
        raise Invalid.at("type", f"{event.type!r} is not known here; known are {known}", "unknown_type", known=known)
    try:
        return parse(model, event.data)
    except Invalid as error:
        raise error.under("data") from error


def read_body(body: bytes, content_type: str, headers: Mapping[str, str]) -> tuple[list[Any], bool]:
    """The raw events of an HTTP request, and whether it carried several. What is wrong in one of several is that one's
    fault: a line that is not JSON comes as the `Invalid` that says so.

    Args:
        content_type: without parameters, lower case.
        headers: lower-case names; `ce-…` of the binary mode are read.

    Raises:
        Unreadable: the body is not what its content type says.
        Unsupported: it is of another content type.
        Invalid: there are too many.
    """
    match content_type:
        case "application/cloudevents-batch+json":
            events = load_json(body)
            if not isinstance(events, list):
                raise Invalid.at("", "a batch is a JSON array of events", "not_an_array")
            several = True
        case "application/x-ndjson":
            lines = [line for line in body.splitlines() if line.strip()]
            events, several = [_json_or_refusal(line) for line in lines[: MOST_EVENTS + 1]], True
        case "application/json" if f"{_BINARY_PREFIX}id" in headers:
            attributes = {
                name.removeprefix(_BINARY_PREFIX): value
                for name, value in headers.items()
                if name.startswith(_BINARY_PREFIX)
            }
            events, several = [{**attributes, "data": read_json(body, "data")}], False
        case "application/cloudevents+json" | "application/json":
            events, several = [read_json(body)], False
        case _:
            raise Unsupported.at("", f"the content type should be {STRUCTURED}, {BATCH} or {STREAM}", "content_type")
    if len(events) > MOST_EVENTS:
        raise Invalid.at("", f"these are more than {MOST_EVENTS} events", "too_many_events", most=MOST_EVENTS)
    return events, several


def _json_or_refusal(line: bytes) -> Any:
    try:
        return load_json(line)
    except Invalid as error:
        return error
