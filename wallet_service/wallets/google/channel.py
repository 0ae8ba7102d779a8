"""The channel to Google: the class of a design once, then each card's object, then messages. Content travels with the
announcement.

Source: google-wallet.md sections 11, 12 (notifications) and 16 (endpoints, PATCH rules); section 25, checks 1 to 3, 23,
25, 28 to 34, 53 and 55.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import orjson
from google.auth.exceptions import RefreshError

from wallet_service.clock import Clock, system_clock
from wallet_service.errors import Invalid, Unreachable
from wallet_service.wallets.google.client.calls import LONGEST_REASON, Answer, Call, Exchange
from wallet_service.wallets.google.client.rate import Rate
from wallet_service.wallets.google.client.transport import ANY_TIME, Transport
from wallet_service.wallets.google.content import bodies, schema
from wallet_service.wallets.google.content.kind_parts import ImageUrl
from wallet_service.wallets.google.content.kinds import Kind, kind_of
from wallet_service.wallets.google.content.schema import Body
from wallet_service.wallets.google.notifications.messages import PendingMessage
from wallet_service.wallets.google.notifications.quota import NotifyStatus
from wallet_service.wallets.google.updates import Held, ObjectUpdate
from wallet_service.wallets.protocol import Accepted, CardView, ChannelDown, Later, Notice, Outcome, Refused

_SILENT: NotifyStatus = "silent"
Told = tuple[ObjectUpdate, Outcome]


@dataclass(frozen=True)
class ClassAddress:
    """Where a class is: its kind and its id."""

    kind: Kind
    class_id: str


@dataclass(frozen=True)
class WrittenClass:
    """A class that Google has just taken: what it was told, in which kind, and for which tier."""

    address: ClassAddress
    digest: str
    variant: str


class GoogleChannel:
    """The `Announcer` of one programme's issuer. Several requests are on their way at once; one thread reads.

    Attributes:
        classes: what each class was last told, class id → digest; whoever keeps that for longer than this channel lives
            puts it in and reads it out.
    """

    def __init__(
        self,
        api_url: str,
        service_account_info: Mapping[str, Any],
        *,
        public_url: str,
        rate: Rate,
        id_prefix: str = "",
        timeout_s: float,
        in_flight: int = 8,
        batch: int = 1,
        clock: Clock = system_clock,
    ) -> None:
        """Args: `api_url` and `public_url` are base addresses without trailing slash; `timeout_s` is for each request.

        Raises:
            SettingsError: the account's file is incomplete.
        """
        self.classes: dict[str, str] = {}
        self.transport = Transport(
            api_url, service_account_info, rate=rate, timeout_s=timeout_s, clock=clock, in_flight=in_flight, batch=batch
        )
        self._written_classes: dict[str, WrittenClass] = {}
        self._public_url = public_url
        self._id_prefix = id_prefix
        self._down: ChannelDown | None = None

    def announce(self, notices: Iterable[Notice]) -> Iterator[tuple[Notice, Outcome]]:
        """Bring each object to what its notice says; once the channel is down, the rest is not tried."""
        for told in self.announce_lazily(
            notice if isinstance(notice, ObjectUpdate) else ObjectUpdate(**vars(notice)) for notice in notices
        ):
            yield from told

    def announce_lazily(
        self, notices: Iterable[ObjectUpdate], *, before: Callable[[ObjectUpdate], datetime] = lambda _: ANY_TIME
    ) -> Iterator[list[Told]]:
        """The same, lazily: `notices` is read as more can be sent, and outcomes come as soon as there are some.

        A notice whose turn does not come `before` its time, or before `stop`, has no outcome.
        """
        self._down = None
        exchanges = ((notice, self._tell(notice, self._ensured(notice))) for notice in notices)
        return self.transport.hold_all(exchanges, before=before)

    def ensure_class(self, card: CardView) -> Outcome:
        """Insert or patch the class of the card's design, unless it is known to be as it should.

        Raises:
            Invalid: the design breaks Google's rules.
            Unreachable: no answer.
        """
        return self.transport.hold(self._class_exchange(card))

    def class_body(self, card: CardView) -> Body:
        """The class of a card's design as it should be."""
        return bodies.class_body(
            card.program,
            card.template,
            class_id=self.class_id(card),
            image_url=self._image_url(card),
            callback_url=f"{self._public_url}/google/callback",
            variant=bodies.variant_of(card.template, card.content),
        )

    def object_body(self, card: CardView, *, totp_key: str | None = None, linked_ids: Sequence[str] = ()) -> Body:
        """A card's object as it should be.

        Raises:
            Invalid: the card has no object id.
        """
        return bodies.object_body(
            card,
            class_id=self.class_id(card),
            image_url=self._image_url(card),
            totp_key=totp_key,
            linked_ids=linked_ids,
        )

    def class_id(self, card: CardView) -> str:
        """The id of that class."""
        variant = bodies.variant_of(card.template, card.content)
        return bodies.class_id_of(card.program, card.template.template_id, self._id_prefix, variant)

    def take_written_classes(self) -> list[WrittenClass]:
        """The classes that Google has taken since this was last asked."""
        told = list(self._written_classes.values())
        self._written_classes.clear()
        return told

    def send_class_message(
        self,
        address: ClassAddress,
        message: PendingMessage,
        keep: Sequence[Body] | None,
        *,
        before: datetime = ANY_TIME,
    ) -> tuple[Outcome, NotifyStatus]:
        """One message to everybody who holds an object of the class: one call, however many they are. What cannot leave
        `before` then is `Later`.
        """
        return self.transport.hold(self._class_message_exchange(address, message, keep), before=before)

    def stop(self) -> None:
        """Send nothing more; what is on its way comes to its answer. From any thread."""
        self.transport.stop()

    def close(self) -> None:
        """Close the connection."""
        self.transport.close()

    def _ensured(self, notice: ObjectUpdate) -> Outcome:
        """The class, before anything is said of the object; one at a time, so that no two threads insert it."""
        card = notice.design or notice.card
        if self._down is not None or card is None:
            return self._down or Refused("an object cannot be announced without its content")
        try:
            outcome = self.ensure_class(card)
        except Invalid as refusal:
            return Refused(f"invalid: {refusal}"[:LONGEST_REASON])
        except (Unreachable, RefreshError) as error:
            outcome = _outcome_of_silence(error)
        return self._noted(outcome)

    def _image_url(self, card: CardView) -> ImageUrl:
        return lambda name: self._public_url + card.template.image_path(name)

    def _noted(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, ChannelDown):
            self._down = outcome
        return outcome

    def _tell(self, notice: ObjectUpdate, ensured: Outcome) -> Exchange[Outcome]:
        if not isinstance(ensured, Accepted) or notice.card is None:
            return ensured
        try:
            return self._noted((yield from self._object_exchange(notice, notice.card)))
        except Invalid as refusal:
            return Refused(f"invalid: {refusal}"[:LONGEST_REASON])
        except (Unreachable, RefreshError) as error:
            return self._noted(_outcome_of_silence(error))

    def _object_exchange(self, notice: ObjectUpdate, card: CardView) -> Exchange[Outcome]:
        kind = kind_of(card.template)
        body = self.object_body(card, totp_key=notice.totp_key, linked_ids=notice.linked_ids)
        digest, how = digest_of(body), _SILENT
        if digest != notice.told_digest:
            schema.require_valid(kind.object_schema, body)
            answer, how = yield from self._put(kind, body, notice, card)
            if not answer.is_good:
                return (yield from self._judged(answer, kind, body))
        address = f"{kind.object_collection}/{quote(body['id'], safe='')}"
        if notice.keep is not None:
            answer = yield Call("PATCH", address, {"messages": list(notice.keep)})
            if not answer.is_good:
                return answer.outcome()
        trouble, messages = yield from self._add_messages(address, notice.messages)
        return trouble or Held(body["id"], digest=digest, how=how, messages=messages)

    def _judged(self, answer: Answer, kind: Kind, body: Body) -> Exchange[Outcome]:
        """What a refused object means. Google's "permission denied" may be about our account, which stops the channel,
        or about this object alone, of an issuer that is not ours: our class is asked for, which tells which.
        """
        outcome = answer.outcome()
        if not isinstance(outcome, ChannelDown) or answer.status != 403:
            return outcome
        shown = yield Call("GET", f"{kind.class_collection}/{quote(body['classId'], safe='')}?fields=id")
        return Refused(outcome.reason) if shown.is_good else outcome

    def _put(
        self, kind: Kind, body: Body, notice: ObjectUpdate, card: CardView
    ) -> Exchange[tuple[Answer, NotifyStatus]]:
        """PATCH; an absent object is inserted, an absent class made again."""
        if notice.told_digest is not None or notice.object_pk == 0:
            answer, how = yield from _patch(kind.object_schema, kind.object_collection, body, notify=notice.notify)
            if answer.status != 404:
                return answer, how
        answer = yield Call("POST", kind.object_collection, body)
        if answer.status == 404:  # the class that this channel believed in is not there
            self.classes.pop(body["classId"], None)
            ensured = yield from self._class_exchange(notice.design or card)
            if not isinstance(ensured, Accepted):
                return answer, "silent"
            answer = yield Call("POST", kind.object_collection, body)
        if answer.status == 409:
            answer, _ = yield from _patch(kind.object_schema, kind.object_collection, body, notify=False)
        return answer, "silent"

    def _class_exchange(self, card: CardView) -> Exchange[Outcome]:
        body, kind = self.class_body(card), kind_of(card.template)
        digest = digest_of(body)
        if self.classes.get(body["id"]) == digest:
            return Accepted()
        schema.require_valid(kind.class_schema, body)
        if body["id"] in self.classes:
            answer, _ = yield from _patch(kind.class_schema, kind.class_collection, body, notify=False)
            if answer.status == 404:
                answer = yield Call("POST", kind.class_collection, body)
        else:
            answer = yield Call("POST", kind.class_collection, body)
            if answer.status == 409:
                answer, _ = yield from _patch(kind.class_schema, kind.class_collection, body, notify=False)
        if answer.is_good:
            self.classes[body["id"]] = digest
            variant = bodies.variant_of(card.template, card.content)
            self._written_classes[body["id"]] = WrittenClass(ClassAddress(kind, body["id"]), digest, variant)
        return answer.outcome()

    def _class_message_exchange(
        self, address: ClassAddress, message: PendingMessage, keep: Sequence[Body] | None
    ) -> Exchange[tuple[Outcome, NotifyStatus]]:
        path = f"{address.kind.class_collection}/{quote(address.class_id, safe='')}"
        try:
            if keep is not None:
                patch: Body = {"messages": list(keep)}
                if address.kind.is_reviewed:
                    patch["reviewStatus"] = "UNDER_REVIEW"
                answer = yield Call("PATCH", path, patch)
                if not answer.is_good:
                    return answer.outcome(), "silent"
            trouble, messages = yield from self._add_messages(path, (message,))
        except (Unreachable, RefreshError) as error:
            return _outcome_of_silence(error), "silent"
        return (trouble, "silent") if trouble else (Accepted(message.message["id"]), messages[message.message_pk])

    def _add_messages(
        self, address: str, messages: Sequence[PendingMessage]
    ) -> Exchange[tuple[Outcome | None, Mapping[int, NotifyStatus]]]:
        """Add messages. One that may have arrived before is looked for first: addMessage twice is two messages."""
        results: dict[int, NotifyStatus] = {}
        standing: set[str] | None = None
        for message in messages:
            if message.attempted and standing is None:
                found = yield Call("GET", f"{address}?fields=messages")
                if not found.is_good:
                    return found.outcome(), results
                standing = {str(message.get("id")) for message in found.json().get("messages") or ()}
            if message.attempted and message.message["id"] in (standing or ()):
                results[message.message_pk] = "notified" if message.notify else "silent"
                continue
            how: NotifyStatus = "notified" if message.notify else "silent"
            answer = yield Call("POST", f"{address}/addMessage", message.body(notify=message.notify))
            if message.notify and answer.is_quota and not answer.is_rate:
                how = "refused"
                answer = yield Call("POST", f"{address}/addMessage", message.body(notify=False))
            if answer.status == 400:  # this message is wrong for ever; the card is not
                how = "refused"
            elif not answer.is_good:
                return answer.outcome(), results
            results[message.message_pk] = how
        return None, results


def digest_of(body: Body) -> str:
    """SHA-256, hex, of a body; what Google holds already is not sent again."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _patch(schema_name: str, collection: str, body: Body, *, notify: bool) -> Exchange[tuple[Answer, NotifyStatus]]:
    """PATCH to exactly this body; beyond the notification quota the same again, silently, and once."""
    patch = bodies.patch_of(schema_name, body)
    path = f"{collection}/{quote(body['id'], safe='')}"
    if notify:
        answer = yield Call("PATCH", path, {**patch, "notifyPreference": "NOTIFY_ON_UPDATE"})
        if answer.is_rate or not answer.is_quota:
            return answer, "notified"
        return (yield Call("PATCH", path, patch)), "refused"
    return (yield Call("PATCH", path, patch)), "silent"


def _outcome_of_silence(error: Unreachable | RefreshError) -> Outcome:
    if isinstance(error, Unreachable):
        return Later(str(error))
    words = f"token: {error.args[0]}"[:LONGEST_REASON]
    return Later(words) if error.retryable else ChannelDown(words)
