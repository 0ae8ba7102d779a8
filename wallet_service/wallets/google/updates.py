"""The values between the delivery queue and Google's channel: an object's update, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from wallet_service.wallets.google.content.schema import Body
from wallet_service.wallets.google.notifications.messages import PendingMessage
from wallet_service.wallets.google.notifications.quota import NotifyStatus
from wallet_service.wallets.protocol import Accepted, CardView, Notice


@dataclass(frozen=True, kw_only=True)
class ObjectUpdate(Notice):
    """One object whose content is pending, and perhaps messages.

    Attributes:
        object_pk: our row of the object.
        told_digest: of the body that Google holds; None: the object is not there yet; empty: not known.
        design: the programme's present design, which the class shows; None: the card's own.
        notify: the change may notify.
        messages: messages to add, oldest first.
        keep: the messages that stay when some must go; None: all stay.
        totp_key: the card's own secret, hexadecimal, where its barcode rotates.
        linked_ids: objects that hang on this one.
    """

    object_pk: int = 0
    told_digest: str | None = None
    design: CardView | None = None
    notify: bool = False
    messages: tuple[PendingMessage, ...] = ()
    keep: tuple[Body, ...] | None = None
    totp_key: str | None = None
    linked_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Held(Accepted):
    """Google holds it. `how` says whether the change notified, `messages` what became of each message."""

    digest: str = ""
    how: NotifyStatus = "silent"
    messages: Mapping[int, NotifyStatus] = field(default_factory=dict)
