"""Apple's pass web service in its plainest form, so that the simulated iPhone is tested without the product."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from tests.simulators.pass_maker import make_pass, pass_content
from wallet_service.simulators.apple_pki import Chain
from wallet_service.simulators.loopback_http import LoopbackServer, Reply, Request

MIME = "application/vnd.apple.pkpass"
SECRET = "un-secret-de-32-caracteres-juste"


class TinyService:
    """Holds cards by serial number, answers E1 to E5 and `/get/{serial}`; `fail` may answer instead of it."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._lock = threading.Lock()
        self._server = LoopbackServer(self._answer)
        self.contents: dict[str, dict[str, Any]] = {}
        self.sequence = 0
        self.changed: dict[str, tuple[int, datetime]] = {}
        self.registrations: dict[tuple[str, str], str] = {}
        self.logs: list[str] = []
        self.calls: list[tuple[str, str, int]] = []
        self.fail: Callable[[Request], Reply | None] = lambda request: None

    def publish(self, serial_number: str = "carte-0001", **what: Any) -> None:
        """Make or change a card: new sequence, a second later than before."""
        with self._lock:
            self.sequence += 1
            before = self.changed.get(serial_number, (0, datetime(2026, 1, 1, tzinfo=UTC)))[1]
            self.changed[serial_number] = self.sequence, before + timedelta(seconds=1)
            self.contents[serial_number] = pass_content(
                serial_number, webServiceURL=f"{self.url}/apple", authenticationToken=SECRET, **what
            )

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._server.url

    def __enter__(self) -> TinyService:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def _answer(self, request: Request) -> Reply:
        reply = self.fail(request) or self._route(request)
        self.calls.append((request.method, request.path.removeprefix("/apple/v1"), reply.status))
        return reply

    def _route(self, request: Request) -> Reply:
        with self._lock:
            match request.method, request.path.strip("/").split("/"):
                case "GET", ["get", serial]:
                    return self._download(serial, {})
                case "GET", ["moved", serial]:
                    return Reply(302, headers={"Location": f"/get/{serial}"})
                case "GET", ["page"]:
                    return Reply(200, b"<html>", "text/html")
                case "POST", ["apple", "v1", "log"]:
                    self.logs += request.json()["logs"]
                    return Reply(200)
                case "GET", ["apple", "v1", "devices", device, "registrations", _]:
                    return self._list(device, int(request.query.get("passesUpdatedSince", 0)))
                case _ if request.headers.get("authorization") != f"ApplePass {SECRET}":
                    return Reply(401)
                case "POST", ["apple", "v1", "devices", device, "registrations", _, serial]:
                    known = (device, serial) in self.registrations
                    self.registrations[device, serial] = request.json()["pushToken"]
                    return Reply(200 if known else 201)
                case "DELETE", ["apple", "v1", "devices", device, "registrations", _, serial]:
                    self.registrations.pop((device, serial), None)
                    return Reply(200)
                case "GET", ["apple", "v1", "passes", _, serial]:
                    return self._download(serial, request.headers)
        return Reply(404)

    def _list(self, device: str, since: int) -> Reply:
        newer = {
            serial: self.changed[serial][0]
            for one, serial in self.registrations
            if one == device and self.changed[serial][0] > since
        }
        if not newer:
            return Reply(204)
        return Reply.json({"serialNumbers": list(newer), "lastUpdated": str(max(newer.values()))})

    def _download(self, serial: str, headers: Any) -> Reply:
        modified = self.changed[serial][1]
        seen = headers.get("if-modified-since")
        if seen and parsedate_to_datetime(seen) >= modified:
            return Reply(304)
        body = make_pass(self.contents[serial], self._chain)
        return Reply(200, body, MIME, {"Last-Modified": format_datetime(modified, usegmt=True)})
