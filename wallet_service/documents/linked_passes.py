"""What a CRM says of a pass linked to a card: `POST /cards/{serial_number}/linked` and `pass.linked`. Pure.

The document is the whole of it: said again under the same key, the same pass shows what is said now.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wallet_service.documents.types import Identifier, Instant, LongText
from wallet_service.values import Money, Value

TemplateName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,47}$")]
"""The name of a design's folder."""


class LinkedPassDocument(Value):
    """A ticket, a voucher or a rare offer beside a member's card.

    `key` is the sender's own name for it, unique for each member; `template` one of the programme's `linked_templates`.
    """

    key: Identifier
    template: TemplateName
    expires_at: Instant | None = None
    amount: Money | None = None
    lines: Annotated[dict[Identifier, LongText], Field(max_length=100)] = {}
