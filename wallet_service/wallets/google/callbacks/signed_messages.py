"""Google's signed messages: a card was saved, or removed. Verified exactly as Google signs them, or refused.

Scheme ECv2SigningOnly: a root key (published) signs an intermediate key, which signs the message. The signed strings
are used byte for byte as they came. Source: google-wallet.md section 17; section 25, checks 43 to 46.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from wallet_service.errors import Forbidden, Invalid
from wallet_service.parsing import read_json

SENDER = "GooglePayPasses"
PROTOCOL = "ECv2SigningOnly"
LONGEST_BODY = 64 * 1024

_MEMBERS = ("protocolVersion", "signature", "intermediateSigningKey", "signedMessage")
_ECDSA = ec.ECDSA(hashes.SHA256())
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_000


@dataclass(frozen=True, slots=True)
class RootKey:
    """One of Google's published keys."""

    key: ec.EllipticCurvePublicKey
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class GoogleEvent:
    """What a message says. `nonce` is unique: a repeat is the same event. Messages have no order."""

    kind: Literal["save", "del"]
    class_id: str
    object_id: str
    nonce: str
    expires_at: datetime

    @property
    def issuer_id(self) -> str:
        """The issuer of the object, as digits."""
        return self.object_id.partition(".")[0]


class UnknownSigner(Forbidden):
    """No root key that we hold signed the intermediate key: Google may have changed its keys."""


def root_keys(response: bytes) -> tuple[RootKey, ...]:
    """Read the published keys; those of another protocol or without expiry are left out.

    Raises:
        Invalid: the response is no list of keys.
    """
    document = _object(response, "keys")
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise Invalid.at("keys", "is missing")
    return tuple(
        RootKey(_public_key(entry.get("keyValue"), "keys"), _instant(entry["keyExpiration"], "keys"))
        for entry in entries
        if isinstance(entry, dict) and entry.get("protocolVersion") == PROTOCOL and "keyExpiration" in entry
    )


def verified(body: bytes, *, issuer_ids: Collection[str], keys: Sequence[RootKey], now: datetime) -> GoogleEvent:
    """Check a callback's raw body and read it.

    Args:
        issuer_ids: our issuers, plain digits; the message must be for one of them.

    Raises:
        Invalid: the body is not a callback at all.
        UnknownSigner: none of `keys` stands behind it.
        Forbidden: the signature, its recipient or a date is wrong. The caller learns no more than that.
    """
    if len(body) > LONGEST_BODY:
        raise Invalid.at("", f"is longer than {LONGEST_BODY} bytes")
    envelope = _object(body, "")
    if missing := [name for name in _MEMBERS if name not in envelope]:
        raise Invalid.at("", f"lacks {', '.join(missing)}")
    if envelope["protocolVersion"] != PROTOCOL:
        raise Invalid.at("protocolVersion", f"should be {PROTOCOL}")
    message = _text(envelope, "signedMessage")
    event = _event(_object(message.encode(), "signedMessage"))
    if event.issuer_id not in issuer_ids or not event.class_id.startswith(f"{event.issuer_id}."):
        raise Forbidden("the message is for no issuer of ours")
    intermediate = _intermediate_key(envelope["intermediateSigningKey"], keys, now)
    signed = _framed(SENDER, event.issuer_id, PROTOCOL, message)
    if not _signed_by(intermediate, _bytes(_text(envelope, "signature"), "signature"), signed):
        raise Forbidden("the signature does not fit")
    if event.expires_at <= now:
        raise Forbidden("the message has expired")
    return event


def _intermediate_key(value: object, keys: Sequence[RootKey], now: datetime) -> ec.EllipticCurvePublicKey:
    if not isinstance(value, dict):
        raise Invalid.at("intermediateSigningKey", "should be an object")
    signed_key = _text(value, "signedKey")
    signatures = value.get("signatures")
    if not isinstance(signatures, list) or not all(isinstance(signature, str) for signature in signatures):
        raise Invalid.at("intermediateSigningKey.signatures", "should be a list of texts")
    raw = [_bytes(signature, "intermediateSigningKey.signatures") for signature in signatures]
    signed = _framed(SENDER, PROTOCOL, signed_key)
    usable = [root.key for root in keys if root.expires_at > now]
    if not any(_signed_by(key, signature, signed) for key in usable for signature in raw):
        raise UnknownSigner("no key of Google's signed the intermediate key")
    document = _object(signed_key.encode(), "signedKey")
    if _instant(document.get("keyExpiration"), "signedKey.keyExpiration") <= now:
        raise Forbidden("the intermediate key has expired")
    return _public_key(document.get("keyValue"), "signedKey.keyValue")


def _framed(*parts: str) -> bytes:
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "little") + part for part in encoded)


def _signed_by(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, _ECDSA)
    except InvalidSignature:
        return False
    return True


def _event(message: Mapping[str, Any]) -> GoogleEvent:
    kind = message.get("eventType")
    if kind not in ("save", "del"):
        raise Invalid.at("signedMessage.eventType", "should be save or del")
    return GoogleEvent(
        kind=kind,
        class_id=_text(message, "classId"),
        object_id=_text(message, "objectId"),
        nonce=_text(message, "nonce"),
        expires_at=_instant(message.get("expTimeMillis"), "signedMessage.expTimeMillis"),
    )


def _object(raw: bytes, path: str) -> dict[str, Any]:
    document = read_json(raw, path)
    if not isinstance(document, dict):
        raise Invalid.at(path, "should be a JSON object")
    return document


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise Invalid.at(name, "should be a text")
    return value


def _bytes(text: str, path: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid.at(path, "is not base64") from error


def _instant(milliseconds: object, path: str) -> datetime:
    if isinstance(milliseconds, str) and milliseconds.isascii() and milliseconds.isdigit():
        milliseconds = int(milliseconds[:20])
    if not isinstance(milliseconds, int) or isinstance(milliseconds, bool) or milliseconds < 0:
        raise Invalid.at(path, "should be milliseconds since 1970")
    return _EPOCH + timedelta(milliseconds=min(milliseconds, _LAST_MS))


def _public_key(encoded: object, path: str) -> ec.EllipticCurvePublicKey:
    if not isinstance(encoded, str):
        raise Invalid.at(path, "should be a key, base64")
    try:
        key = load_der_public_key(_bytes(encoded, path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Invalid.at(path, "is not a public key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Invalid.at(path, "is not a P-256 key")
    return key
