"""Google's root keys, fetched seldom: kept as long as Google says, renewed at half of that, never hammered.

Source: google-wallet.md section 17, "Key cache"; section 25, checks 48 and 49.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import requests

from wallet_service.errors import Invalid, Unreachable
from wallet_service.wallets.google.callbacks.signed_messages import (
    GoogleEvent,
    RootKey,
    UnknownSigner,
    root_keys,
    verified,
)

TIMEOUT_S = 4.0
FORCED_AT_MOST_EVERY = timedelta(minutes=5)
AFTER_A_FAILURE = timedelta(seconds=5)
SHORTEST = timedelta(minutes=1)
"""How long an answer is kept in any case, so that nobody can make us ask Google for each of their messages."""
WITHOUT_MAX_AGE = timedelta(hours=1)
"""How long an answer is kept that does not say how long."""


@dataclass(frozen=True, slots=True)
class FetchedKeys:
    """An answer of the key server: the body, and for how long it may be kept."""

    body: bytes
    lifetime: timedelta


Fetch = Callable[[], FetchedKeys]
Spawn = Callable[[Callable[[], None]], object]


@dataclass(frozen=True, slots=True)
class _Kept:
    keys: tuple[RootKey, ...]
    renew_at: datetime
    expires_at: datetime


def fetch_from(keys_url: str) -> Fetch:
    """A fetch over HTTP, at most `TIMEOUT_S` seconds; it raises `Unreachable` for whatever goes wrong."""

    def fetch() -> FetchedKeys:
        try:
            answer = requests.get(keys_url, timeout=TIMEOUT_S)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise Unreachable(f"Google's keys could not be fetched: {type(error).__name__}") from error
        return FetchedKeys(answer.content, lifetime_of(answer.headers))

    return fetch


def lifetime_of(headers: Mapping[str, str]) -> timedelta:
    """Cache-Control's max-age minus Age, not below zero."""
    found = re.search(r"(?:^|[\s,])max-age=\"?(\d{1,9})", headers.get("Cache-Control", ""), re.IGNORECASE)
    if found is None:
        return WITHOUT_MAX_AGE
    age = headers.get("Age", "0").strip()
    return timedelta(seconds=max(int(found[1]) - (int(age) if re.fullmatch(r"\d{1,9}", age) else 0), 0))


def in_background(work: Callable[[], None]) -> None:
    """Run `work` on a thread of its own."""
    threading.Thread(target=work, name="google-keys", daemon=True).start()


class KeyCache:
    """The keys, and with them the verification of callbacks. Safe to share between threads."""

    def __init__(self, fetch: Fetch, *, spawn: Spawn = in_background) -> None:
        self._fetch = fetch
        self._spawn = spawn
        self._kept: _Kept | None = None
        self._forced_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._flight = threading.Lock()

    def verify(self, body: bytes, *, issuer_ids: Collection[str], now: datetime) -> GoogleEvent:
        """`callbacks.verified` with the keys of now; an unknown signer is worth one look for new keys in five minutes.

        Raises:
            Invalid, Forbidden: as `verified`.
            Unreachable: there are no keys, and none can be fetched: ask Google to repeat the message (503).
        """
        keys, kept = self.keys(now), self._kept
        try:
            return verified(body, issuer_ids=issuer_ids, keys=keys, now=now)
        except UnknownSigner:
            if not self._may_force(now):
                raise
            keys = self._renew(now, instead_of=kept).keys
            return verified(body, issuer_ids=issuer_ids, keys=keys, now=now)

    def keys(self, now: datetime) -> tuple[RootKey, ...]:
        """The keys, fetched if there are none that are fresh; one caller fetches, the others wait for it.

        Raises:
            Unreachable: the cache is empty and the key server does not answer.
        """
        kept = self._kept
        if kept is None or now >= kept.expires_at:
            return self._renew(now, instead_of=kept).keys
        if now >= kept.renew_at and not self._has_just_failed(now) and self._flight.acquire(blocking=False):
            self._spawn(lambda: self._renew_quietly(now))
        return kept.keys

    def _may_force(self, now: datetime) -> bool:
        with self._flight:
            if self._forced_at is not None and now < self._forced_at + FORCED_AT_MOST_EVERY:
                return False
            self._forced_at = now
            return True

    def _renew(self, now: datetime, *, instead_of: _Kept | None) -> _Kept:
        """Fetch, unless another caller has just done so (or just failed) while this one waited."""
        with self._flight:
            kept = self._kept
            if kept is not None and kept is not instead_of and now < kept.expires_at:
                return kept
            if self._has_just_failed(now):
                raise Unreachable("Google's keys could not be fetched a moment ago")
            return self._fetched(now)

    def _renew_quietly(self, now: datetime) -> None:
        """In the background, with the flight's lock held: a failure leaves the keys that are still good."""
        try:
            with suppress(Unreachable):
                self._fetched(now)
        finally:
            self._flight.release()

    def _has_just_failed(self, now: datetime) -> bool:
        return self._failed_at is not None and now < self._failed_at + AFTER_A_FAILURE

    def _fetched(self, now: datetime) -> _Kept:
        try:
            self._kept = self._read(self._fetch(), now)
        except Unreachable:
            self._failed_at = now
            raise
        return self._kept

    def _read(self, answer: FetchedKeys, now: datetime) -> _Kept:
        try:
            keys = root_keys(answer.body)
        except Invalid as error:
            raise Unreachable(f"Google's keys could not be read: {error}") from error
        good = [key.expires_at for key in keys if key.expires_at > now]
        if not good:
            raise Unreachable("Google's keys have all expired")
        lifetime = min(max(answer.lifetime, SHORTEST), min(good) - now)
        return _Kept(keys=keys, renew_at=now + lifetime / 2, expires_at=now + lifetime)
