"""The run: rounds of changes while workers are killed, the database is stopped, and APNs loses pushes and hangs up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import orjson
import psycopg
import requests

from tests.chaos.fleet import Fleet, Phone
from tests.chaos.killer import Killer
from tests.chaos.repeats import Repeats, explain
from tests.system import PASS_TYPE, SECRET, TEAM, write_program
from wallet_service.demo.processes import free_port, running, wait_until_ready
from wallet_service.programs.apply import apply_program
from wallet_service.services import build_services
from wallet_service.settings import settings_from
from wallet_service.simulators.apns import ApnsSimulator
from wallet_service.simulators.apple_pki import make_chain
from wallet_service.storage import embedded, engine, schema
from wallet_service.web.api.callers import create_key

BATCH = 500
OFF_SHARE, LOST_SHARE, AWAKE_SHARE = 0.02, 0.05, 0.02
SECOND_PHONE_EVERY = 10
"""Every tenth card is on a second phone, too."""
GOAWAY_EVERY = 1000
WORKERS = 2
KILLER_PATIENCE_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much goes wrong. `cards` are on a phone each, and some on two."""

    cards: int
    rounds: int
    kills: int
    restarts: int
    seed: int
    bound_s: float
    again_after_s: int = 15
    """Told and not fetched: told again after this. Short where there is little time, long where reminders would
    crowd.
    """

    @property
    def phones(self) -> int:
        """All phones."""
        return self.cards + -(-self.cards // SECOND_PHONE_EVERY)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of it. `stale` counts reachable phones that do not show the last state."""

    announcements: int
    repeats: Repeats
    lost: int
    kills: int
    restarts: int
    connections: int
    stale: int
    registrations_removed: int
    seconds: float

    def keeps_the_promise(self, plan: Plan) -> bool:
        """Whether no phone was left behind, although everything went wrong that should."""
        return (self.stale, self.registrations_removed, self.kills) == (0, 0, plan.kills)


def run(plan: Plan, say: Callable[[str, float], None]) -> Result:
    """Run the plan; `say` hears what happens and how much of the work is done (0 to 1)."""
    began, chance = time.monotonic(), Random(plan.seed)
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="wallet-chaos-")))
        site = _Site(folder, cleanup, plan.again_after_s)
        fleet = site.create_cards(plan, chance, say)
        cleanup.callback(fleet.close)
        site.apns.goaway_after(GOAWAY_EVERY)
        site.apns.lose(LOST_SHARE, seed=plan.seed)
        killing = Random(plan.seed + 1)
        killer = Killer(lambda: site.kill_worker(killing.randrange(WORKERS)), plan.kills, killing)
        began_at: list[datetime] = []
        restart_rounds = {round((n + 1) * plan.rounds / (plan.restarts + 1)) for n in range(plan.restarts)}
        with killer.at_work(patience_s=KILLER_PATIENCE_S):
            for number in range(1, plan.rounds + 1):
                fleet.awake_share = 1.0 if number == plan.rounds else AWAKE_SHARE
                began_at.append(datetime.now(UTC))
                site.change_all(fleet, number, chance)
                if number in restart_rounds:
                    site.restart_database()
                killer.round_begins(number, plan.rounds)
                site.wait_until_told(began + plan.bound_s)
                say(f"round {number}: every phone told", number / plan.rounds)
        fleet.awake_share = 1.0
        stale = site.wait_until_converged(fleet, plan.rounds, began + plan.bound_s)
        registrations = site.count("SELECT count(*) FROM registrations")
        announcements = site.apns.announcements
        off = {phone.push_token for phone in fleet.phones if not phone.reachable}
        return Result(
            announcements=len(announcements),
            repeats=explain(announcements, began_at, slept=fleet.slept, off=off),
            lost=sum(announcement.lost for announcement in announcements),
            kills=killer.kills,
            restarts=site.restarts,
            connections=site.apns.connections,
            stale=stale,
            registrations_removed=plan.phones - registrations,
            seconds=time.monotonic() - began,
        )


