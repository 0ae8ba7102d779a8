"""`bench latency`: how long after a CRM's request APNs has the announcement, at a steady rate."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection
from threading import Lock
from typing import LiteralString

import orjson
import psycopg
import requests

from wallet_service.cli.bench.installation import PROGRAM, BenchInstallation, bench_installation
from wallet_service.clock import system_clock
from wallet_service.demo.processes import running, wait_until_ready

SENDERS = 16
_SETTLED_WITHIN_S, _COMPOSED_WITHIN_S = 120.0, 600.0


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds from the CRM's request going out to APNs having the announcement, at the given shares."""

    events: int
    per_second: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    most_ms: float
    composed_meanwhile: int = 0


def measure_latency(per_second: int, seconds: int, *, beside_offer: int = 0) -> Latency:
    """Send events at a steady rate, whatever the answers take, each for another card on another phone.

    Args:
        beside_offer: so many cards more, on no phone, all of which get an offer that is published as the events begin.
    """
    count = per_second * seconds
    with bench_installation(count + beside_offer) as site:
        port = site.url.rsplit(":", 1)[1]
        with (
            running("web", ["serve", "--port", port], site.environment, site.folder),
            running("worker", ["worker"], site.environment, site.folder),
        ):
            wait_until_ready(site.url, site.folder)
            token_of = _register_phones(site, count)
            _send(site, list(token_of)[:SENDERS], per_second, 0)  # the first of each thread opens its connection
            _settle(site)
            before = _composed(site)
            if beside_offer:
                _publish_offer(site)
            sent_at = _send(site, list(token_of), per_second, 1)
            composed = _composed(site) - before
            _settle(site)
            arrived_at = {one.push_token: one.arrived_at for one in site.apns.announcements}
    took = sorted((arrived_at[token_of[member]] - at).total_seconds() * 1000 for member, at in sent_at.items())
    return Latency(
        events=count,
        per_second=per_second,
        p50_ms=took[count // 2],
        p90_ms=took[count * 9 // 10],
        p99_ms=took[count * 99 // 100],
        most_ms=took[-1],
        composed_meanwhile=max(0, composed - count),
    )


def _composed(site: BenchInstallation) -> int:
    with psycopg.connect(_address(site), autocommit=True) as connection:
        row = connection.execute("SELECT last FROM change_counters").fetchone()
    return int(row[0]) if row is not None else 0


def _publish_offer(site: BenchInstallation) -> None:
    """An offer for everybody, from now on."""
    now = system_clock()
    offer = {
        "code": "bench",
        "title": {"fr": "Offre", "en": "Offer"},
        "starts_at": now.isoformat(),
        "ends_at": (now + timedelta(days=1)).isoformat(),
    }
    headers = {"Authorization": f"Bearer {site.key}"}
    made = requests.post(f"{site.url}/api/v1/offers", json=offer, headers=headers, timeout=30)
    made.raise_for_status()
    published = requests.post(f"{site.url}/api/v1/offers/{made.json()['id']}/publish", headers=headers, timeout=30)
    published.raise_for_status()


def _register_phones(site: BenchInstallation, count: int) -> dict[str, str]:
    """A phone for each of the first cards, known to Apple and to us; returns member → push token."""
    query = (
        b"SELECT m.member_id, c.serial_number, c.auth_token, c.id FROM cards c JOIN members m ON m.id = c.member_pk "
        b"WHERE c.version > 0 ORDER BY c.id LIMIT %s"
    )
    with psycopg.connect(_address(site), autocommit=True) as connection:
        _wait_for_none(connection, "SELECT count(*) FROM cards WHERE version = 0", _COMPOSED_WITHIN_S)
        rows = connection.execute(query, [count]).fetchall()
    token_of = {row[0]: f"{row[3]:064x}" for row in rows}

    def register(row: tuple[str, str, str, int]) -> None:
        token = token_of[row[0]]
        site.apns.connect_device(token, PROGRAM.pass_type_id, lambda _push: None)
        path = f"/apple/v1/devices/device-{row[3]}/registrations/{PROGRAM.pass_type_id}/{row[1]}"
        headers = {"Authorization": f"ApplePass {row[2]}"}
        requests.post(site.url + path, json={"pushToken": token}, headers=headers, timeout=30).raise_for_status()

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(register, rows))
    _settle(site)
    return token_of


def _send(site: BenchInstallation, members: list[str], per_second: int, turn: int) -> dict[str, datetime]:
    """Open loop: the n-th event goes out n / rate seconds after the first, ready or not.

    Over plain `http.client`: what the sender costs is taken from the two that are measured.
    """
    host, port = site.url.removeprefix("http://").split(":")
    headers = {"Authorization": f"Bearer {site.key}", "Content-Type": "application/cloudevents+json"}
    sent_at: dict[str, datetime] = {}
    began = time.monotonic()
    numbered = enumerate(members)
    turnstile = Lock()

    def post_some() -> None:
        with closing(HTTPConnection(host, int(port), timeout=30)) as connection:
            while True:
                with turnstile:
                    number, member = next(numbered, (0, ""))
                if not member:
                    return
                time.sleep(max(0.0, began + number / per_second - time.monotonic()))
                sent_at[member] = system_clock()
                connection.request("POST", "/api/v1/events", _event(f"{turn}-{member}", member), headers)
                answer = connection.getresponse()
                if answer.status != HTTPStatus.ACCEPTED:
                    raise RuntimeError(f"an event was answered {answer.status}: {answer.read()!r}")
                answer.read()

    with ThreadPoolExecutor(SENDERS) as pool:
        for future in [pool.submit(post_some) for _ in range(SENDERS)]:
            future.result()
    return sent_at


def _event(event_id: str, member: str) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": "bench",
            "type": "points.adjusted",
            "subject": member,
            "data": {"points": 1, "reason": "bench"},
        }
    )


def _settle(site: BenchInstallation) -> None:
    """Wait until nothing is pending; a refused row means that a phone was not reached, and there is no figure."""
    pending = "SELECT count(*) FROM deliveries WHERE wanted_version > told_version AND parked IS"
    with psycopg.connect(_address(site), autocommit=True) as connection:
        _wait_for_none(connection, f"{pending} NULL", _SETTLED_WITHIN_S)
        _wait_for_none(connection, f"{pending} NOT NULL", 0)


def _wait_for_none(connection: psycopg.Connection, count: LiteralString, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while (left := connection.execute(count).fetchone()) != (0,):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the worker did not get done: {count} says {left} after {within_s:.0f} s")
        time.sleep(0.05)


def _address(site: BenchInstallation) -> str:
    return site.environment["WALLET_DATABASE_URL"].replace("+psycopg", "")
