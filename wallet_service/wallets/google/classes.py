"""The classes of a programme at Google: as they are, as they should be, and how the one becomes the other.

Source: google-wallet.md sections 5 (review), 6 and 20 (demo mode); section 25, checks 4, 6, 7 and 57.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from wallet_service.errors import SettingsError, Unreachable
from wallet_service.wallets.google.channel import ClassAddress, GoogleChannel
from wallet_service.wallets.google.client.calls import Call
from wallet_service.wallets.google.content.compare import Difference, differences
from wallet_service.wallets.google.content.kinds import Kind, kind_of
from wallet_service.wallets.google.content.schema import Body
from wallet_service.wallets.protocol import Accepted, CardView

DEMO_MARK = "[TEST ONLY]"
"""What Google writes into the titles of an issuer that has not been published."""


@dataclass(frozen=True)
class ClassState:
    """One class beside what it should be.

    Attributes:
        review: Google's word on it (`APPROVED`, …); empty for kinds without review or where it is absent.
        comments: Google's remarks, when it rejected.
        is_demo: the issuer is in demo mode: only testers can save cards.
    """

    address: ClassAddress
    body: Body
    todo: Literal["insert", "patch", "nothing"]
    differences: Sequence[Difference] = ()
    review: str = ""
    comments: str = ""
    is_demo: bool = False


def state_of_class(channel: GoogleChannel, card: CardView) -> ClassState:
    """Look at the class of a card's design at Google.

    Raises:
        Unreachable: Google did not answer, or would not show it.
    """
    kind, body = kind_of(card.template), channel.class_body(card)
    address = ClassAddress(kind, body["id"])
    answer = channel.transport.ask(Call("GET", f"{kind.class_collection}/{quote(body['id'], safe='')}"))
    if answer.status == 404:
        return ClassState(address, body, "insert")
    if not answer.is_good:
        raise Unreachable(f"Google would not show {body['id']}: {answer.status} {answer.reason} {answer.message}")
    return _beside(kind, address, body, answer.json())


def apply_class(channel: GoogleChannel, card: CardView, state: ClassState) -> None:
    """Make the class at Google what it should be.

    Raises:
        Invalid: the design breaks Google's rules.
        Unreachable: Google refused; the message says why.
    """
    if state.todo == "nothing":
        return
    channel.classes.pop(state.address.class_id, None)
    outcome = channel.ensure_class(card)
    if not isinstance(outcome, Accepted):
        raise Unreachable(f"Google refused {state.address.class_id}: {outcome}")


def require_published(*, demo: bool, is_production: bool) -> None:
    """Refuse an issuer in demo mode where real customers are served.

    Raises:
        SettingsError: the issuer is a demo issuer, and this is production.
    """
    if demo and is_production:
        raise SettingsError(
            "google.demo: this issuer is in demo mode, where only testers can save cards; "
            "request publishing access in the Google Pay & Wallet console, or leave WALLET_ENV=production"
        )


def _beside(kind: Kind, address: ClassAddress, body: Body, shown: Mapping[str, Any]) -> ClassState:
    found = differences(kind.class_schema, body, shown)
    review = str(shown.get("reviewStatus", "")) if kind.is_reviewed else ""
    rejected = review.upper() in ("REJECTED", "DRAFT")
    return ClassState(
        address=address,
        body=body,
        todo="patch" if found or rejected else "nothing",
        differences=found,
        review=review,
        comments=str((shown.get("review") or {}).get("comments", "")),
        is_demo=_holds_mark(shown),
    )


def _holds_mark(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_mark(part) for part in value.values())
    if isinstance(value, list):
        return any(_holds_mark(part) for part in value)
    return isinstance(value, str) and DEMO_MARK in value
