"""An APNs client made of libcurl alone: the simulator is judged by an HTTP/2 implementation that is not its own."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pycurl

from wallet_service.simulators.apns import ApnsSimulator
from wallet_service.simulators.apple_pki import Chain


@dataclass(frozen=True)
class Reply:
    """What APNs answered; `error` is libcurl's number, 0 when an answer came."""

    status: int
    headers: dict[str, str]
    body: bytes
    error: int = 0

    @property
    def reason(self) -> Any:
        """Apple's reason, None without a body."""
        return json.loads(self.body)["reason"] if self.body else None


class ApnsClient:
    """Sends batches over one multiplexed connection."""

    def __init__(self, apns: ApnsSimulator, chain: Chain) -> None:
        self._url, self._ca, self._chain = apns.url, apns.ca_pem, chain
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, 1)

    def push(self, push_token: str, headers: Mapping[str, str], body: bytes = b"{}") -> Reply:
        """One request to `/3/device/{push_token}`."""
        return self.batch([push_token], headers, body)[0]

    def batch(self, push_tokens: list[str], headers: Mapping[str, str], body: bytes = b"{}") -> list[Reply]:
        """Many requests at once; answers in the order of the tokens."""
        return self._run([self._request(f"/3/device/{one}", "POST", body, headers) for one in push_tokens])

    def ask(self, method: str, path: str, *lines: str) -> Reply:
        """Any method, any path, raw header lines."""
        curl, received = self._request(path, method, b"{}", {})
        curl.setopt(pycurl.HTTPHEADER, list(lines))
        return self._run([(curl, received)])[0]

    def close(self) -> None:
        """Close the connection."""
        self._multi.close()

    def _request(self, path: str, method: str, body: bytes, headers: Mapping[str, str]) -> tuple[Any, _Received]:
        received = _Received()
        curl = pycurl.Curl()
        curl.setopt(pycurl.URL, self._url + path)
        curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
        curl.setopt(pycurl.PIPEWAIT, 1)
        curl.setopt(pycurl.CAINFO_BLOB, self._ca)
        curl.setopt(pycurl.SSLCERT_BLOB, self._chain.leaf_pem + self._chain.intermediate_pem)
        curl.setopt(pycurl.SSLKEY_BLOB, self._chain.key_pem)
        curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.CUSTOMREQUEST, method)
        curl.setopt(pycurl.TIMEOUT_MS, 60_000)
        curl.setopt(pycurl.HTTPHEADER, [f"{name}: {value}" for name, value in headers.items()])
        curl.setopt(pycurl.WRITEFUNCTION, received.body.write)
        curl.setopt(pycurl.HEADERFUNCTION, received.header)
        return curl, received

    def _run(self, requests: list[tuple[Any, _Received]]) -> list[Reply]:
        errors: dict[int, int] = {}
        for curl, _ in requests:
            self._multi.add_handle(curl)
        while len(errors) < len(requests):
            self._multi.perform()
            _, done, failed = self._multi.info_read()
            errors |= {id(curl): 0 for curl in done} | {id(curl): number for curl, number, _ in failed}
            self._multi.select(0.2)
        replies = []
        for curl, received in requests:
            status = curl.getinfo(pycurl.RESPONSE_CODE)
            replies.append(Reply(status, received.headers, received.body.getvalue(), errors[id(curl)]))
            self._multi.remove_handle(curl)
            curl.close()
        return replies


class _Received:
    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.body = io.BytesIO()

    def header(self, line: bytes) -> None:
        name, separator, value = line.decode().partition(":")
        if separator:
            self.headers[name.lower()] = value.strip()
