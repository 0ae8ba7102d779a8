"""The demo's session after the tour: what a visitor of the page can do, and what they see."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import requests

from wallet_service.clock import system_clock
from wallet_service.demo.brand import STORES, TOUR_MEMBER
from wallet_service.demo.installation import DemoInstallation
from wallet_service.simulators.phones.android import AndroidEvent
from wallet_service.simulators.phones.phone_events import PhoneEvent

SHOP = "lyon-presquile"
PURCHASE_CENTS = 2500
OFFER_LASTS = timedelta(minutes=1)
_LOOK_AGAIN_S = 0.5
_LOG_LINES = 12


@dataclass(frozen=True)
class Line:
    """A label and what stands under it on a card."""

    label: str
    text: str


@dataclass(frozen=True)
class LockScreen:
    """What the iPhone's lock screen says, and since when."""

    at: datetime
    title: str
    text: str


@dataclass(frozen=True)
class FarEnd:
    """One phone or one Google object, as the service knows it."""

    kind: str
    wanted: int
    told: int
    fetched: int | None
    state: str
    told_at: datetime | None = None
    fetched_at: datetime | None = None
    gone_at: datetime | None = None
    took_ms: int | None = None
    """From when the last change came in to when this far end had it."""


@dataclass(frozen=True)
class LogEntry:
    """One thing that happened on a phone."""

    at: datetime
    phone: str
    step: str
    detail: str


@dataclass(frozen=True)
class Snapshot:
    """All that can be seen at one moment."""

    iphone: tuple[Line, ...] = ()
    iphone_bundle: bytes = field(default=b"", repr=False)
    iphone_online: bool = True
    lock_screen: LockScreen | None = None
    android: tuple[Line, ...] = ()
    android_object: Mapping[str, Any] = field(default_factory=dict, repr=False)
    android_class: Mapping[str, Any] = field(default_factory=dict, repr=False)
    far_ends: tuple[FarEnd, ...] = ()
    cause: str = "issued"
    """Of the last change, as the service names it."""
    log_entries: tuple[LogEntry, ...] = ()

    @property
    def wanted(self) -> int:
        """The newest version of the card that any far end is to have."""
        return max((end.wanted for end in self.far_ends), default=0)

    @property
    def is_settled(self) -> bool:
        """Whether nobody is on the way any more: every far end was told and came, or never will."""
        return all(
            end.state in ("gone", "refused") or (end.state == "up_to_date" and end.told >= end.wanted)
            for end in self.far_ends
        )


