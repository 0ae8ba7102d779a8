"""The Google simulator without its port: accounts, resources, save links, callbacks and phones.

Source: google-wallet.md.
"""

from __future__ import annotations

import json
import secrets
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from wallet_service.clock import Clock, system_clock
from wallet_service.errors import NotFound
from wallet_service.simulators.event_log import EventLog
from wallet_service.simulators.google.accounts import Account, Accounts
from wallet_service.simulators.google.api_error import ApiError
from wallet_service.simulators.google.callbacks import CallbackSender, SentCallback, SigningKeys
from wallet_service.simulators.google.failures import Failures, RateLimit
from wallet_service.simulators.google.holders import ChangeKind, Holders, ObjectChange, OnChange
from wallet_service.simulators.google.resources import GoogleNotification, Resources
from wallet_service.simulators.google.rules import issuer_of, permission_denied
from wallet_service.simulators.google.schema import ResourceType, resource_types

SAVE_PATH = "/gp/v/save/"
JWT_LIMIT = 1800


@dataclass(frozen=True)
class ApiCall:
    """One REST call and its answer; `reason` None when it went well."""

    at: datetime
    method: str
    path: str
    status: int
    reason: str | None


OnCall = Callable[[ApiCall], object]
_ONE_USER = frozenset({"ONE_USER_ALL_DEVICES", "ONE_USER_ONE_DEVICE"})


