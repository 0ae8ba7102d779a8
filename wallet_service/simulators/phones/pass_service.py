"""The device's side of Apple's pass web service: the five calls, patience with 5xx, none with 4xx, and the log.

Source: apple-wallet.md, section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

from wallet_service.clock import Clock
from wallet_service.simulators.phones.wallet_rules import MIME_TYPE, PassBundle

TIMEOUT_S = 15.0
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""How long a device waits before each new try; then it gives up until the next push."""


class GaveUp(Exception):
    """The service refused, or was away for too long; the log has been told."""


@dataclass(frozen=True)
class Listing:
    """The answer to "what changed": serial numbers and the new tag; `tag` None for 204."""

    serial_numbers: tuple[str, ...]
    tag: str | None


@dataclass(frozen=True)
class Download:
    """A pass as the service sent it; `data` None for 304."""

    data: bytes | None
    last_modified: str | None


class PassService:
    """Calls the web services that passes name, for one device.

    Args:
        clock: stamps log lines.
        wait: called with seconds before each new try; returns true to give up (the phone was switched off).
        reachable: whether the phone is online.
        logged: called with each line that the service's log was told.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        wait: Callable[[float], object],
        reachable: Callable[[], bool],
        logged: Callable[[str], None],
    ) -> None:
        self._clock, self._wait, self._reachable, self._logged = clock, wait, reachable, logged
        self._session = requests.Session()
        self._session.headers["User-Agent"] = "passd/1.0 CFNetwork/3826.600.41 Darwin/24.6.0"

    def close(self) -> None:
        """Close connections."""
        self._session.close()

    def register(self, device_id: str, push_token: str, bundle: PassBundle) -> int:
        """E1; returns 201 or 200. Raises GaveUp."""
        answer = self._call(
            "POST",
            bundle,
            _registration(device_id, bundle),
            f"Register task (for device {device_id}, {_named(bundle)})",
            expected=(200, 201),
            authorize=True,
            json={"pushToken": push_token},
        )
        return answer.status_code

    def unregister(self, device_id: str, bundle: PassBundle) -> None:
        """E2. Raises GaveUp."""
        task = f"Unregister task (for device {device_id}, {_named(bundle)})"
        self._call("DELETE", bundle, _registration(device_id, bundle), task, expected=(200,), authorize=True)

    def changed(self, device_id: str, bundle: PassBundle, tag: str | None) -> Listing:
        """E3 for the pass type of `bundle`. Raises GaveUp."""
        path = f"/v1/devices/{quote(device_id, safe='')}/registrations/{quote(bundle.pass_type_id, safe='')}"
        task = (
            f"Get serial #s task (for device {device_id}, pass type {bundle.pass_type_id}, "
            f"last updated {tag or '(null)'}; with web service url {_base(bundle)})"
        )
        answer = self._call(
            "GET", bundle, path, task, expected=(200, 204), params={"passesUpdatedSince": tag} if tag else {}
        )
        if answer.status_code == 204:
            return Listing((), None)
        try:
            document = answer.json()
            serials, new_tag = document["serialNumbers"], document["lastUpdated"]
            if not isinstance(new_tag, str) or not all(isinstance(one, str) for one in serials):
                raise TypeError("serialNumbers must be a list of strings and lastUpdated a string")
        except (ValueError, KeyError, TypeError) as error:
            raise self._gave_up(bundle, task, f"Unexpected response: {error}") from error
        if tag is not None and serials and new_tag == tag:
            self.log(
                bundle,
                f"Web service error for {bundle.pass_type_id} ({_base(bundle)}): Response to 'What changed?' request "
                f"included {len(serials)} serial numbers but the lastUpdated tag ({tag}) remained the same.",
            )
        return Listing(tuple(serials), new_tag)

    def download(self, bundle: PassBundle, last_modified: str | None) -> Download:
        """E4. Raises GaveUp."""
        path = f"/v1/passes/{quote(bundle.pass_type_id, safe='')}/{quote(bundle.serial_number, safe='')}"
        headers = {"If-Modified-Since": last_modified} if last_modified else {}
        task = self._download_task(bundle, last_modified)
        answer = self._call("GET", bundle, path, task, expected=(200, 304), authorize=True, headers=headers)
        if answer.status_code == 304:
            return Download(None, last_modified)
        if answer.headers.get("Content-Type") != MIME_TYPE:
            raise self._gave_up(bundle, task, "Received invalid pass data")
        return Download(answer.content, answer.headers.get("Last-Modified"))

    def report_invalid(self, bundle: PassBundle, last_modified: str | None) -> None:
        """Tell the log that the new pass was refused."""
        self.log(bundle, f"{self._download_task(bundle, last_modified)} encountered error: Received invalid pass data")

    def report_unchanged(self, bundle: PassBundle) -> None:
        """Tell the log that a pass was listed as changed and was not."""
        self.log(
            bundle,
            f"Web service error for {bundle.pass_type_id} ({_base(bundle)}): Server requested update to serial number "
            f"'{bundle.serial_number}', but the pass was unchanged.",
        )

    def log(self, bundle: PassBundle, line: str) -> None:
        """E5; what goes wrong here is forgotten, as on a phone."""
        stamp = self._clock().strftime("%Y-%m-%d %H:%M:%S %z")
        try:
            self._session.post(f"{_base(bundle)}/v1/log", json={"logs": [f"[{stamp}] {line}"]}, timeout=TIMEOUT_S)
        except requests.RequestException:
            return
        self._logged(line)

    def _call(
        self,
        method: str,
        bundle: PassBundle,
        path: str,
        task: str,
        *,
        expected: tuple[int, ...],
        authorize: bool = False,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> requests.Response:
        headers = dict(headers or {})
        if authorize:
            headers["Authorization"] = f"ApplePass {bundle.content['authenticationToken']}"
        for pause_s in (*PAUSES_S, None):
            if not self._reachable():
                trouble = "The Internet connection appears to be offline."
                break
            try:
                answer = self._session.request(
                    method, _base(bundle) + path, headers=headers, timeout=TIMEOUT_S, allow_redirects=False, **more
                )
            except requests.RequestException as error:
                trouble = f"Could not connect to the server ({type(error).__name__})."
            else:
                if answer.status_code in expected:
                    return answer
                trouble = f"Unexpected response code {answer.status_code}"
                if answer.status_code < 500:
                    break
            if pause_s is None or self._wait(pause_s):
                break
        raise self._gave_up(bundle, task, trouble)

    def _gave_up(self, bundle: PassBundle, task: str, trouble: str) -> GaveUp:
        if self._reachable():
            self.log(bundle, f"{task} encountered error: {trouble}")
        return GaveUp(f"{task}: {trouble}")

    def _download_task(self, bundle: PassBundle, last_modified: str | None) -> str:
        return (
            f"Get pass task (pass type {bundle.pass_type_id}, serial number {bundle.serial_number}, "
            f"if-modified-since {last_modified or '(null)'}; with web service url {_base(bundle)})"
        )


def _base(bundle: PassBundle) -> str:
    return str(bundle.content["webServiceURL"])


def _registration(device_id: str, bundle: PassBundle) -> str:
    parts = (quote(one, safe="") for one in (bundle.pass_type_id, bundle.serial_number))
    return f"/v1/devices/{quote(device_id, safe='')}/registrations/{'/'.join(parts)}"


def _named(bundle: PassBundle) -> str:
    return (
        f"pass type {bundle.pass_type_id}, serial number {bundle.serial_number}; with web service url {_base(bundle)}"
    )
