"""The hash chain: each entry holds the digest of the one before it, so that no line can be changed or left out unseen.
Pure.

There is a chain for each account, not one for a programme: who writes holds the member's lock, so entries of one member
come one after the other in any case, and those of two members never wait for each other. An entry's digest covers that
of its transaction, and so everything that the transaction says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from wallet_service.loyalty.ledger.values import Lot, Move, Posting, Reservation

START = b""
"""What stands before the first entry of an account."""


def digest_of(document: Mapping[str, Any]) -> bytes:
    """SHA-256 of a document whose values are texts, integers, truths, null, lists and objects."""
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).digest()


def entry_hash(
    before: bytes, *, account: int, number: int, transaction: int, bucket: str, amount: int, record_digest: bytes
) -> bytes:
    """The digest of an entry that follows the one whose digest is `before`."""
    line = f"{account}|{number}|{transaction}|{bucket}|{amount}|{record_digest.hex()}"
    return hashlib.sha256(before + line.encode()).digest()


def instant_text(instant: datetime | None) -> str | None:
    """An instant as documents of the ledger hold it; read back by `datetime.fromisoformat`."""
    return None if instant is None else instant.astimezone(UTC).isoformat()


def changes_of(posting: Posting) -> dict[str, Any]:
    """What a posting does to lots and reservations, as a transaction records it."""
    return {
        "grants": [
            [
                lot.number,
                lot.origin,
                lot.granted,
                "pending" if lot.pending else "available",
                instant_text(lot.granted_at),
                instant_text(lot.available_at),
                instant_text(lot.expires_at),
            ]
            for lot in posting.grants
        ],
        "moves": [[move.lot, move.origin, move.target, move.amount] for move in posting.moves],
        "reservation": _reservation_document(posting.reservation),
    }


def posting_of(kind: Any, entries: Any, changes: Mapping[str, Any], earned: int) -> Posting:
    """The posting that a transaction records."""
    return Posting(
        kind=kind,
        entries=tuple(entries),
        grants=tuple(_lot(*row) for row in changes["grants"]),
        moves=tuple(Move(*row) for row in changes["moves"]),
        reservation=_reservation(changes["reservation"]),
        earned=earned,
    )


def _lot(
    number: int, origin: Any, granted: int, part: str, granted_at: str, available_at: str | None, expires_at: str | None
) -> Lot:
    return Lot(
        number=number,
        origin=origin,
        granted=granted,
        granted_at=datetime.fromisoformat(granted_at),
        available_at=datetime.fromisoformat(available_at) if available_at else None,
        expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
        **{part: granted},
    )


def _reservation_document(reservation: Reservation | None) -> dict[str, Any] | None:
    if reservation is None:
        return None
    return {
        "key": reservation.key,
        "until": instant_text(reservation.until),
        "holds": [list(hold) for hold in reservation.holds],
        "state": reservation.state,
    }


def _reservation(document: Mapping[str, Any] | None) -> Reservation | None:
    if document is None:
        return None
    return Reservation(
        key=document["key"],
        until=datetime.fromisoformat(document["until"]),
        holds=tuple((lot, amount) for lot, amount in document["holds"]),
        state=document["state"],
    )