class DemoSession:
    """Claire's points card on both phones, and the visitor's four moves. Thread-safe.

    Args:
        installation: both phones are free of cards of ours, or hold this one already.
    """

    def __init__(self, installation: DemoInstallation) -> None:
        self._installation = installation
        self._card = installation.api("POST", f"/members/{TOUR_MEMBER}/card")
        self._numbers = itertools.count(1)
        self._state = threading.Condition()
        self._looking = threading.Lock()
        self._is_stale, self._closed = True, False
        self._online = True
        self._offer: tuple[str, datetime] | None = None
        self._watchers: list[Callable[[Snapshot], object]] = []
        self._happenings: list[LogEntry] = []
        self._sight = Snapshot()
        self._outdated = -1
        """The card's version when a move was made that changes it: what was accepted is composed a moment later."""

    @property
    def serial_number(self) -> str:
        """Of the card that is played with."""
        serial: str = self._card["serial_number"]
        return serial

    @property
    def link(self) -> str:
        """The card's smart link."""
        link: str = self._card["links"]["card"]
        return link

    @property
    def snapshot(self) -> Snapshot:
        """The last look."""
        with self._state:
            return self._sight

    def watch(self, on_sight: Callable[[Snapshot], object]) -> None:
        """Call `on_sight` whenever there is something new to see, one at a time."""
        with self._state:
            self._watchers.append(on_sight)

    @contextmanager
    def playing(self) -> Iterator[None]:
        """Put the card on both phones and look after them for as long as the block lasts."""
        iphone, android = self._installation.iphone, self._installation.android
        iphone.watch(self._on_event)
        android.watch(self._on_event)
        if self.serial_number not in iphone.serial_numbers:
            iphone.open_link(self.link)
        if not android.object_ids:
            android.open_link(self.link)
        self._look()
        thread = threading.Thread(target=self._keep_looking, name="demo-session")
        thread.start()
        try:
            yield
        finally:
            with self._state:
                self._closed = True
                self._state.notify_all()
            thread.join()

    # What a visitor can do
    def purchase(self) -> None:
        """Claire pays 25 € at the shop."""
        order_id = f"page-{next(self._numbers)}"
        self._expect_change()
        self._installation.api(
            "POST",
            "/events",
            {
                "specversion": "1.0",
                "id": order_id,
                "source": "https://shop.maison-lumiere.example",
                "type": "purchase.completed",
                "subject": TOUR_MEMBER,
                "data": {
                    "order_id": order_id,
                    "paid": {"amount": PURCHASE_CENTS, "currency": "EUR"},
                    "store_id": SHOP,
                },
            },
        )

    def offer(self) -> None:
        """The Lyon shop proposes something for one minute."""
        self._expect_change()
        now, text = system_clock(), "−15 % sur les foulards de soie"
        offer = self._installation.api(
            "POST",
            "/offers",
            {
                "code": f"soie-{next(self._numbers)}",
                "title": {"fr": "−15 % sur la soie", "en": "15% off silk"},
                "proximity_text": {"fr": text, "en": "15% off silk scarves"},
                "store_ids": [SHOP],
                "starts_at": now.isoformat(),
                "ends_at": (now + OFFER_LASTS).isoformat(),
            },
        )
        self._installation.api("POST", f"/offers/{offer['id']}/publish")

    def go_offline(self) -> None:
        """The iPhone loses its network."""
        self._installation.iphone.offline()
        with self._state:
            self._online = False
        self._on_event()

    def go_online(self) -> None:
        """The iPhone has its network again."""
        with self._state:
            self._online = True
        self._installation.iphone.online()
        self._on_event()

    def refresh(self) -> None:
        """Claire pulls the card down on her iPhone."""
        self._installation.iphone.refresh(self.serial_number)

    def settle(self, timeout_s: float) -> None:
        """Wait until the phones and the proof show what has been done, for so long at most, and not for one offline."""
        self._look()
        with self._state:
            self._state.wait_for(lambda: self._is_settled() or not self._online, timeout_s)

    # How it is followed
    def _expect_change(self) -> None:
        self._look()
        with self._state:
            self._outdated = self._sight.wanted

    def _is_settled(self) -> bool:
        return self._sight.is_settled and self._sight.wanted > self._outdated

    def _on_event(self, event: PhoneEvent | AndroidEvent | None = None) -> None:
        with self._state:
            if event is not None and not self._is_of_another_card(event):
                phone = "iPhone" if isinstance(event, PhoneEvent) else "Android"
                self._happenings = [*self._happenings, LogEntry(event.at, phone, event.step, event.detail)]
                self._happenings = self._happenings[-_LOG_LINES:]
            self._is_stale = True
            self._state.notify_all()

    def _is_of_another_card(self, event: PhoneEvent | AndroidEvent) -> bool:
        return isinstance(event, PhoneEvent) and event.serial_number not in (None, self.serial_number)

    def _keep_looking(self) -> None:
        while True:
            with self._state:
                # The proof is written a moment after the phones have changed: look again until it is complete.
                patience = None if self._is_settled() else _LOOK_AGAIN_S
                self._state.wait_for(lambda: self._closed or self._is_stale, patience)
                if self._closed:
                    return
                self._is_stale = False
            self._look()

    def _look(self) -> None:
        with self._looking:
            snapshot = self._see()
            with self._state:
                is_new, self._sight = snapshot != self._sight, snapshot
                self._state.notify_all()
                watchers = list(self._watchers)
            for on_sight in watchers if is_new else ():
                on_sight(snapshot)

    def _see(self) -> Snapshot:
        iphone, android = self._installation.iphone, self._installation.android
        screen, card = iphone.shows(self.serial_number), android.shows()
        with self._state:
            online, log_entries = self._online, tuple(self._happenings)
        far_ends, cause = self._far_ends()
        return Snapshot(
            iphone=tuple(
                Line(one.label, one.text) for one in screen.fields.values() if one.slot != "backFields" and one.text
            ),
            iphone_bundle=iphone.bundle(self.serial_number),
            iphone_online=online,
            lock_screen=self._lock_screen(),
            android=tuple(Line(one.label, one.text) for one in card.fields.values()),
            android_object=card.object,
            android_class=card.cls,
            far_ends=far_ends,
            cause=cause,
            log_entries=log_entries,
        )

    def _lock_screen(self) -> LockScreen | None:
        """What came last for this card: a notification, or an offer since the phone lies at the shop's door."""
        iphone, shop = self._installation.iphone, STORES[SHOP]
        mine = [one for one in iphone.notifications if one.serial_number == self.serial_number]
        found = [LockScreen(one.at, one.title, one.text) for one in mine]
        usual = shop["proximity_text"]["fr"]
        here = iphone.near(shop["latitude"], shop["longitude"])
        near = next((one for one in here if one.serial_number == self.serial_number and one.text != usual), None)
        if near is None:
            self._offer = None
        else:
            if self._offer is None or self._offer[0] != near.text:
                self._offer = near.text, system_clock()
            found.append(LockScreen(self._offer[1], near.title, near.text))
        return max(found, key=lambda one: one.at, default=None)

    def _far_ends(self) -> tuple[tuple[FarEnd, ...], str]:
        """Each with how long the last change took to it; and what that change was."""
        try:
            card = self._installation.api("GET", f"/cards/{self.serial_number}")
            changes = self._installation.api("GET", f"/cards/{self.serial_number}/timeline")["changes"]
        except requests.RequestException:
            return self._sight.far_ends, self._sight.cause
        last: dict[str, Any] = changes[0] if changes else {"cause": "issued", "far_ends": []}
        took = {
            one["far_end"]: one["fetched_ms"] if one["kind"] == "apple" else one["told_ms"] for one in last["far_ends"]
        }
        return (
            tuple(
                FarEnd(
                    end["kind"],
                    end["wanted_version"],
                    end["told_version"],
                    end["fetched_version"],
                    end["state"],
                    **{name: _instant(end[name]) for name in ("told_at", "fetched_at", "gone_at")},
                    took_ms=took.get(end["id"]),
                )
                for end in card["far_ends"]
            ),
            str(last["cause"]),
        )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text is not None else None
