"""The codes of a rotating barcode: what the phone shows, and what a till may accept. Pure.

Source: google-wallet.md section 10; RFC 6238 with SHA-1, as Google's TOTP_SHA1.
"""

from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def step_at(at: datetime, *, period_ms: int) -> int:
    """The number of the period that holds `at`."""
    return (at - _EPOCH) // timedelta(milliseconds=period_ms)


def code_of(key_hex: str, step: int, *, digits: int) -> str:
    """The code of one period. `key_hex` is the secret in hexadecimal, as Google has it."""
    mac = hmac.digest(bytes.fromhex(key_hex), step.to_bytes(8, "big"), "sha1")
    start = mac[-1] & 0x0F
    number = int.from_bytes(mac[start : start + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def accepted_step(
    key_hex: str, code: str, *, at: datetime, period_ms: int, digits: int, last_used: int | None = None
) -> int | None:
    """The period that a scanned code belongs to: the present one or a neighbour, each used once; None: refused.

    Keep the answer as the card's `last_used`: a code that was read over somebody's shoulder is worth nothing.
    """
    now, found = step_at(at, period_ms=period_ms), None
    for step in (now - 1, now, now + 1):  # all three are compared, so that time tells nothing
        fits = hmac.compare_digest(code_of(key_hex, step, digits=digits).encode(), code.encode())
        if fits and (last_used is None or step > last_used):
            found = step
    return found
