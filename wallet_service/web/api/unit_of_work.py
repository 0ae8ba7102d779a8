"""One request, one transaction: begun with the first look, committed with the answer, rolled back with any refusal.

A write that carries `Idempotency-Key` leaves its answer in the same transaction; sent again, it gets that answer and
changes nothing.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from http import HTTPStatus

import orjson
from flask import Response, g, request
from sqlalchemy import text
from sqlalchemy.orm import Session

from wallet_service.errors import Conflict, Erased, Invalid
from wallet_service.storage.tables import IdempotencyKey
from wallet_service.web.api.callers import caller
from wallet_service.web.context import now, services

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_LONGEST_KEY = 255
_FIRST_REFUSAL = 400


def session() -> Session:
    """The request's own session."""
    if "db" not in g:
        g.db = services().sessions()
    db: Session = g.db
    return db


def received_at() -> datetime:
    """When this request came in."""
    instant: datetime = g.received_at
    return instant


def note_arrival() -> None:
    """Look at the clock, first of all."""
    g.received_at = now()


def replay_known_answer() -> Response | None:
    """The first answer to this very request, if it was sent before under the same key."""
    key = request.headers.get("Idempotency-Key")
    if key is None or request.method not in _WRITES:
        return None
    if not 1 <= len(key) <= _LONGEST_KEY:
        raise Invalid.at("Idempotency-Key", f"should have 1 to {_LONGEST_KEY} characters")
    db, program_id = session(), caller().program_id
    db.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"{program_id} {key}"})
    known = db.get(IdempotencyKey, (program_id, key))
    if known is None:
        return None
    if known.request_digest != _request_digest():
        raise Conflict("this Idempotency-Key was used for another request")
    if known.status == HTTPStatus.GONE:
        raise Erased("this request was answered, and the member it was about was erased since")
    body = b"" if known.answer is None else orjson.dumps(known.answer)
    answer = Response(body, status=known.status, mimetype="application/json")
    answer.headers["Idempotency-Replayed"] = "true"
    return answer


def finish(response: Response) -> Response:
    """Commit what was accepted, roll back what was refused."""
    db: Session | None = g.get("db")
    if db is None:
        return response
    key = request.headers.get("Idempotency-Key")
    replayed = "Idempotency-Replayed" in response.headers
    if response.status_code >= _FIRST_REFUSAL:
        db.rollback()
        return response
    if key is not None and request.method in _WRITES and not replayed:
        db.add(
            IdempotencyKey(
                program_id=caller().program_id,
                key=key,
                request_digest=_request_digest(),
                status=response.status_code,
                answer=response.get_json(silent=True),
                created_at=now(),
            )
        )
    db.commit()
    return response


def close(_error: BaseException | None) -> None:
    """Give the connection back."""
    db: Session | None = g.pop("db", None)
    if db is not None:
        db.close()


def _request_digest() -> str:
    parts = (str(caller().key_id), request.method, request.full_path, request.get_data(cache=True))
    return hashlib.sha256(b"\n".join(part if isinstance(part, bytes) else part.encode() for part in parts)).hexdigest()
