"""Several calls in one HTTP request: multipart/mixed there and back, parts matched by Content-ID. Pure.

A batch saves connections, not quota: each call in it counts. Source: google-wallet.md section 16, "Batch format";
section 25, check 36.
"""

from __future__ import annotations

import email.policy
import re
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.parser import BytesParser
from http.client import HTTPException, parse_headers
from io import BytesIO

import orjson

from wallet_service.errors import Unreachable
from wallet_service.wallets.google.client.calls import Answer, Call, answer_of

BOUNDARY = "wallet-service-batch"
CONTENT_TYPE = f"multipart/mixed; boundary={BOUNDARY}"
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r?\n")
_CONTENT_ID = re.compile(r"<?response-(\d+)>?")


def batch_body(calls: Sequence[Call]) -> bytes:
    """The body of a batch request; the parts are numbered from 0 in the order of `calls`."""
    parts = []
    for number, call in enumerate(calls):
        content = orjson.dumps(call.body) if call.body is not None else b""
        parts.append(
            f"--{BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: <{number}>\r\n\r\n"
            f"{call.method} /walletobjects/v1/{call.path} HTTP/1.1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
    return b"\r\n".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


def answers_in(content_type: str, content: bytes, *, count: int, now: datetime) -> list[Answer | None]:
    """The answers by the number of their part; None where Google sent none.

    Raises:
        Unreachable: what came back is no batch answer.
    """
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = BytesParser(EmailMessage, policy=email.policy.HTTP).parsebytes(head + content)
    if message.get_content_type() != "multipart/mixed":
        raise Unreachable(f"Google answered a batch with {message.get_content_type()}")
    answers: list[Answer | None] = [None] * count
    for part in message.iter_parts():
        found = _CONTENT_ID.fullmatch(str(part.get("Content-ID", "")).strip())
        if found and int(found[1]) < count:
            answers[int(found[1])] = _inner_answer(part.get_payload(decode=True), now)
    return answers


def _inner_answer(raw: object, now: datetime) -> Answer | None:
    line = _STATUS_LINE.match(raw) if isinstance(raw, bytes) else None
    if line is None or not isinstance(raw, bytes):
        return None
    rest = BytesIO(raw[line.end() :])
    try:
        headers = parse_headers(rest)
    except HTTPException:
        return None
    return answer_of(int(line[1]), dict(headers.items()), rest.read(), now=now)
