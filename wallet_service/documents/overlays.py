"""Another face of the cards for a span, as staff describe it: `PUT /overlays/{code}`. Pure.

"Black Friday": other colours, texts and pictures over a design, from one moment to another; then it is as before.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from wallet_service.documents.types import (
    Identifier,
    Instant,
    Integer,
    Locale,
    LocalTime,
    LongText,
    ShortText,
    require_one_span,
)
from wallet_service.values import Value

Colour = Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$", examples=["#111111"])]
Priority = Annotated[Integer, Field(ge=-1000, le=1000)]
WordsOfOneLanguage = Annotated[dict[Identifier, LongText], Field(max_length=200)]


class OverlayColours(Value):
    """The colours that differ; one that is not named stays the design's."""

    background: Colour | None = None
    text: Colour | None = None
    label: Colour | None = None


class OverlayDocument(Value):
    """`PUT /overlays/{code}`. The span is half-open; local times are in the programme's zone.

    Attributes:
        template: the design that it lies over; None: the programme's own.
        priority: of overlays that hold at once the highest is seen, then the one that began last.
        words: locale → key of the design's words → the text instead.
    """

    title: ShortText
    template: Identifier | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    starts_at_local: LocalTime | None = None
    ends_at_local: LocalTime | None = None
    priority: Priority = 0
    colours: OverlayColours = OverlayColours()
    words: Annotated[dict[Locale, WordsOfOneLanguage], Field(max_length=50)] = {}

    @model_validator(mode="after")
    def _has_one_span(self) -> Self:
        require_one_span(self)
        return self
