"""Telling Google: the class of a design once, then each card's object. Content travels with the announcement.

Source: google-wallet.md sections 12 (notifications) and 16 (endpoints, PATCH rules, errors); section 25, checks 1 to 3,
23, 25 and 28 to 35.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import orjson
import requests
from google.auth.exceptions import RefreshError, TransportError
from google.auth.transport.requests import AuthorizedSession, Request

from wallet_service.clock import Clock, system_clock
from wallet_service.errors import Invalid, Unreachable
from wallet_service.wallets.google import loyalty, schema
from wallet_service.wallets.google.account import credentials_from
from wallet_service.wallets.google.loyalty import CLASS, OBJECT, Body
from wallet_service.wallets.google.pacing import Pacing
from wallet_service.wallets.protocol import Accepted, CardView, ChannelDown, Later, Notice, Outcome, Refused

_COLLECTIONS = {CLASS: "loyaltyClass", OBJECT: "loyaltyObject"}
_QUOTA = frozenset({"quotaExceeded", "rateLimitExceeded", "userRateLimitExceeded"})
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class Answer:
    """Google's answer to one call. `reason` is Google's own word for an error, `message` its sentence."""

    status: int
    reason: str = ""
    message: str = ""
    retry_after: timedelta | None = None

    @property
    def is_good(self) -> bool:
        """Whether the call did what it should."""
        return 200 <= self.status < 300

    @property
    def is_quota(self) -> bool:
        """Whether a quota stands in the way: of notifications, or of calls."""
        return self.status == 403 and self.reason in _QUOTA

    def outcome(self) -> Outcome:
        """What the postroom makes of it."""
        words = f"{self.reason}: {self.message}" if self.message and self.message != self.reason else self.reason
        return outcome_from_google(self.status, words, self.retry_after)


def outcome_from_google(status: int, reason: str, retry_after: timedelta | None) -> Outcome:
    """The table "Errors" of section 16. `reason` may go on with `: ` and Google's sentence.

    404 and 409 come here only after insert and patch were tried in turn: then somebody else is at work on the same
    object, and the next try finds it settled.
    """
    words = f"{status} {reason}".strip()[:_LONGEST_REASON]
    word = reason.partition(":")[0]
    match status:
        case 200 | 201 | 204:
            return Accepted(reason)
        case 401:
            return ChannelDown(words)
        case 403 if word not in _QUOTA:
            return ChannelDown(words)
        case 403 | 404 | 408 | 409 | 412 | 429 | 500 | 502 | 503 | 504:
            return Later(words, retry_after)
        case _:
            return Refused(words)


class GoogleChannel:
    """The `Announcer` of one programme's issuer. One kept session; for one thread.

    `may_notify` is asked for each card whose points have news: may the phone make a sound of it? Google allows three in
    24 hours, the brand perhaps fewer.
    """

    def __init__(
        self,
        api_url: str,
        service_account_info: Mapping[str, Any],
        *,
        public_url: str,
        id_prefix: str = "",
        timeout_s: float,
        may_notify: Callable[[Notice], bool] = lambda _: False,
        pacing: Callable[[], None] | None = None,
        clock: Clock = system_clock,
    ) -> None:
        """Args: `api_url` and `public_url` are base addresses without trailing slash; `timeout_s` is for each call.

        Raises:
            SettingsError: the account's file is incomplete.
        """
        self._base = f"{api_url}/walletobjects/v1"
        self._public_url = public_url
        self._id_prefix = id_prefix
        self._timeout_s = timeout_s
        self._may_notify = may_notify
        self._pacing = pacing if pacing is not None else Pacing()
        self._clock = clock
        self._classes: dict[str, str] = {}
        self._token_session = requests.Session()
        # one refresh after a 401, as check 2 asks; a second 401 stops the channel
        self._session = AuthorizedSession(
            credentials_from(service_account_info),
            max_refresh_attempts=1,
            refresh_timeout=timeout_s,
            auth_request=Request(self._token_session),
        )
        self._session.headers.update({"Content-Type": "application/json", "User-Agent": "wallet-service (gzip)"})

    def announce(self, notices: Sequence[Notice]) -> Iterator[tuple[Notice, Outcome]]:
        """Bring each object to what its notice says; once the channel is down, the rest is not tried."""
        down: ChannelDown | None = None
        for notice in notices:
            outcome = down or self._tell(notice)
            if isinstance(outcome, ChannelDown):
                down = outcome
            yield notice, outcome

    def ensure_class(self, card: CardView) -> Outcome:
        """Insert or patch the class of the card's design, unless this channel has done so since it last changed.

        Raises:
            Invalid: the design breaks Google's rules.
            Unreachable: no answer.
        """
        body = loyalty.class_body(
            card.program,
            card.template,
            class_id=self._class_id(card),
            image_url=lambda name: self._public_url + card.template.image_path(name),
            callback_url=f"{self._public_url}/google/callback",
        )
        digest = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
        if self._classes.get(body["id"]) == digest:
            return Accepted()
        schema.require_valid(CLASS, body)
        answer = self._insert(CLASS, body)
        if answer.status == 409:
            answer = self._patch(CLASS, body)
        if answer.is_good:
            self._classes[body["id"]] = digest
        return answer.outcome()

    def close(self) -> None:
        """Hang up."""
        self._session.close()
        self._token_session.close()

    def _class_id(self, card: CardView) -> str:
        return loyalty.class_id_of(card.program, card.template.template_id, self._id_prefix)

    def _tell(self, notice: Notice) -> Outcome:
        if notice.card is None:
            return Refused("an object cannot be announced without its content")
        try:
            ensured = self.ensure_class(notice.card)
            return ensured if not isinstance(ensured, Accepted) else self._tell_object(notice, notice.card)
        except Invalid as refusal:
            return Refused(f"invalid: {refusal}"[:_LONGEST_REASON])
        except Unreachable as error:
            return Later(str(error))
        except RefreshError as error:
            words = f"token: {error.args[0]}"[:_LONGEST_REASON]
            return Later(words) if error.retryable else ChannelDown(words)

    def _tell_object(self, notice: Notice, card: CardView) -> Outcome:
        body = loyalty.object_body(card, class_id=self._class_id(card))
        schema.require_valid(OBJECT, body)
        speaks = loyalty.speaks_on_google(card.template, card.content) and self._may_notify(notice)
        answer = self._patch(OBJECT, body, notify=speaks)
        if answer.status == 404:
            answer = self._insert(OBJECT, body)
            if answer.status == 404:  # the class that this channel believed in is not there
                self._classes.pop(body["classId"], None)
                ensured = self.ensure_class(card)
                if not isinstance(ensured, Accepted):
                    return ensured
                answer = self._insert(OBJECT, body)
            if answer.status == 409:
                answer = self._patch(OBJECT, body)
        return Accepted(body["id"]) if answer.is_good else answer.outcome()

    def _insert(self, schema_name: str, body: Body) -> Answer:
        return self._call("POST", _COLLECTIONS[schema_name], body)

    def _patch(self, schema_name: str, body: Body, *, notify: bool = False) -> Answer:
        patch = loyalty.patch_of(schema_name, body)
        path = f"{_COLLECTIONS[schema_name]}/{quote(body['id'], safe='')}"
        if notify:
            answer = self._call("PATCH", path, {**patch, "notifyPreference": "NOTIFY_ON_UPDATE"})
            if not answer.is_quota:
                return answer
        return self._call("PATCH", path, patch)

    def _call(self, method: str, path: str, body: Body) -> Answer:
        self._pacing()
        try:
            response = self._session.request(
                method, f"{self._base}/{path}", data=orjson.dumps(body), timeout=self._timeout_s
            )
        except (requests.RequestException, TransportError) as error:
            raise Unreachable(f"Google did not answer: {type(error).__name__}") from error
        return answer_of(response.status_code, response.headers, response.content, now=self._clock())


def answer_of(status: int, headers: Mapping[str, str], content: bytes, *, now: datetime) -> Answer:
    """Read an answer; decide on `errors[0].reason` first (section 16). Anything may be missing from an error's body."""
    if 200 <= status < 300:
        return Answer(status)
    error = _error_in(content)
    details = error.get("errors")
    first = details[0] if isinstance(details, list) and details and isinstance(details[0], dict) else {}
    reason = first.get("reason") or error.get("status") or ""
    return Answer(status, str(reason), str(error.get("message", "")), _span(headers.get("Retry-After"), now))


def _error_in(content: bytes) -> Mapping[str, Any]:
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, dict) else {}


def _span(retry_after: str | None, now: datetime) -> timedelta | None:
    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return timedelta(seconds=min(int(retry_after), 86_400))
    try:
        return max(parsedate_to_datetime(retry_after) - now, timedelta(0))
    except (ValueError, TypeError):
        return None
