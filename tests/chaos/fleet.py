"""Thousands of light phones: each keeps a push token, a tag and its pass's date, and comes for its pass when nudged.

They follow Apple's protocol over HTTP like the simulated iPhone, but look at one field only, so that thousands fit a
machine.
"""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import orjson
import requests

from tests.system import PASS_TYPE
from wallet_service.simulators.apns import ApnsSimulator
from wallet_service.simulators.apns.devices import Push

THREADS = 8


@dataclass
class Phone:
    """One phone with one pass. `reachable` False: it is switched off for good."""

    member_id: str
    serial: str
    auth_token: str
    device: str
    push_token: str
    reachable: bool
    tag: str | None = None
    modified: str | None = None
    points: int | None = None
    fetches: int = 0
    asked: bool = field(default=False, repr=False)


class Fleet:
    """All phones. While asleep most pushes are slept through, as on phones in pockets; awake, every push is
    followed.
    """

    def __init__(self, phones: Sequence[Phone], apns: ApnsSimulator, url: str, chance: Random) -> None:
        self.phones = phones
        self.awake_share = 1.0
        self.errors = 0
        self.slept: set[str] = set()
        """The apns ids of pushes that were slept through."""
        self._apns, self._url, self._chance = apns, url, chance
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="fleet")
        self._local = threading.local()
        self._lock = threading.Lock()

    def register_all(self) -> None:
        """Every phone adds its pass and registers."""
        for phone in self.phones:
            self._apns.connect_device(phone.push_token, PASS_TYPE, partial(self._nudged, phone))
            if not phone.reachable:
                self._apns.disconnect(phone.push_token)
        list(self._pool.map(self._register, self.phones))

    def switch_on(self, phone: Phone) -> None:
        """A phone that was off comes back: what Apple has kept for it arrives."""
        phone.reachable = True
        self._apns.connect_device(phone.push_token, PASS_TYPE, partial(self._nudged, phone))

    def close(self) -> None:
        """Finish what is under way."""
        self._pool.shutdown(cancel_futures=True)

    def _nudged(self, phone: Phone, push: Push) -> None:
        with self._lock:
            if phone.asked:
                return
            if self._chance.random() >= self.awake_share:
                self.slept.add(push.apns_id)
                return
            phone.asked = True
        self._pool.submit(self._come, phone)

    def _register(self, phone: Phone) -> None:
        for _ in range(10):
            path = f"/devices/{phone.device}/registrations/{PASS_TYPE}/{phone.serial}"
            status = self._call("POST", path, phone, json={"pushToken": phone.push_token}).status_code
            if status in (200, 201):
                return
        raise RuntimeError(f"{phone.device} could not register: {status}")

    def _come(self, phone: Phone) -> None:
        """What changed? and the newest pass, if anything did; whatever fails is left to the next nudge."""
        phone.asked = False
        try:
            query = {"passesUpdatedSince": phone.tag} if phone.tag else {}
            path = f"/devices/{phone.device}/registrations/{PASS_TYPE}"
            listing = self._call("GET", path, None, params=query)
            if listing.status_code == 200:
                headers = {"If-Modified-Since": phone.modified} if phone.modified else {}
                answer = self._call("GET", f"/passes/{PASS_TYPE}/{phone.serial}", phone, headers=headers)
                if answer.status_code == 200:
                    phone.modified = answer.headers["Last-Modified"]
                    phone.points = _points(answer.content)
                    phone.fetches += 1
                if answer.status_code in (200, 304):
                    phone.tag = listing.json()["lastUpdated"]
                else:
                    self.errors += 1
            elif listing.status_code != 204:
                self.errors += 1
        except requests.RequestException:
            self.errors += 1

    def _call(self, method: str, path: str, phone: Phone | None, **options: Any) -> requests.Response:
        headers = options.pop("headers", {})
        if phone is not None:
            headers["Authorization"] = f"ApplePass {phone.auth_token}"
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session: requests.Session = self._local.session
        return session.request(method, f"{self._url}/apple/v1{path}", headers=headers, timeout=30, **options)


def _points(bundle: bytes) -> int:
    content = orjson.loads(zipfile.ZipFile(io.BytesIO(bundle)).read("pass.json"))
    fields = (one for slot in content["storeCard"].values() if isinstance(slot, list) for one in slot)
    return next((int(one["value"]) for one in fields if one["key"] == "points"), 0)
