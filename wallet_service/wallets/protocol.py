"""The protocol of a wallet platform, and the values that pass between delivery and the platforms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from wallet_service.cards.content import CardContent
from wallet_service.cards.template import Template


@dataclass(frozen=True, slots=True)
class Accepted:
    """The platform accepted it. `answer` is its own word for that (an APNs id, a Google resource id)."""

    answer: str = ""


@dataclass(frozen=True, slots=True)
class Gone:
    """The far end no longer exists, since that instant."""

    since: datetime


@dataclass(frozen=True, slots=True)
class Later:
    """Not now; `after` is the platform's own wish, if it named one."""

    reason: str
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Never again as it is: kept and shown, until a person or a new registration mends it."""

    reason: str


@dataclass(frozen=True, slots=True)
class ChannelDown:
    """Our credentials or our address are wrong: the whole channel stops and a person is woken. Nothing is lost."""

    reason: str


Outcome = Accepted | Gone | Later | Refused | ChannelDown
"""A `reason` is a short word, one of few (the platform's own, libcurl's number); a colon and a sentence may follow."""


def word_of(outcome: Outcome) -> str:
    """The short word of an outcome's reason, to count by; empty where there is none."""
    match outcome:
        case Later(reason=reason) | Refused(reason=reason) | ChannelDown(reason=reason):
            return reason.partition(":")[0].strip()
        case _:
            return ""


@dataclass(frozen=True, kw_only=True)
class ProgramView:
    """A programme as a wallet platform needs it.

    Attributes:
        locale: the programme's first.
        nfc_key: the public key of the shops' readers, Base64; None: Apple has not granted the programme NFC.
        sign_up: passes of members without a name ask for it (needs the same grant).
    """

    program_id: str
    name: str
    brand: str
    locale: str
    organization_name: str
    pass_type_id: str | None
    team_id: str | None
    issuer_id: str | None
    nfc_key: str | None = None
    sign_up: bool = False


@dataclass(frozen=True, kw_only=True)
class CardView:
    """One card as last published: everything that a wallet needs to draw it, and nothing that needs the network.

    Attributes:
        card_link: the smart link, absolute.
        version: the change number of the content.
        google_object_id: `issuer.suffix`, if the programme is on Google.
    """

    program: ProgramView
    template: Template
    content: CardContent
    serial_number: str
    auth_token: str
    card_link: str
    version: int
    google_object_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A pending announcement at one far end. `far_end` is a push token for Apple, an object id for Google.

    `card` is None where the platform announces without content (Apple's push carries nothing).
    """

    delivery_id: int
    far_end: str
    version: int
    card: CardView | None = None


class Announcer(Protocol):
    """A channel to one platform for one programme; kept open between calls, used by one thread."""

    def announce(self, notices: Iterable[Notice]) -> Iterator[tuple[Notice, Outcome]]:
        """Announce to each far end once; yields every notice exactly once, as its answer arrives.

        Never called in a transaction.         `notices` is read as more can be sent.
        """
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
