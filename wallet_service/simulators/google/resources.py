"""Classes and objects as Google keeps them, and the quotas of notifications. Thread-safe.

Source: google-wallet.md, sections 5, 11, 12, 15 and 16.
"""

from __future__ import annotations

import copy
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from wallet_service.clock import Clock
from wallet_service.simulators.google import rules
from wallet_service.simulators.google.api_error import ApiError, invalid
from wallet_service.simulators.google.schema import ResourceType, checked, resource_types

NOTIFICATIONS_A_DAY = 3

NotificationKind = Literal["message", "field_update"]


@dataclass(frozen=True)
class GoogleNotification:
    """One notification that Google sends to the holders of an object, or of every object of a class."""

    at: datetime
    kind: NotificationKind
    resource_id: str
    header: str = ""
    body: str = ""


@dataclass(frozen=True)
class Page:
    """Part of a list and the token for the next."""

    resources: Sequence[dict[str, Any]]
    next_token: str | None


OnChange = Callable[[ResourceType, str, GoogleNotification | None], None]


class Resources:
    """All records of all types.

    Args:
        clock: decides about quotas.
        allow_loopback: accept plain-http addresses of this machine for images and callbacks.
        on_change: called after each write, outside the lock, with the type, the id and the notification that went out.
    """

    def __init__(self, clock: Clock, *, allow_loopback: bool, on_change: OnChange) -> None:
        self._clock, self._allow_loopback, self._on_change = clock, allow_loopback, on_change
        self._lock = threading.RLock()
        self._records: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in resource_types()}
        self._spent: dict[tuple[NotificationKind, str], deque[datetime]] = defaultdict(deque)

    def insert(self, kind: ResourceType, body: Any) -> dict[str, Any]:
        """POST a new record. 409 if the id exists, 404 if the class of an object does not."""
        incoming = _incoming(kind, body)
        with self._lock:
            rules.check_resource(kind, incoming, allow_loopback=self._allow_loopback)
            if any(incoming["id"] in records for name, records in self._records.items() if _same_level(name, kind)):
                raise ApiError(409, "alreadyExists", f"{kind.name} {incoming['id']} already exists.")
            self._admit(kind, incoming, stored=None)
            incoming.pop("notifyPreference", None)
            self._records[kind.name][incoming["id"]] = incoming
            answer = self._shown(kind, incoming)
        self._on_change(kind, incoming["id"], None)
        return answer

    def check(self, kind: ResourceType, body: Any) -> None:
        """What `insert` would say of a body, without making it; the class may still be missing."""
        rules.check_resource(kind, _incoming(kind, body), allow_loopback=self._allow_loopback)

    def get(self, kind: ResourceType, resource_id: str) -> dict[str, Any]:
        """GET one record; 404 if absent."""
        with self._lock:
            return self._shown(kind, self._stored(kind, resource_id))

    def find(self, resource_id: str, *, is_class: bool) -> tuple[ResourceType, dict[str, Any]] | None:
        """One record of any type, with its type."""
        with self._lock:
            for name, kind in resource_types().items():
                if kind.is_class == is_class and resource_id in self._records[name]:
                    return kind, self._shown(kind, self._records[name][resource_id])
        return None

    def forget(self, object_id: str) -> None:
        """Lose an object, as no real Google should."""
        with self._lock:
            for records in self._records.values():
                records.pop(object_id, None)

    def objects_of(self, class_id: str) -> tuple[str, ...]:
        """The ids of the objects of a class."""
        with self._lock:
            return tuple(
                one["id"]
                for records in self._records.values()
                for one in records.values()
                if one.get("classId") == class_id
            )

    def list(self, kind: ResourceType, parent_id: str, *, max_results: int | None, token: str | None) -> Page:
        """GET a list: classes of an issuer, objects of a class, in order of id."""
        with self._lock:
            if not kind.is_class:
                self._stored(resource_types()[kind.class_type], parent_id)
            owner = rules.issuer_of if kind.is_class else lambda one: self._records[kind.name][one]["classId"]
            ids = sorted(one for one in self._records[kind.name] if owner(one) == parent_id and one > (token or ""))
            shown = ids if max_results is None else ids[:max_results]
            page = [self._shown(kind, self._records[kind.name][one]) for one in shown]
        return Page(page, shown[-1] if len(shown) < len(ids) else None)

    def patch(self, kind: ResourceType, resource_id: str, body: Any) -> dict[str, Any]:
        """PATCH: merge; see `rules.merged`."""
        patch = _incoming(kind, body, keep_nulls=True)
        return self._write(kind, resource_id, patch.get("reviewStatus"), lambda stored: rules.merged(stored, patch))

    def update(self, kind: ResourceType, resource_id: str, body: Any) -> dict[str, Any]:
        """PUT: what the body leaves out is cleared."""
        incoming = _incoming(kind, body)
        return self._write(kind, resource_id, incoming.get("reviewStatus"), lambda _: dict(incoming))

    def add_message(self, kind: ResourceType, resource_id: str, body: Any) -> dict[str, Any]:
        """Add one message; a TEXT_AND_NOTIFY beyond three in 24 hours is refused with 403 quotaExceeded."""
        message = rules.without_nulls(checked("AddMessageRequest", body)).get("message")
        if not message:
            raise invalid("message", "this field is required")
        notification = None
        with self._lock:
            stored = self._stored(kind, resource_id)
            candidate = {**stored, "messages": [*stored.get("messages", []), message]}
            rules.check_resource(kind, candidate, allow_loopback=self._allow_loopback)
            if message.get("messageType") == "TEXT_AND_NOTIFY":
                self._spend("message", kind, resource_id)
                notification = GoogleNotification(
                    self._clock(), "message", resource_id, message.get("header", ""), message.get("body", "")
                )
            self._records[kind.name][resource_id] = candidate
            answer = {"resource": self._shown(kind, candidate)}
        self._on_change(kind, resource_id, notification)
        return answer

    def set_has_users(self, kind: ResourceType, object_id: str, has_users: bool) -> None:
        """Note that someone holds the object, or nobody does."""
        with self._lock:
            self._records[kind.name][object_id]["hasUsers"] = has_users

    def _write(
        self, kind: ResourceType, resource_id: str, sent_status: str | None, change: Callable[[Any], dict[str, Any]]
    ) -> dict[str, Any]:
        notification = None
        with self._lock:
            stored = self._stored(kind, resource_id)
            candidate = change(stored)
            wants_notice = candidate.pop("notifyPreference", None) == "NOTIFY_ON_UPDATE"
            if candidate.setdefault("id", resource_id) != resource_id:
                raise invalid("id", "this is not the id in the address")
            candidate |= {name: stored[name] for name in ("hasUsers",) if name in stored}
            rules.check_resource(kind, candidate, allow_loopback=self._allow_loopback)
            self._admit(kind, candidate, stored=stored, sent_status=sent_status)
            watched = rules.NOTIFYING.get(kind.name, ())
            changed = [one for one in watched if rules.value_at(stored, one) != rules.value_at(candidate, one)]
            if wants_notice and changed:
                self._spend("field_update", kind, resource_id)
                notification = GoogleNotification(self._clock(), "field_update", resource_id, body=", ".join(changed))
            self._records[kind.name][resource_id] = candidate
            answer = self._shown(kind, candidate)
        self._on_change(kind, resource_id, notification)
        return answer

    def _admit(
        self,
        kind: ResourceType,
        candidate: dict[str, Any],
        *,
        stored: Mapping[str, Any] | None,
        sent_status: str | None = None,
    ) -> None:
        if kind.is_class:
            before = stored.get("reviewStatus") if stored else None
            sent = sent_status if stored is not None else candidate.get("reviewStatus")
            if status := rules.check_review_status(kind, sent, before):
                candidate["reviewStatus"] = status
            return
        parent = self._records[kind.class_type].get(candidate["classId"])
        if parent is None:
            raise ApiError(404, "classNotFound", f"{kind.class_type} {candidate['classId']} does not exist.")
        if rules.issuer_of(candidate["classId"]) != rules.issuer_of(candidate["id"]):
            raise invalid("classId", "the class belongs to another issuer")
        if parent.get("reviewStatus") == "DRAFT":
            raise invalid("classId", "the class is a draft; no object can be made from it")
        if "linkedObjectIds" in candidate or (stored and "linkedObjectIds" in stored):
            candidate["linkedObjectIds"] = self._linked(candidate, stored or {})

    def _linked(self, candidate: Mapping[str, Any], stored: Mapping[str, Any]) -> Sequence[str]:
        before = list(stored.get("linkedObjectIds", []))
        for one in candidate.get("linkedObjectIds", []):
            found = self.find(one, is_class=False)
            if one == candidate["id"] or found is None or rules.issuer_of(one) != rules.issuer_of(candidate["id"]):
                raise invalid("linkedObjectIds", f"{one} is not another existing object of this issuer")
            if found[1].get("linkedObjectIds"):
                raise invalid("linkedObjectIds", f"{one} has links of its own")
            if one not in before:
                before.append(one)
        # Links are for life, and those beyond the limit are ignored without a word.
        return before[: rules.LINKED_LIMIT]

    def _spend(self, notification: NotificationKind, kind: ResourceType, resource_id: str) -> None:
        spent, now = self._spent[notification, resource_id], self._clock()
        while spent and spent[0] <= now - timedelta(hours=24):
            spent.popleft()
        if len(spent) >= NOTIFICATIONS_A_DAY:
            what = "adding TEXT_AND_NOTIFY message to" if notification == "message" else "notifying an update of"
            issuer = rules.issuer_of(resource_id)
            words = f"Quota exceeded for issuer {issuer} when {what} {kind.name} {resource_id}."
            raise ApiError(403, "quotaExceeded", words)
        spent.append(now)

    def _stored(self, kind: ResourceType, resource_id: str) -> dict[str, Any]:
        try:
            return self._records[kind.name][resource_id]
        except KeyError as error:
            raise ApiError(404, "notFound", f"{kind.name} {resource_id} does not exist.") from error

    def _shown(self, kind: ResourceType, stored: Mapping[str, Any]) -> dict[str, Any]:
        shown = copy.deepcopy(dict(stored))
        if not kind.is_class:
            shown.setdefault("hasUsers", False)
            shown["classReference"] = copy.deepcopy(self._records[kind.class_type][stored["classId"]])
        return shown


def _incoming(kind: ResourceType, body: Any, *, keep_nulls: bool = False) -> dict[str, Any]:
    value = checked(kind.schema, body)
    kept = {name: one for name, one in value.items() if name not in rules.SERVER_OWNED}
    return kept if keep_nulls else rules.without_nulls(kept)


def _same_level(name: str, kind: ResourceType) -> bool:
    return resource_types()[name].is_class == kind.is_class
