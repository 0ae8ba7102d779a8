"""What APNs demands of one request, and what it answers. Pure.

Source: apple-wallet.md, sections 5.2 and 5.3.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

PUSH_TYPES = frozenset(
    {
        "alert",
        "background",
        "complication",
        "controls",
        "fileprovider",
        "liveactivity",
        "location",
        "mdm",
        "pushtotalk",
        "voip",
        "widgets",
    }
)
PAYLOAD_LIMIT_BYTES = 4096
COLLAPSE_ID_LIMIT_BYTES = 64

_PATH = re.compile(r"/3/device/([^/?]*)")
_PUSH_TOKEN = re.compile(r"(?:[0-9a-fA-F]{2}){8,100}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TOPIC = re.compile(r"[A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer: `status` and, unless it is 200, Apple's `reason`; 410 has `gone_at_ms`, 429 may have a pause."""

    status: int
    reason: str | None = None
    gone_at_ms: int | None = None
    retry_after_s: int | None = None

    def body(self) -> bytes:
        """What travels: nothing for 200, else JSON."""
        if self.reason is None:
            return b""
        document: dict[str, object] = {"reason": self.reason}
        if self.gone_at_ms is not None:
            document["timestamp"] = self.gone_at_ms
        return json.dumps(document, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class PushRequest:
    """One request as it came: header names in lower case, in order, pseudo headers included."""

    fields: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next((value for key, value in self.fields if key == name), None)

    @property
    def push_token(self) -> str:
        """The token in the path, lower case; empty if the path has another shape."""
        match = _PATH.fullmatch(self.header(":path") or "")
        return match[1].lower() if match else ""

    @property
    def expires_at_s(self) -> int:
        """UNIX seconds until when the push may be stored; 0 is not at all."""
        return int(self.header("apns-expiration") or 0)


def fault_in(request: PushRequest, certificate_topic: str | None) -> Verdict | None:
    """The first thing that is wrong with a request whatever the device; None if it is well formed.

    Args:
        request: the request.
        certificate_topic: the UID of the client's certificate, the one topic that it may push to; None if it has none.
    """
    if certificate_topic is None:
        return Verdict(403, "BadCertificate")
    if not (path := _PATH.fullmatch(request.header(":path") or "")):
        return Verdict(404, "BadPath")
    if request.header(":method") != "POST":
        return Verdict(405, "MethodNotAllowed")
    if not path[1]:
        return Verdict(400, "MissingDeviceToken")
    reason = _header_fault(request, certificate_topic)
    if reason is None and len(request.body) > PAYLOAD_LIMIT_BYTES:
        return Verdict(413, "PayloadTooLarge")
    reason = reason or _body_fault(request.body)
    if reason is None and not _PUSH_TOKEN.fullmatch(path[1]):
        reason = "BadDeviceToken"
    return Verdict(400, reason) if reason else None


def _header_fault(request: PushRequest, certificate_topic: str) -> str | None:
    names = [name for name, _ in request.fields if name.startswith("apns-")]
    if len(names) != len(set(names)):
        return "DuplicateHeaders"
    message_id = request.header("apns-id")
    if message_id is not None and not _UUID.fullmatch(message_id):
        return "BadMessageId"
    expiration = request.header("apns-expiration")
    if expiration is not None and not re.fullmatch(r"\d{1,12}", expiration, re.ASCII):
        return "BadExpirationDate"
    push_type = request.header("apns-push-type")
    if push_type is not None and push_type not in PUSH_TYPES:
        return "InvalidPushType"
    # Without the header the priority is 10, which a background push may not have.
    priority = request.header("apns-priority") or "10"
    if priority not in ("5", "10") or (push_type == "background" and priority != "5"):
        return "BadPriority"
    if len((request.header("apns-collapse-id") or "").encode()) > COLLAPSE_ID_LIMIT_BYTES:
        return "BadCollapseId"
    topic = request.header("apns-topic")
    if not topic:
        return "MissingTopic"
    if not _TOPIC.fullmatch(topic):
        return "BadTopic"
    return None if topic == certificate_topic else "TopicDisallowed"


def _body_fault(body: bytes) -> str | None:
    try:
        return None if isinstance(json.loads(body), dict) else "PayloadEmpty"
    except ValueError:
        return "PayloadEmpty"
