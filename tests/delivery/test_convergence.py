"""Pushes that vanish and phones that never come: whoever can be reached shows the last state, the others are counted.

`TEST_SEED=N` replays the choices of an earlier run.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from random import Random

import orjson

from tests.chaos.fleet import Fleet, Phone
from tests.conftest import OpenSystem
from tests.delivery.brands import add_phones
from tests.system import System, eventually
from wallet_service.delivery.status import queue_statuses

PHONES, OFF, LOST = 100, 5, 0.3
MOST = 12
"""So many reminders that a reachable phone misses all of them once in millions of runs."""


def a_fleet(system: System, seed: int) -> Fleet:
    """The phones of the system's brand, some of them switched off."""
    chance = Random(seed)
    add_phones(system, "lumiere", PHONES)
    rows = system.rows(
        "SELECT m.member_id, c.serial_number, c.auth_token, d.device_library_id, d.push_token FROM registrations r"
        " JOIN cards c ON c.id = r.card_id JOIN members m ON m.id = c.member_pk JOIN devices d ON d.id = r.device_id"
        " ORDER BY r.id"
    )
    off = set(chance.sample(range(PHONES), OFF))
    phones = [
        Phone(
            member_id=row["member_id"],
            serial=row["serial_number"],
            auth_token=row["auth_token"],
            device=row["device_library_id"],
            push_token=row["push_token"],
            reachable=number not in off,
        )
        for number, row in enumerate(rows)
    ]
    return Fleet(phones, system.apns, system.url, chance)


def all_told(system: System) -> bool:
    """Whether nobody waits for an announcement or for a reminder that is due."""
    query = (
        "SELECT FROM deliveries WHERE (wanted_version > told_version OR again_at <= :now) AND kind = 'apple' LIMIT 1"
    )
    return not system.rows(query, now=system.clock())


def shows(phones: Sequence[Phone], points: int, replay: str) -> None:
    """Wait until all these phones show so many points."""
    try:
        eventually(lambda: all(phone.points == points for phone in phones))
    except AssertionError as error:
        raise AssertionError(f"{sum(phone.points != points for phone in phones)} phones do not; {replay}") from error


def test_every_reachable_phone_converges_and_the_others_are_counted(open_system: OpenSystem) -> None:
    seed = int(os.environ.get("TEST_SEED") or secrets.randbelow(10**6))
    replay = f"replay with TEST_SEED={seed}"
    system = open_system(WALLET_ANNOUNCE_AGAIN_AFTER_S="10", WALLET_ANNOUNCE_AGAIN_MOST=str(MOST))
    with closing(a_fleet(system, seed)) as fleet:
        fleet.register_all()
        system.apns.lose(LOST, seed=seed)
        events = [
            {"specversion": "1.0", "id": phone.member_id, "source": "crm", "type": "balances.set"}
            | {"subject": phone.member_id, "data": {"sequence": 1, "points": 5}}
            for phone in fleet.phones
        ]
        reachable = [phone for phone in fleet.phones if phone.reachable]
        with system.working():
            system.api.ok("POST", "/events", b"\n".join(map(orjson.dumps, events)), Content_Type="application/x-ndjson")
            for _ in range(MOST + 2):
                eventually(lambda: all_told(system))
                system.clock.advance(timedelta(days=1))
            eventually(lambda: all_told(system))
            shows(reachable, 5, replay)
            with system.services.sessions() as db:
                (queue,) = [one for one in queue_statuses(db, now=system.clock()) if one.kind == "apple"]
            stale = {one["serial_number"] for one in system.api.ok("GET", "/deliveries?state=stale")["items"]}
            away = [phone for phone in fleet.phones if not phone.reachable]
            assert stale == {phone.serial for phone in away}, replay
            assert queue.stale == OFF, replay
            assert any(one.lost for one in system.apns.announcements), replay
            system.apns.lose(0)
            for phone in away:
                fleet.switch_on(phone)
            shows(fleet.phones, 5, replay)
    assert system.api.ok("GET", "/deliveries?state=stale")["items"] == [], replay
