"""A simulated iPhone: adds passes as Wallet does, connects to APNs, and fetches what changed.

Source: apple-wallet.md, sections 2.6, 4.7 and 9.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import TypeVar

import requests

from wallet_service.clock import Clock, system_clock
from wallet_service.errors import Fault, NotFound, Unreachable
from wallet_service.previews.field_text import Place
from wallet_service.simulators.apns.devices import Push, PushService
from wallet_service.simulators.phones.pass_service import TIMEOUT_S, GaveUp, PassService
from wallet_service.simulators.phones.phone import SimulatedPhone
from wallet_service.simulators.phones.phone_events import PhoneEvent, Step
from wallet_service.simulators.phones.screen import (
    NearbyCard,
    Notification,
    Screen,
    nearby,
    notification_for,
    screen_of,
)
from wallet_service.simulators.phones.wallet_rules import (
    APPLE_ROOT_PEM,
    MIME_TYPE,
    PassBundle,
    PassRefused,
    open_bundle,
)

T = TypeVar("T")

SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/26.0 Mobile/15E148 Safari/604.1"
)


@dataclass(frozen=True)
class _Card:
    bundle: PassBundle
    screen: Screen
    last_modified: str | None


class Iphone(SimulatedPhone[PhoneEvent]):
    """One iPhone. Pushes are handled on a thread of its own; the methods run on the caller's. Close it, or use `with`.

    Args:
        push_service: `ApnsSimulator` in this process, or `RemotePushService` from another one.
        roots_pem: whose passes it trusts: Apple's root, or the development root.
        allow_http: the developer switch "Allow HTTP Services".
        locale, time_zone: how it writes values.
        clock: times in `events` and what has expired.
        wait: called with the seconds of a pause before a new try after a 5xx; a test passes one that returns at once.
    """

    def __init__(
        self,
        push_service: PushService,
        *,
        roots_pem: bytes = APPLE_ROOT_PEM,
        allow_http: bool = False,
        name: str = "iPhone",
        locale: str = "fr_FR",
        time_zone: str = "Europe/Paris",
        clock: Clock = system_clock,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        super().__init__(name=name, locale=locale, clock=clock)
        self._push_service, self._roots_pem, self._allow_http = push_service, roots_pem, allow_http
        self._time_zone = time_zone
        self._off = threading.Event()
        self._service = PassService(
            clock=clock,
            wait=wait or self._off.wait,
            reachable=lambda: self._online,
            logged=lambda line: self._note("logged", None, line),
        )
        # One conversation at a time, as on a phone; `_state` is held for moments only, so that looking never waits.
        self._busy = threading.RLock()
        self._online = True
        self._asleep = self._lying = False
        self._device_id = secrets.token_hex(16)
        self._push_tokens: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._owed: set[tuple[str, str]] = set()
        self._cards: dict[tuple[str, str], _Card] = {}
        self._notifications: list[Notification] = []
        self._topics: SimpleQueue[str | None] = SimpleQueue()
        self._waiting_topics: set[str] = set()
        self._thread = threading.Thread(target=self._follow_pushes, name=name)
        self._thread.start()

    # What the holder does
    def open_link(self, url: str) -> Screen:
        """Open a link in Safari and add the pass that it leads to.

        Raises:
            PassRefused: the link leads to something else, or to a pass that Wallet does not accept.
            requests.RequestException: nobody answers.
        """
        with requests.Session() as safari:
            answer = safari.get(
                url, headers={"User-Agent": SAFARI, "Accept-Language": self._language}, timeout=TIMEOUT_S
            )
        kind = answer.headers.get("Content-Type")
        if answer.status_code != 200 or kind != MIME_TYPE:
            raise PassRefused(Fault(url, f"the link answers {answer.status_code} {kind}, not a pass"))
        return self.add_pass(answer.content, last_modified=answer.headers.get("Last-Modified"))

    def add_pass(self, data: bytes, *, last_modified: str | None = None) -> Screen:
        """Add a pass: verify, register (E1), list without tag (E3). What fails after verifying is in `events`.

        Raises:
            PassRefused: Wallet does not accept it.
        """
        try:
            bundle = self._open(data)
        except PassRefused as refusal:
            self._note("refused", None, str(refusal))
            raise
        with self._busy:
            self._keep(bundle, last_modified)
            self._note("added", bundle.serial_number)
            self._join(bundle)
        return self.shows(bundle.serial_number)

    def refresh(self, serial_number: str | None = None) -> Screen:
        """Pull down in the card's details: E4."""
        with self._busy:
            card = self._card(serial_number)
            with suppress(GaveUp):
                self._fetch(card, listed=False)
        return self.shows(serial_number)

    def toggle_updates(self, serial_number: str | None = None) -> Screen:
        """Switch automatic updates off and on: E2, E1, and the card is refreshed at once."""
        with self._busy:
            bundle = self._card(serial_number).bundle
            with suppress(GaveUp):
                self._unregister(bundle)
                self._register(bundle)
                self._fetch(self._card(bundle.serial_number), listed=False)
        return self.shows(serial_number)

    def remove(self, serial_number: str | None = None) -> None:
        """Delete a card: E2, which never comes if the phone is offline."""
        with self._busy:
            bundle = self._card(serial_number).bundle
            with self._state:
                del self._cards[bundle.pass_type_id, bundle.serial_number]
            self._note("removed", bundle.serial_number)
            with suppress(GaveUp):
                self._unregister(bundle)

    def restore(self) -> None:
        """Restore the backup on a new phone: a new device id and push tokens, every card registers again."""
        with self._busy:
            self._retire_tokens()
            self._device_id = secrets.token_hex(16)
            for card in self._all_cards():
                self._join(card.bundle)

    def erase(self) -> None:
        """Wipe the phone: cards go without E2, push tokens die."""
        with self._busy:
            self._retire_tokens()
            with self._state:
                self._cards.clear()

    def offline(self) -> None:
        """No network."""
        with self._state:
            self._online = False
            tokens = list(self._push_tokens.values())
        for push_token in tokens:
            self._push_service.disconnect(push_token)

    def online(self) -> None:
        """Network again: APNs delivers what it stored."""
        with self._state:
            self._online = True
            tokens = dict(self._push_tokens)
        for topic, push_token in tokens.items():
            self._push_service.connect_device(push_token, topic, self._pushed)

    def sleep(self) -> None:
        """In a pocket: pushes arrive and are not acted upon."""
        self._asleep = True

    def wake(self) -> None:
        """Awake again: it asks what has changed."""
        self._asleep = False
        for topic in self.push_tokens:
            self._topics.put(topic)

    def lie(self, *, lying: bool = True) -> None:
        """From now on it lists what has changed and never downloads it, as phones with a full disk do; or no more."""
        self._lying = lying

    # What one can see
    def shows(self, serial_number: str | None = None) -> Screen:
        """The card on the screen; without a serial number, the only one.

        Raises:
            NotFound: there is no such card, or several and none was named.
        """
        return self._card(serial_number).screen

    def bundle(self, serial_number: str | None = None) -> bytes:
        """The `.pkpass` as it is on the phone."""
        return self._card(serial_number).bundle.data

    @property
    def serial_numbers(self) -> tuple[str, ...]:
        """The cards in Wallet, oldest first."""
        with self._state:
            return tuple(serial for _, serial in self._cards)

    @property
    def device_id(self) -> str:
        """The device library identifier; `restore` changes it."""
        return self._device_id

    @property
    def push_tokens(self) -> dict[str, str]:
        """The push token of each pass type."""
        with self._state:
            return dict(self._push_tokens)

    @property
    def notifications(self) -> tuple[Notification, ...]:
        """What came up on the lock screen, oldest first."""
        with self._state:
            return tuple(self._notifications)

    def near(self, latitude: float, longitude: float) -> tuple[NearbyCard, ...]:
        """The cards that the lock screen offers at a place (decimal degrees), nearest first."""
        found = (nearby(card.screen, latitude, longitude) for card in self._all_cards())
        return tuple(sorted((one for one in found if one), key=lambda one: (one.distance_m, one.serial_number)))

    def close(self) -> None:
        """Switch the phone off and join its thread; its cards stay registered."""
        self._off.set()
        with suppress(Unreachable):  # a push service that has gone connects nobody any more
            self.offline()
        self._topics.put(None)
        self._thread.join()
        self._service.close()

    # What the phone does by itself
    def _pushed(self, push: Push) -> None:
        self._note("pushed", None, push.topic)
        if self._asleep:
            self._note("slept", None, push.topic)
            return
        with self._state:
            if push.topic in self._waiting_topics:
                return
            self._waiting_topics.add(push.topic)
        self._topics.put(push.topic)

    def _follow_pushes(self) -> None:
        while (topic := self._topics.get()) is not None:
            with self._state:
                self._waiting_topics.discard(topic)
            with self._busy, suppress(GaveUp):
                self._update(topic)

    def _update(self, topic: str) -> None:
        """E3, then E4 for each serial number that was listed now or is left from an update that did not finish."""
        bundle = next((card.bundle for card in self._all_cards() if card.bundle.pass_type_id == topic), None)
        if bundle is None or "webServiceURL" not in bundle.content:
            return
        tag = self._tags.get(topic)
        listing = self._try(lambda: self._service.changed(self._device_id, bundle, tag))
        self._note("listed", None, ", ".join(listing.serial_numbers))
        if listing.tag is not None:
            self._tags[topic] = listing.tag
        self._owed |= {(topic, serial) for serial in listing.serial_numbers}
        for key in sorted(one for one in self._owed if one[0] == topic):
            with self._state:
                card = self._cards.get(key)
            if card is None:
                self._owed.discard(key)
            elif self._lying:
                self._note("lied", card.bundle.serial_number)
            else:
                with suppress(GaveUp):
                    self._fetch(card, listed=tag is not None)

    def _fetch(self, card: _Card, *, listed: bool) -> None:
        old = card.bundle
        if "webServiceURL" not in old.content:
            return
        download = self._try(lambda: self._service.download(old, card.last_modified), old.serial_number)
        self._owed.discard((old.pass_type_id, old.serial_number))
        if download.data is None:
            self._note("unchanged", old.serial_number)
            if listed:
                self._service.report_unchanged(old)
            return
        try:
            new = self._open(download.data)
            _check_same_pass(old, new)
        except PassRefused as refusal:
            self._note("refused", old.serial_number, str(refusal))
            self._service.report_invalid(old, card.last_modified)
            return
        self._note("fetched", new.serial_number, download.last_modified or "")
        self._keep(new, download.last_modified)
        if notification := notification_for(old, new, self._place()):
            with self._state:
                self._notifications.append(notification)
            self._note("notified", new.serial_number, notification.text)

    def _join(self, bundle: PassBundle) -> None:
        if "webServiceURL" not in bundle.content:
            return
        topic = bundle.pass_type_id
        with self._state:
            is_new = topic not in self._push_tokens
            push_token = self._push_tokens.setdefault(topic, secrets.token_hex(32))
        if is_new and self._online:
            self._push_service.connect_device(push_token, topic, self._pushed)
        with suppress(GaveUp):
            self._register(bundle)
            self._update(topic)

    def _register(self, bundle: PassBundle) -> None:
        push_token = self._push_tokens[bundle.pass_type_id]
        status = self._try(lambda: self._service.register(self._device_id, push_token, bundle), bundle.serial_number)
        self._note("registered", bundle.serial_number, str(status))

    def _unregister(self, bundle: PassBundle) -> None:
        if "webServiceURL" in bundle.content:
            self._try(lambda: self._service.unregister(self._device_id, bundle), bundle.serial_number)
            self._note("unregistered", bundle.serial_number)

    def _retire_tokens(self) -> None:
        with self._state:
            tokens, self._push_tokens = list(self._push_tokens.values()), {}
        self._tags.clear()
        for push_token in tokens:
            self._push_service.unregister(push_token, self._clock())

    def _keep(self, bundle: PassBundle, last_modified: str | None) -> None:
        screen = screen_of(bundle, self._place(), shown_at=self._clock(), last_modified=last_modified)
        with self._state:
            self._cards[bundle.pass_type_id, bundle.serial_number] = _Card(bundle, screen, last_modified)
        self._note("shown", bundle.serial_number)

    def _open(self, data: bytes) -> PassBundle:
        return open_bundle(data, roots_pem=self._roots_pem, allow_http=self._allow_http)

    def _try(self, call: Callable[[], T], serial_number: str | None = None) -> T:
        try:
            return call()
        except GaveUp as reason:
            self._note("gave_up", serial_number, str(reason))
            raise

    def _card(self, serial_number: str | None) -> _Card:
        cards = [one for one in self._all_cards() if serial_number in (None, one.bundle.serial_number)]
        if len(cards) != 1:
            raise NotFound(f"{self.name} holds {len(cards)} cards of serial number {serial_number}")
        card = cards[0]
        # What is relative to now (expiry, "in two days") is as of the look, not of the download.
        screen = screen_of(card.bundle, self._place(), shown_at=card.screen.shown_at, last_modified=card.last_modified)
        return replace(card, screen=screen)

    def _all_cards(self) -> list[_Card]:
        with self._state:
            return list(self._cards.values())

    def _place(self) -> Place:
        return Place(self._locale, self._time_zone, self._clock())

    def _note(self, step: Step, serial_number: str | None, detail: str = "") -> None:
        self._record(PhoneEvent(self._clock(), step, serial_number, detail))


def _check_same_pass(old: PassBundle, new: PassBundle) -> None:
    for key in ("passTypeIdentifier", "serialNumber", "authenticationToken"):
        if old.content.get(key) != new.content.get(key):
            raise PassRefused(Fault(f"pass.json: {key}", "an update must not change this"))