class GoogleBackend(Failures, ABC):
    """The Google simulator's state; `simulator.GoogleSimulator` serves it. `Failures` says how it can fail.

    Args:
        clock: decides about quotas, the rate and the expiry of callbacks; OAuth tokens live in the machine's own time.
        allow_loopback_callbacks: accept plain-http addresses of this machine for callbacks and images.
        enforce_rate: answer 429 beyond `rate_per_s`.
        token_lifetime_s: how long a bearer token is good.
        keys_max_age_s: `Cache-Control: max-age` of the callback keys.
        callback_wait: called with the seconds of a pause before a callback is sent again.
    """

    def __init__(
        self,
        *,
        clock: Clock = system_clock,
        allow_loopback_callbacks: bool = True,
        enforce_rate: bool = False,
        rate_per_s: int = 20,
        token_lifetime_s: int = 3600,
        keys_max_age_s: int = 3600,
        callback_wait: Callable[[float], object] | None = None,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._changed = threading.Condition()
        self._telling = threading.RLock()
        self._holders = Holders()
        self._brought: set[tuple[str, str]] = set()
        self._keys = SigningKeys(clock)
        self._sender = CallbackSender(self._keys, clock, callback_wait)
        self._notifications: EventLog[GoogleNotification] = EventLog()
        self.accounts = Accounts(token_lifetime_s=token_lifetime_s)
        self.resources = Resources(clock, allow_loopback=allow_loopback_callbacks, on_change=self._on_change)
        self.rate = RateLimit(rate_per_s, clock) if enforce_rate else None
        self.keys_max_age_s = keys_max_age_s
        self.stopping = threading.Event()
        self._long_jwts: dict[str, str] = {}
        self._calls: EventLog[ApiCall] = EventLog()

    # Life
    @property
    @abstractmethod
    def url(self) -> str:
        """The address, for `WALLET_GOOGLE_API_URL`."""

    @property
    def keys_url(self) -> str:
        """Where the callback keys are published, for `WALLET_GOOGLE_KEYS_URL`."""
        return f"{self.url}/gp/m/issuer/keys"

    @property
    def save_url(self) -> str:
        """What stands in front of the JWT in a save link, in place of `https://pay.google.com/gp/v/save/`."""
        return f"{self.url}{SAVE_PATH}"

    @property
    def token_url(self) -> str:
        """The OAuth token endpoint."""
        return f"{self.url}/token"

    def start(self) -> None:
        """Begin to send callbacks."""
        self._sender.start()

    def stop(self) -> None:
        """Drop what was not sent, join the threads."""
        self.stopping.set()
        self._sender.stop()

    # What a test or the demo arranges
    def make_service_account(self, issuer_id: str) -> dict[str, str]:
        """A service account that this issuer has invited, as the JSON of Google's key file."""
        return self.accounts.make(issuer_id, self.token_url)

    def adopt_service_account(self, info: Mapping[str, str], issuer_id: str) -> None:
        """Know the key file of an earlier run again, so that a restart does not lock the service out."""
        self.accounts.adopt(info, issuer_id)

    def withdraw_service_account(self, email: str) -> None:
        """Delete an account, as an operator does after having replaced it."""
        self.accounts.withdraw(email)

    def rotate_keys(self, *, keep_old: bool = False) -> None:
        """Sign callbacks with a new root key; the old one is withdrawn unless it is kept."""
        self._keys.rotate(keep_old=keep_old)

    def published_keys(self) -> dict[str, object]:
        """What the key address answers."""
        return self._keys.published()

    def hold_callbacks(self) -> None:
        """Keep callbacks back until they are released."""
        self._sender.hold()

    def release_callbacks(self, *, reverse: bool = False) -> None:
        """Send the callbacks that were held, in the reverse order if asked."""
        self._sender.release(reverse=reverse)

    def send_callback(
        self, event: Literal["save", "del"], object_id: str, *, times: int = 1, lifetime_s: float = 3600
    ) -> str:
        """Send a callback about an object whatever happened, `times` over with one nonce; returns the nonce.

        Raises:
            NotFound: no such object, or its class has no callback address.
        """
        shown = self.object(object_id)
        url = shown["classReference"].get("callbackOptions", {}).get("url")
        if not url:
            raise NotFound(f"the class {shown['classId']} has no callbackOptions.url")
        return self._sender.post(event, shown["classId"], object_id, url, times=times, lifetime_s=lifetime_s)

    # What one can see
    def object(self, object_id: str) -> dict[str, Any]:
        """An object as GET shows it, `hasUsers` and `classReference` included; NotFound if absent."""
        return self._found(object_id, is_class=False)

    def cls(self, class_id: str) -> dict[str, Any]:
        """A class as GET shows it; NotFound if absent."""
        return self._found(class_id, is_class=True)

    def holders(self, object_id: str) -> tuple[str, ...]:
        """The users who have an object in their wallet."""
        return self._holders.of(object_id)

    @property
    def calls(self) -> tuple[ApiCall, ...]:
        """Every REST call, oldest first."""
        return self._calls.read()

    def watch(self, on_call: OnCall) -> None:
        """Call `on_call` with each REST call from now on, on a server's thread: it must not block."""
        self._calls.watch(on_call)

    @property
    def callbacks(self) -> tuple[SentCallback, ...]:
        """Every callback that was sent, oldest first."""
        return self._sender.sent.read()

    @property
    def notifications(self) -> tuple[GoogleNotification, ...]:
        """Every notification that went out, oldest first."""
        return self._notifications.read()

    def wait_for_callbacks(self, count: int, timeout_s: float = 5.0) -> tuple[SentCallback, ...]:
        """Wait until so many callbacks have been sent in all."""
        return self._sender.sent.wait_for(lambda sent: len(sent) >= count, timeout_s)

    def wait_for(self, predicate: Callable[[GoogleBackend], bool], timeout_s: float = 5.0) -> None:
        """Wait until `predicate`, given this simulator, is true.

        Raises:
            TimeoutError: it was not within `timeout_s` seconds; the message holds the last calls.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self), timeout_s):
                raise TimeoutError(f"not seen within {timeout_s} s; the last calls: {self.calls[-5:]}")

    # Phones
    def connect_phone(self, user: str, on_change: OnChange) -> None:
        """A phone of this user listens from now on; it hears at once of what the user holds already."""
        with self._telling:
            for object_id in self._holders.connect(user, on_change):
                on_change(self._change("updated", object_id))

    def disconnect_phone(self, user: str, only: OnChange | None = None) -> None:
        """The user's phones (or only that one) listen no more."""
        self._holders.disconnect(user, only)

    def save(self, jwt: str, user: str) -> list[str]:
        """What happens when a user opens a save link and accepts; returns the ids of the saved objects.

        Raises:
            ApiError: the link does not hold. Source: section 18.
        """
        entries = self._entries(self._long_jwts[jwt], limit=None) if jwt in self._long_jwts else self._entries(jwt)
        object_ids = []
        for kind, entry in entries:
            found = self.resources.find(entry["id"], is_class=kind.is_class)
            if found is None and set(entry) <= {"id", "classId"}:
                raise ApiError(404, "notFound", f"{kind.name} {entry['id']} does not exist.")
            if found is None:
                self.resources.insert(kind, entry)
            if not kind.is_class:
                self._check_holder(entry["id"], user)
                object_ids.append(entry["id"])
        for object_id in object_ids:
            if self._holders.add(user, object_id):
                self._note_holders(object_id, "save")
            self._tell((user,), "saved", object_id)
            self._bring_linked(object_id)
        self.touch()
        return object_ids

    def remove(self, user: str, object_id: str) -> None:
        """The user deletes a card on their phone; NotFound if they do not hold it."""
        if not self._holders.discard(user, object_id):
            raise NotFound(f"{user} does not hold {object_id}")
        self._note_holders(object_id, "del")
        self._tell((user,), "removed", object_id)
        self.touch()

    # What the routes use
    def authorize(self, account: Account, resource_id: str) -> None:
        """403 permissionDenied unless the account was invited by the issuer of this id."""
        if issuer_of(resource_id) not in account.issuer_ids:
            raise permission_denied(issuer_of(resource_id))

    def record(self, method: str, path: str, status: int, reason: str | None) -> None:
        """Write one REST call into the record."""
        self._calls.write(ApiCall(self.now(), method, path, status, reason))
        self.touch()

    def now(self) -> datetime:
        """The simulator's time."""
        return self._clock()

    def touch(self) -> None:
        """Let those who wait look again."""
        with self._changed:
            self._changed.notify_all()

    def insert_from(self, jwt: str) -> tuple[str, dict[str, list[dict[str, Any]]]]:
        """The `jwt` resource: make what a fat JWT of any length describes, for nobody yet.

        Returns:
            A short save link, and the resources by their key in the payload.
        """
        made: dict[str, list[dict[str, Any]]] = {}
        for kind, entry in self._entries(jwt, limit=None):
            if self.resources.find(entry["id"], is_class=kind.is_class) is None:
                self.resources.insert(kind, entry)
            made.setdefault(kind.plural, []).append(self.resources.get(kind, entry["id"]))
        short = secrets.token_urlsafe(16)
        self._long_jwts[short] = jwt
        return f"{self.save_url}{short}", made

    def validate(self, document: Any, account: Account) -> None:
        """The `jwt/validate` resource: the checks of an insert, and nothing is made. Source: section 16.

        Raises:
            ApiError: what an insert would say.
        """
        given = [name for name in ("jwtResource", "jsonResource") if name in (document or {})]
        if len(given) != 1:
            raise ApiError(400, "invalid", "Exactly one of jwtResource and jsonResource is expected.")
        known = {kind.plural: kind for kind in resource_types().values()}
        if given == ["jwtResource"]:
            entries = self._entries(document["jwtResource"]["jwt"], limit=None)
        else:
            whole = json.loads(document["jsonResource"]["json"])
            entries = [(known[name], one) for name, ones in whole.get("payload", whole).items() for one in ones]
        for kind, entry in entries:
            self.authorize(account, entry["id"])
            if set(entry) > {"id", "classId"}:
                self.resources.check(kind, entry)

    def _entries(self, jwt: str, limit: int | None = JWT_LIMIT) -> list[tuple[ResourceType, dict[str, Any]]]:
        if limit is not None and len(jwt) > limit:
            raise ApiError(400, "invalid", f"The JWT has {len(jwt)} characters; {limit} is the safe length.")
        account, claims = self.accounts.verified(jwt)
        if claims.get("aud") != "google" or claims.get("typ") != "savetowallet":
            raise ApiError(400, "invalid", "The claims must have aud google and typ savetowallet.")
        if not isinstance(claims.get("iat"), int):
            raise ApiError(400, "invalid", "The claim iat must be in whole seconds.")
        payload = claims.get("payload") or {}
        known = {kind.plural: kind for kind in resource_types().values()}
        if not payload or not set(payload) <= set(known):
            raise ApiError(400, "invalid", "The payload must hold lists of classes and objects only.")
        entries = [(known[name], entry) for name, entries in payload.items() for entry in entries]
        for _, entry in entries:
            if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
                raise ApiError(400, "invalid", "Every entry of the payload needs an id.")
            self.authorize(account, entry["id"])
        return sorted(entries, key=lambda pair: not pair[0].is_class)

    def _check_holder(self, object_id: str, user: str) -> None:
        status = self.object(object_id)["classReference"].get("multipleDevicesAndHoldersAllowedStatus")
        if status in _ONE_USER and set(self._holders.of(object_id)) - {user}:
            raise ApiError(403, "forbidden", "This card has been saved by somebody else.")

    def _note_holders(self, object_id: str, event: Literal["save", "del"]) -> None:
        found = self.resources.find(object_id, is_class=False)
        if found is None:
            return
        kind, shown = found
        self.resources.set_has_users(kind, object_id, bool(self._holders.of(object_id)))
        if url := shown["classReference"].get("callbackOptions", {}).get("url"):
            self._sender.post(event, shown["classId"], object_id, url)

    def _bring_linked(self, object_id: str) -> None:
        """Auto linked passes: whoever holds the object gets those that it links to, once each. Source: section 15."""
        for linked in self.object(object_id).get("linkedObjectIds", ()):
            for user in self._holders.of(object_id):
                if (user, linked) not in self._brought:
                    self._brought.add((user, linked))
                    if self._holders.add(user, linked):
                        self._note_holders(linked, "save")
                        self._tell((user,), "saved", linked)

    def _on_change(self, kind: ResourceType, resource_id: str, notification: GoogleNotification | None) -> None:
        if notification is not None:
            self._notifications.write(notification)
        change: ChangeKind = notification.kind if notification is not None else "updated"
        header, body = (notification.header, notification.body) if notification is not None else ("", "")
        for object_id in self.resources.objects_of(resource_id) if kind.is_class else (resource_id,):
            if users := self._holders.of(object_id):
                self._tell(users, change, object_id, header, body)
                self._bring_linked(object_id)
        self.touch()

    def _tell(self, users: tuple[str, ...], kind: ChangeKind, object_id: str, header: str = "", body: str = "") -> None:
        # Read and told in one go: two writers at once must not leave the older state on the phone.
        with self._telling:
            self._holders.tell(users, self._change(kind, object_id, header, body))

    def _change(self, kind: ChangeKind, object_id: str, header: str = "", body: str = "") -> ObjectChange:
        shown = self.object(object_id)
        cls = shown.pop("classReference")
        return ObjectChange(kind, object_id, shown, cls, header, body)

    def _found(self, resource_id: str, *, is_class: bool) -> dict[str, Any]:
        found = self.resources.find(resource_id, is_class=is_class)
        if found is None:
            raise NotFound(f"Google holds no {'class' if is_class else 'object'} {resource_id}")
        return found[1]
