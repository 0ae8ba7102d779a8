"""What Google demands of a class or an object beyond names and types. Pure.

Source: google-wallet.md, sections 3 to 13.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from wallet_service.simulators.google.api_error import ApiError, invalid
from wallet_service.simulators.google.schema import ResourceType, required_fields

PLACES_LIMIT = 10
MESSAGES_LIMIT = 10
LINKED_LIMIT = 50
SERVER_OWNED = frozenset({"kind", "version", "hasUsers", "hasLinkedDevice", "classReference", "review"})
"""Fields that only the platform writes; in a body they are ignored."""

NOTIFYING: Mapping[str, tuple[str, ...]] = {
    "loyaltyClass": ("rewardsTier", "secondaryRewardsTier", "programName"),
    "loyaltyObject": ("loyaltyPoints.balance", "secondaryLoyaltyPoints.balance"),
}
"""The fields whose change notifies, by type. Source: section 12."""

_ID = re.compile(r"\d+\.[A-Za-z0-9._-]+")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def issuer_of(resource_id: str) -> str:
    """The issuer in front of the first dot."""
    return resource_id.partition(".")[0]


def check_resource(kind: ResourceType, body: Mapping[str, Any], *, allow_loopback: bool) -> None:
    """Check a whole class or object, types checked already.

    Raises:
        ApiError: 400 with the path of the first fault.
    """
    for name in required_fields(kind.schema):
        if body.get(name) in (None, "", {}):
            raise invalid(name, "this field is required")
    if not _ID.fullmatch(body["id"]):
        raise invalid("id", "the format is issuerId.identifier, with letters, digits, '.', '_' and '-' only")
    for path, name, value in _walk(body, "", ""):
        if check := _CHECKS.get(name):
            check(path, value)
        if name == "uri" and isinstance(value, str):
            _check_uri(path, value, allow_loopback=allow_loopback)
    if url := body.get("callbackOptions", {}).get("url"):
        _check_https("callbackOptions.url", url, allow_loopback=allow_loopback)


def check_review_status(kind: ResourceType, sent: str | None, stored: str | None) -> str | None:
    """The status that a class has after a write, None for types that have none. Source: section 5.

    Args:
        kind: the type written.
        sent: what the body says.
        stored: what is there; None for an insert.
    """
    if "reviewStatus" not in required_fields(kind.schema):
        return None
    if sent not in ("DRAFT", "UNDER_REVIEW"):
        raise invalid("reviewStatus", "only DRAFT or UNDER_REVIEW may be set; send UNDER_REVIEW with every change")
    if sent == "DRAFT" and stored not in (None, "DRAFT"):
        raise invalid("reviewStatus", "a class that was under review does not become a draft again")
    return "DRAFT" if sent == "DRAFT" else "APPROVED"


def value_at(body: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, None if absent."""
    found: Any = body
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def merged(stored: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """PATCH: objects merge, arrays are replaced as a whole, null clears."""
    result = dict(stored)
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            before = result.get(name)
            result[name] = merged(before if isinstance(before, dict) else {}, value)
        else:
            result[name] = without_nulls(value)
    return result


def without_nulls(value: Any) -> Any:
    """A body in which null and absent are the same."""
    if isinstance(value, dict):
        return {name: without_nulls(one) for name, one in value.items() if one is not None}
    return [without_nulls(one) for one in value] if isinstance(value, list) else value


def _walk(value: Any, path: str, name: str) -> Iterator[tuple[str, str, Any]]:
    if name:
        yield path, name, value
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _walk(one, f"{path}.{key}".lstrip("."), key)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _walk(one, f"{path}[{index}]", "")


def _check_uri(path: str, value: str, *, allow_loopback: bool) -> None:
    if "sourceUri" in path:
        _check_https(path, value, allow_loopback=allow_loopback)
    elif not urlsplit(value).scheme:
        raise invalid(path, "a link needs a scheme such as https:, tel: or mailto:")


def _check_https(path: str, value: str, *, allow_loopback: bool) -> None:
    address = urlsplit(value)
    if address.scheme == "https" and address.hostname:
        return
    if not (allow_loopback and address.scheme == "http" and address.hostname in _LOOPBACK):
        raise invalid(path, f"{value!r} is not a public https address")


def _check_places(path: str, places: Any) -> None:
    if len(places) > PLACES_LIMIT:
        raise invalid(path, f"at most {PLACES_LIMIT} merchant locations are allowed, not {len(places)}")
    for index, place in enumerate(places):
        for key, most in (("latitude", 90), ("longitude", 180)):
            if key not in place or not -most <= place[key] <= most:
                raise invalid(f"{path}[{index}].{key}", f"this must be from -{most} to {most}")


def _check_messages(path: str, messages: Any) -> None:
    if len(messages) > MESSAGES_LIMIT:
        raise invalid(path, f"at most {MESSAGES_LIMIT} messages are allowed")
    for index, message in enumerate(messages):
        if message.get("messageType") == "EXPIRATION_NOTIFICATION":
            raise invalid(f"{path}[{index}].messageType", "EXPIRATION_NOTIFICATION is not supported")


def _check_balance(path: str, balance: Any) -> None:
    # A gift card's balance is money itself; only points have the four forms.
    if isinstance(balance, dict) and "micros" not in balance and len(balance) != 1:
        raise invalid(path, "exactly one of string, int, double and money is expected")


def _check_points(path: str, points: Any) -> None:
    if points and "balance" not in points:
        raise invalid(f"{path}.balance", "this field is required")


def _check_colour(path: str, colour: Any) -> None:
    if not re.fullmatch(r"#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})", colour):
        raise invalid(path, "a colour looks like #1c2440")


def _check_text_modules(path: str, modules: Any) -> None:
    for index, module in enumerate(modules):
        if "id" in module and not re.fullmatch(r"[A-Za-z0-9_-]+", module["id"]):
            raise invalid(f"{path}[{index}].id", "only letters, digits, '_' and '-' are allowed")


def _check_value_added(path: str, modules: Any) -> None:
    if len(modules) > 15:
        raise invalid(path, "at most 15 modules are allowed")
    for index, module in enumerate(modules):
        for key in ("header", "uri"):
            if not module.get(key):
                raise invalid(f"{path}[{index}].{key}", "this field is required")


def _check_rows(path: str, rows: Any) -> None:
    if len(rows) > 3:
        raise invalid(path, "at most three rows are allowed")
    for index, row in enumerate(rows):
        if len(row) != 1:
            raise invalid(f"{path}[{index}]", "exactly one of oneItem, twoItems and threeItems is expected")


def _check_interval(path: str, interval: Any) -> None:
    instants = []
    for end in ("start", "end"):
        if text := (interval.get(end) or {}).get("date"):
            try:
                instants.append(datetime.fromisoformat(text))
            except ValueError as error:
                raise invalid(f"{path}.{end}.date", "this is not an ISO 8601 date and time") from error
    if len(instants) == 2 and (instants[0].tzinfo is None) != (instants[1].tzinfo is None):
        raise invalid(path, "both ends need an offset, or neither")


def _check_barcode(path: str, barcode: Any) -> None:
    if barcode.get("type") == "TEXT_ONLY" and "alternateText" in barcode:
        raise invalid(f"{path}.alternateText", "this is not allowed with TEXT_ONLY")
    if "value" not in barcode:
        raise invalid(f"{path}.value", "this field is required")


_CHECKS: Mapping[str, Callable[[str, Any], None]] = {
    "merchantLocations": _check_places,
    "messages": _check_messages,
    "balance": _check_balance,
    "loyaltyPoints": _check_points,
    "secondaryLoyaltyPoints": _check_points,
    "hexBackgroundColor": _check_colour,
    "textModulesData": _check_text_modules,
    "valueAddedModuleData": _check_value_added,
    "cardRowTemplateInfos": _check_rows,
    "validTimeInterval": _check_interval,
    "displayInterval": _check_interval,
    "barcode": _check_barcode,
}


def permission_denied(issuer_id: str) -> ApiError:
    """403: the service account may not act for this issuer."""
    return ApiError(403, "permissionDenied", f"The service account has no access to issuer {issuer_id}.")
