"""`POST /batch`: several calls in one request, each answered in a part of its own.

Source: google-wallet.md, section 16, "Batch format". The order of execution is not promised, so it is reversed here.
"""

from __future__ import annotations

import email.policy
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from email.parser import BytesParser
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from wallet_service.simulators.google.api_error import ApiError, invalid
from wallet_service.simulators.loopback_http import Reply, Request

MOST_CALLS = 1000
_BOUNDARY = "batch_simulator"


def answer_batch(request: Request, answer: Callable[[Request], Reply]) -> Reply:
    """Answer every call of a batch; a part that fails does not harm the others.

    Raises:
        ApiError: 400, the envelope is not multipart/mixed of HTTP requests.
    """
    parts = [(content_id, answer(inner)) for content_id, inner in reversed(_calls(request))]
    body = b"".join(_part(content_id, reply) for content_id, reply in parts) + f"--{_BOUNDARY}--\r\n".encode()
    return Reply(200, body, f"multipart/mixed; boundary={_BOUNDARY}")


def _calls(request: Request) -> Sequence[tuple[str, Request]]:
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    message = BytesParser(EmailMessage, policy=email.policy.HTTP).parsebytes(head + request.body)
    if message.get_content_type() != "multipart/mixed":
        raise invalid("", "a batch is multipart/mixed")
    calls = []
    for number, part in enumerate(message.iter_parts()):
        raw = part.get_payload(decode=True)
        if not isinstance(raw, bytes):
            raise invalid("", f"part {number} is empty")
        content_id = str(part.get("Content-ID", f"<{number}>")).strip().strip("<>")
        calls.append((content_id, _inner(raw, request)))
    if len(calls) > MOST_CALLS:
        raise ApiError(400, "invalid", f"A batch holds at most {MOST_CALLS} calls.")
    return calls


def _inner(raw: bytes, outer: Request) -> Request:
    head, _, body = raw.replace(b"\r\n", b"\n").partition(b"\n\n")
    line, *lines = head.decode("utf-8").split("\n")
    words = line.split(" ")
    if len(words) < 2:
        raise invalid("", f"{line!r} is no request line")
    headers = {name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
    kept = {name: outer.headers[name] for name in ("authorization",) if name in outer.headers}
    address = urlsplit(words[1])
    query = dict(parse_qsl(address.query, keep_blank_values=True))
    return Request(words[0], address.path, query, {**kept, **headers}, body)


def _part(content_id: str, reply: Reply) -> bytes:
    phrase = HTTPStatus(reply.status).phrase
    return (
        (
            f"--{_BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: <response-{content_id}>\r\n\r\n"
            f"HTTP/1.1 {reply.status} {phrase}\r\nContent-Type: {reply.content_type}\r\n"
            f"Content-Length: {len(reply.body)}\r\n\r\n"
        ).encode()
        + reply.body
        + b"\r\n"
    )
