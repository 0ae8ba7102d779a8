"""A simulated Android phone with Google Wallet.

Source: google-wallet.md, sections 6 to 13, 17 and 19.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urljoin, urlsplit

import requests

from wallet_service.clock import Clock, system_clock
from wallet_service.errors import Invalid, NotFound
from wallet_service.previews.android_card import AndroidCard, card_of
from wallet_service.simulators.google.holders import ObjectChange, WalletLink
from wallet_service.simulators.phones.phone import SimulatedPhone

CHROME = (
    "Mozilla/5.0 (Linux; Android 16; Pixel 10) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Mobile Safari/537.36"
)
PUBLIC_SAVE_PREFIX = "https://pay.google.com"
TIMEOUT_S = 15.0
_HOPS = 10

AndroidStep = Literal["opened", "refused", "saved", "shown", "notified", "removed"]


@dataclass(frozen=True)
class AndroidEvent:
    """One thing that happened on the phone, for a timeline."""

    at: datetime
    step: AndroidStep
    object_id: str | None
    detail: str = ""


@dataclass(frozen=True)
class AndroidNotification:
    """One notification of Google Wallet: its words are Google's, the message itself is behind the tap."""

    at: datetime
    object_id: str
    kind: Literal["message", "field_update"]
    header: str
    body: str


class Android(SimulatedPhone[AndroidEvent]):
    """One Android phone, signed in as `user`. Google calls it from its own threads. Close it, or use `with`.

    Args:
        link: `GoogleSimulator` in this process, or `RemoteGoogle` from another one.
        user: the Google account.
        locale: the language of the phone.
        clock: times in `events`.
    """

    def __init__(
        self,
        link: WalletLink,
        *,
        user: str = "camille@example.com",
        name: str = "Android",
        locale: str = "fr_FR",
        clock: Clock = system_clock,
    ) -> None:
        super().__init__(name=name, locale=locale, clock=clock)
        self.user = user
        self._link = link
        self._changes: dict[str, ObjectChange] = {}
        self._notifications: list[AndroidNotification] = []
        self._listener = self._heard
        link.connect_phone(user, self._listener)

    def open_link(self, url: str) -> AndroidCard:
        """Open a link in Chrome, follow it to Google's save page, and accept; the card is shown when this returns.

        Raises:
            Invalid: the link does not lead to a save page, or Google refuses it; the message holds its words.
            requests.RequestException: nobody answers.
        """
        saved = self._follow(url)
        for object_id in saved:
            self._note("saved", object_id)
        if not saved:
            raise Invalid.at(url, "the save link holds classes only, no card")
        self.wait_until(lambda phone: all(one in phone.object_ids for one in saved))
        return self.shows(saved[0])

    def remove(self, object_id: str | None = None) -> None:
        """Delete a card."""
        found = self._change(object_id).object_id
        self._link.remove(self.user, found)
        self.wait_until(lambda phone: found not in phone.object_ids)

    def shows(self, object_id: str | None = None) -> AndroidCard:
        """The card on the screen; without an id, the only one.

        Raises:
            NotFound: there is no such card, or several and none was named.
        """
        change = self._change(object_id)
        return card_of(change.object, change.cls, self._locale)

    @property
    def object_ids(self) -> tuple[str, ...]:
        """The cards in Wallet."""
        with self._state:
            return tuple(self._changes)

    @property
    def notifications(self) -> tuple[AndroidNotification, ...]:
        """What came up on the lock screen, oldest first."""
        with self._state:
            return tuple(self._notifications)

    def offline(self) -> None:
        """No network: changes are missed."""
        self._link.disconnect_phone(self.user, self._listener)

    def online(self) -> None:
        """Network again: the phone hears how its cards are now."""
        self._link.connect_phone(self.user, self._listener)

    def close(self) -> None:
        """Switch the phone off; its cards stay saved."""
        self.offline()

    def _follow(self, url: str) -> list[str]:
        headers = {"User-Agent": CHROME, "Accept-Language": self._language}
        with requests.Session() as chrome:
            for _ in range(_HOPS):
                if urlsplit(url).path.startswith("/gp/v/save/"):
                    return self._save(chrome, url)
                answer = chrome.get(url, headers=headers, timeout=TIMEOUT_S, allow_redirects=False)
                self._note("opened", None, f"{url} {answer.status_code}")
                if not answer.is_redirect:
                    raise Invalid.at(url, f"the link answers {answer.status_code}, not a way to Google Wallet")
                url = urljoin(url, answer.headers["Location"])
        raise Invalid.at(url, f"more than {_HOPS} redirects")

    def _save(self, chrome: requests.Session, url: str) -> list[str]:
        # The public address stands for the simulator: a service in production settings makes the same links.
        url = url.replace(PUBLIC_SAVE_PREFIX, self._link.url, 1)
        headers = {"X-Android-User": self.user, "User-Agent": CHROME}
        answer = chrome.get(url, headers=headers, timeout=TIMEOUT_S)
        if answer.status_code != 200:
            words = answer.json()["error"]["message"]
            self._note("refused", None, words)
            raise Invalid.at("save link", words)
        saved: list[str] = answer.json()["saved"]
        return saved

    def _heard(self, change: ObjectChange) -> None:
        with self._state:
            if change.kind == "removed":
                self._changes.pop(change.object_id, None)
            else:
                self._changes[change.object_id] = change
        self._note("removed" if change.kind == "removed" else "shown", change.object_id)
        if change.kind in ("message", "field_update"):
            with self._state:
                self._notifications.append(
                    AndroidNotification(self._clock(), change.object_id, change.kind, change.header, change.body)
                )
            self._note("notified", change.object_id, change.header)

    def _change(self, object_id: str | None) -> ObjectChange:
        with self._state:
            found = [one for key, one in self._changes.items() if object_id in (None, key)]
        if len(found) != 1:
            raise NotFound(f"{self.name} holds {len(found)} cards of id {object_id}")
        return found[0]

    def _note(self, step: AndroidStep, object_id: str | None, detail: str = "") -> None:
        self._record(AndroidEvent(self._clock(), step, object_id, detail))