class _Site:
    """The installation: database, web and worker processes, and Apple's push service."""

    def __init__(self, folder: Path, cleanup: ExitStack, again_after_s: int) -> None:
        self.restarts = 0
        self._folder = folder
        self._server = embedded.start(folder)
        cleanup.callback(lambda: self._server.close())
        self._libpq_url = self._server.url("postgres").replace("+psycopg", "")
        chain = make_chain(PASS_TYPE, TEAM, "Maison Lumière", datetime.now(UTC))
        self.apns = cleanup.enter_context(ApnsSimulator(chain.root_pem))
        self.url = f"http://127.0.0.1:{free_port(0)}"
        program = write_program(folder, chain, None, master="crm", template="points-card")
        self._environment = {
            "WALLET_PUBLIC_URL": self.url,
            "WALLET_SECRET_KEY": SECRET,
            "WALLET_DATABASE_URL": self._server.url("postgres"),
            "WALLET_DATA_DIR": str(folder),
            "WALLET_APNS_URL": self.apns.url,
            "WALLET_APNS_CA_FILE": str(self.apns.write_ca(folder / "apns-ca.pem")),
            "WALLET_APPLE_ROOT_FILE": str(folder / "root.pem"),
            "WALLET_ANNOUNCE_SPACING_S": "0.1",
            "WALLET_ANNOUNCE_PER_HOUR": "60",
            "WALLET_CAMPAIGN_SPREAD_S": "0",
            "WALLET_ANNOUNCE_AGAIN_AFTER_S": str(again_after_s),
            "WALLET_ANNOUNCE_AGAIN_PER_DAY": "1000",
            "WALLET_ANNOUNCE_AGAIN_MOST": "1000",
            "WALLET_RETRY_FIRST_S": "0.1",
            "WALLET_RETRY_MOST_S": "2",
            "WALLET_APNS_TIMEOUT_S": "3",
            "WALLET_GOOGLE_TIMEOUT_S": "3",
            "WALLET_LEASE_S": "4",
            "WALLET_POLL_S": "0.5",
        }
        self._key = self._set_up(program)
        port = self.url.rsplit(":", 1)[1]
        cleanup.enter_context(running("web", ["serve", "--port", port], self._environment, folder))
        self.workers = [self._start_worker() for _ in range(WORKERS)]
        cleanup.callback(self._stop_workers)
        wait_until_ready(self.url, folder)

    def create_cards(self, plan: Plan, chance: Random, say: Callable[[str, float], None]) -> Fleet:
        """Members with cards, each on a phone."""
        members = [f"M-{number}" for number in range(plan.cards)]
        for start in range(0, len(members), BATCH):
            self._events(
                [_event(member, "member.updated", {"first_name": member}) for member in members[start:][:BATCH]]
            )
        session = requests.Session()
        for member in members:
            self._post(session, f"/members/{member}/card")
        with psycopg.connect(self._libpq_url) as connection:
            rows = connection.execute(
                "SELECT m.member_id, c.serial_number, c.auth_token FROM cards c JOIN members m ON m.id = c.member_pk"
                " ORDER BY c.id"
            ).fetchall()
        phones = [
            Phone(
                member_id=row[0],
                serial=row[1],
                auth_token=row[2],
                device=f"device-{number}",
                push_token=chance.randbytes(32).hex(),
                reachable=chance.random() >= OFF_SHARE,
            )
            for number, row in enumerate([*rows, *rows[::SECOND_PHONE_EVERY]])
        ]
        fleet = Fleet(phones, self.apns, self.url, chance)
        fleet.register_all()
        self.wait_until_told(time.monotonic() + 120)
        say(f"{len(phones)} phones registered", 0.0)
        return fleet

    def change_all(self, fleet: Fleet, number: int, chance: Random) -> None:
        """Every balance changes; events come shuffled, one in ten twice, one in ten followed by older news."""
        members = list(dict.fromkeys(phone.member_id for phone in fleet.phones))
        events = [_balance(member, number) for member in members]
        events += [_balance(member, number) for member in members if chance.random() < 0.1]
        events += [_balance(member, number - 1) for member in members if chance.random() < 0.1]
        chance.shuffle(events)
        for start in range(0, len(events), BATCH):
            self._events(events[start : start + BATCH])

    def restart_database(self) -> None:
        """Stop PostgreSQL as a power cut would, and start it again."""
        self._server.crash()
        self._server = embedded.start(self._folder)
        self.restarts += 1

    def kill_worker(self, index: int) -> None:
        """SIGKILL, and a new one in its place."""
        self.workers[index].kill()
        self.workers[index].wait()
        self.workers[index] = self._start_worker()

    def wait_until_told(self, deadline: float) -> None:
        """Until nothing is owed that was not at least announced once."""
        query = "SELECT count(*) FROM deliveries WHERE wanted_version > told_version AND repeats = 0"
        self._wait(lambda: self.count(query) == 0, deadline, "not every phone was told")

    def wait_until_converged(self, fleet: Fleet, points: int, deadline: float) -> int:
        """Until every reachable phone shows `points`; returns how many do not when the time is up."""
        waiting = [phone for phone in fleet.phones if phone.reachable]
        while time.monotonic() < deadline:
            waiting = [phone for phone in waiting if phone.points != points]
            if not waiting:
                return 0
            time.sleep(0.2)
        return len(waiting)

    def count(self, query: str) -> int:
        """One number out of the database, which may be away for a moment."""
        try:
            with psycopg.connect(self._libpq_url) as connection:
                row = connection.execute(query.encode()).fetchone()
        except psycopg.OperationalError:
            return -1
        return int(row[0]) if row else -1

    def _set_up(self, program: Path) -> str:
        database = engine.connect(self._environment["WALLET_DATABASE_URL"])
        schema.upgrade(database.engine)
        services = build_services(settings_from(self._environment), database=database)
        with services.sessions.begin() as db:
            apply_program(
                db,
                program,
                templates_dir=services.settings.templates_dir,
                keys=services.keys,
                trust=services.trust,
                now=services.clock(),
            )
            key = create_key(db, "lumiere", "chaos", role="technical", now=services.clock())
        services.close()
        return key

    def _start_worker(self) -> subprocess.Popen[bytes]:
        log = (self._folder / "workers.log").open("ab")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", "wallet_service", "worker"],
                env=os.environ | self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _stop_workers(self) -> None:
        for worker in self.workers:
            worker.send_signal(signal.SIGTERM)
        for worker in self.workers:
            worker.wait(30)

    def _events(self, events: list[dict[str, Any]]) -> None:
        body = b"\n".join(orjson.dumps(event) for event in events)
        self._post(requests.Session(), "/events", body, "application/x-ndjson")

    def _post(self, session: requests.Session, path: str, body: bytes = b"", kind: str = "application/json") -> None:
        """As a CRM does: until it is accepted. The events' own ids make that harmless."""
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": kind}
        deadline = time.monotonic() + 60
        while True:
            try:
                answer = session.post(f"{self.url}/api/v1{path}", data=body, headers=headers, timeout=60)
                if answer.ok:
                    return
                if answer.status_code < 500:
                    raise AssertionError(f"{path}: {answer.status_code} {answer.text[:500]}")
            except requests.RequestException:
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"{path} was not accepted within a minute")
            time.sleep(0.2)

    def _wait(self, holds: Callable[[], bool], deadline: float, otherwise: str) -> None:
        while not holds():
            if time.monotonic() > deadline:
                logs = (self._folder / "workers.log").read_text(errors="replace")[-3000:]
                raise AssertionError(f"{otherwise}\n{logs}")
            time.sleep(0.1)


def _event(member: str, kind: str, data: dict[str, Any], event_id: str | None = None) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id or f"{kind}-{member}",
        "source": "chaos",
        "type": kind,
        "subject": member,
        "data": data,
    }


def _balance(member: str, number: int) -> dict[str, Any]:
    return _event(member, "balances.set", {"sequence": number, "points": number}, f"{member}-{number}")
