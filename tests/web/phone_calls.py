"""Single calls of Apple's web service, where a real phone would be too polite."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass, field
from typing import Any

import orjson
import requests

from tests.system import PASS_TYPE, System


@dataclass
class Pass:
    """A card's pass, with what its bundle says of itself."""

    system: System
    serial: str
    token: str
    link: str

    @classmethod
    def of(cls, system: System, card: dict[str, Any], *, download: bool = True) -> Pass:
        """Read the token from a downloaded bundle; with `download` False, from the database, as if never downloaded."""
        if download:
            bundle = requests.get(card["links"]["apple"], timeout=30).content
            token = orjson.loads(zipfile.ZipFile(io.BytesIO(bundle)).read("pass.json"))["authenticationToken"]
        else:
            token = system.rows("SELECT auth_token FROM cards WHERE serial_number = :s", s=card["serial_number"])[0][
                "auth_token"
            ]
        return cls(system, card["serial_number"], token, card["links"]["apple"])


@dataclass
class Caller:
    """One device id, calling."""

    system: System
    device: str = "device-1"
    push_token: str = "ab" * 32
    base: str = "/apple/v1"
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, *, token: str | None = None, **options: Any) -> requests.Response:
        """One raw call; redirects are not followed."""
        headers = options.pop("headers", {})
        if token is not None:
            headers["Authorization"] = f"ApplePass {token}"
        url = f"{self.system.url}{self.base}{path}"
        return requests.request(method, url, headers=headers, allow_redirects=False, timeout=30, **options)

    def _registration(self, one: Pass) -> str:
        return f"/devices/{self.device}/registrations/{PASS_TYPE}/{one.serial}"

    def register(self, one: Pass, *, token: str | None = None, body: Any = None) -> int:
        """E1; returns the status."""
        content = {"pushToken": self.push_token} if body is None else body
        data = content if isinstance(content, bytes) else orjson.dumps(content)
        given = one.token if token is None else token
        return self.call("POST", self._registration(one), token=given, data=data).status_code

    def unregister(self, one: Pass, *, token: str | None = None) -> int:
        """E2; returns the status."""
        return self.call("DELETE", self._registration(one), token=token or one.token).status_code

    def changed(self, tag: str | None = None, **options: Any) -> requests.Response:
        """E3."""
        query = {} if tag is None else {"passesUpdatedSince": tag}
        return self.call("GET", f"/devices/{self.device}/registrations/{PASS_TYPE}", params=query, **options)

    def fetch(self, one: Pass, *, method: str = "GET", token: str | None = None, since: str = "") -> requests.Response:
        """E4."""
        headers = {"If-Modified-Since": since} if since else {}
        path = f"/passes/{PASS_TYPE}/{one.serial}"
        return self.call(method, path, token=token or one.token, headers=headers)
