"""A whole installation for one test: its own database, real keys, simulators on real sockets, phones, and the
workers.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import requests
from flask import Flask
from sqlalchemy import text
from werkzeug.serving import BaseWSGIServer, make_server

from wallet_service import create_app
from wallet_service.access.passwords import Passwords
from wallet_service.delivery.worker import Worker
from wallet_service.programs.apply import Applied, apply_program
from wallet_service.services import Services, build_services
from wallet_service.settings import settings_from
from wallet_service.simulators.apns import ApnsSimulator
from wallet_service.simulators.apple_pki import Chain
from wallet_service.simulators.google.simulator import GoogleSimulator
from wallet_service.simulators.phones.android import Android
from wallet_service.simulators.phones.iphone import Iphone
from wallet_service.storage.engine import Database
from wallet_service.wallets.apple.certificates import development_trust
from wallet_service.web.api.callers import create_key

PASS_TYPE, TEAM, ISSUER = "pass.example.lumiere", "LUMIERE123", "3388000000012345678"
SECRET = "a secret for tests only, long enough to be one"
_DEADLINE_S = 60.0

PROGRAM = f"""
id = "lumiere"
name = "Cercle Lumière"
brand = "Maison Lumière"
locales = ["fr", "en"]
time_zone = "Europe/Paris"
master = "%(master)s"
template = "%(template)s"

[apple]
pass_type_id = "{PASS_TYPE}"
team_id = "{TEAM}"
organization_name = "Maison Lumière"
certificate_file = "leaf.pem"
key_file = "leaf.key"
intermediate_file = "intermediate.pem"

"""
GOOGLE = f"""
[google]
issuer_id = "{ISSUER}"
service_account_file = "account.json"
"""


@dataclass
class MovableClock:
    """The real time, plus what a test has added."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def advance(self, span: timedelta) -> None:
        """Let time pass."""
        self.ahead += span


@dataclass
class Api:
    """The JSON API as a CRM calls it."""

    base: str
    key: str
    session: requests.Session = field(default_factory=requests.Session)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        """One call; `body` travels as JSON unless it is bytes."""
        content = body if isinstance(body, bytes) else None if body is None else orjson.dumps(body)
        given = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.request(method, f"{self.base}/api/v1{path}", data=content, headers=given, timeout=30)

    def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One call that must succeed; returns its JSON."""
        response = self(method, path, body, **headers)
        assert response.ok, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None


@dataclass
class System:
    """The installation. Its worker runs only where a test starts it."""

    services: Services
    clock: MovableClock
    url: str
    api: Api
    apns: ApnsSimulator
    google: GoogleSimulator
    chain: Chain
    folder: Path
    environment: dict[str, str]
    app: Flask
    _cleanup: ExitStack

    def iphone(self, **options: Any) -> Iphone:
        """A new iPhone that trusts the development chain."""
        phone = Iphone(self.apns, roots_pem=self.chain.root_pem, allow_http=True, **options)
        self._cleanup.callback(phone.close)
        return phone

    def android(self, **options: Any) -> Android:
        """A new Android phone with its own Google account."""
        phone = Android(self.google, **options)
        self._cleanup.callback(phone.close)
        return phone

    def enrol(self, member_id: str = "M-1", **member: Any) -> dict[str, Any]:
        """A member with a card; returns the card's answer."""
        self.api.ok("PUT", f"/members/{member_id}", {"first_name": "Claire", "last_name": "Moreau"} | member)
        card: dict[str, Any] = self.api.ok("POST", f"/members/{member_id}/card")
        return card

    def set_points(self, member_id: str, points: int, sequence: int) -> None:
        """The CRM's absolute word on the points."""
        self.api.ok("PUT", f"/members/{member_id}/balances", {"sequence": sequence, "points": points})

    def apply(
        self, file: Path | None = None, *, templates_dir: Path | None = None, although_issued: bool = False
    ) -> Applied:
        """Apply the programme's file, or another, as `programs apply` does."""
        services = self.services
        with services.sessions.begin() as db:
            return apply_program(
                db,
                file or self.folder / "program.toml",
                templates_dir=templates_dir or services.settings.templates_dir,
                keys=services.keys,
                trust=services.trust,
                now=self.clock(),
                although_issued=although_issued,
            )

    def card(self, serial_number: str) -> dict[str, Any]:
        """The card as the API tells it."""
        answer: dict[str, Any] = self.api.ok("GET", f"/cards/{serial_number}")
        return answer

    @contextmanager
    def working(self) -> Iterator[Worker]:
        """A worker in this process, for as long as the block lasts."""
        worker = self.services.worker()
        thread = threading.Thread(target=worker.run, name="worker")
        thread.start()
        try:
            yield worker
        finally:
            worker.stop()
            thread.join()

    def worker_process(self) -> subprocess.Popen[bytes]:
        """A worker as production has it: a process of its own, which a test may kill at any moment."""
        environment = os.environ | self.environment | {"WALLET_DATABASE_URL": self.services.database.url}
        process = subprocess.Popen(
            [sys.executable, "-m", "wallet_service", "worker"], env=environment, stderr=subprocess.DEVNULL
        )
        self._cleanup.callback(_end, process)
        return process

    def rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        """What the database says."""
        with self.services.sessions() as db:
            return [dict(row) for row in db.execute(text(query), parameters).mappings()]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def write_program(folder: Path, chain: Chain, account: dict[str, str] | None, *, master: str, template: str) -> Path:
    """The sample programme's file with its keys beside it; without an account it is on Apple only."""
    (folder / "leaf.pem").write_bytes(chain.leaf_pem)
    (folder / "leaf.key").write_bytes(chain.key_pem)
    (folder / "intermediate.pem").write_bytes(chain.intermediate_pem)
    (folder / "root.pem").write_bytes(chain.root_pem)
    document = PROGRAM % {"master": master, "template": template}
    if account is not None:
        (folder / "account.json").write_bytes(orjson.dumps(account))
        document += GOOGLE
    path = folder / "program.toml"
    path.write_text(document, encoding="utf-8")
    return path


@contextmanager
def running_system(
    database: Database, chain: Chain, folder: Path, *, master: str = "crm", template: str = "points-card", **env: str
) -> Iterator[System]:
    """Build it all on `database`, and tear it down in reverse order."""
    with ExitStack() as cleanup:
        clock = MovableClock()
        apns = cleanup.enter_context(ApnsSimulator(chain.root_pem, clock=clock))
        google = cleanup.enter_context(GoogleSimulator(clock=clock))
        file = write_program(folder, chain, google.make_service_account(ISSUER), master=master, template=template)
        server = _idle_server()
        url = f"http://127.0.0.1:{server.server_port}"
        environment = {
            "WALLET_PUBLIC_URL": url,
            "WALLET_SECRET_KEY": SECRET,
            "WALLET_DATA_DIR": str(folder),
            "WALLET_APNS_URL": apns.url,
            "WALLET_APNS_CA_FILE": str(apns.write_ca(folder / "apns-ca.pem")),
            "WALLET_APPLE_ROOT_FILE": str(folder / "root.pem"),
            "WALLET_GOOGLE_API_URL": google.url,
            "WALLET_GOOGLE_KEYS_URL": google.keys_url,
            "WALLET_GOOGLE_SAVE_URL": google.save_url,
            "WALLET_ANNOUNCE_SPACING_S": "0",
            "WALLET_ANNOUNCE_PER_HOUR": "0",
            "WALLET_CAMPAIGN_SPREAD_S": "0",
            "WALLET_RETRY_FIRST_S": "0.05",
            "WALLET_RETRY_MOST_S": "1",
            "WALLET_POLL_S": "0.2",
        } | env
        settings = settings_from(environment)
        services = build_services(settings, database=database, clock=clock, passwords=Passwords.for_tests())
        cleanup.callback(services.close)
        app = create_app(services)
        server.app = app
        cleanup.enter_context(_serving(server))
        with services.sessions.begin() as db:
            apply_program(
                db,
                file,
                templates_dir=settings.templates_dir,
                keys=services.keys,
                trust=development_trust(chain.root_pem),
                now=clock(),
            )
            key = create_key(db, "lumiere", "tests", role="technical", now=clock())
        api = Api(url, key)
        cleanup.callback(api.session.close)
        yield System(services, clock, url, api, apns, google, chain, folder, environment, app, cleanup)


def _idle_server() -> BaseWSGIServer:
    """A server that has its port before it has its app: the app must know its own address."""
    server = make_server("127.0.0.1", 0, lambda _environ, _start: [], threaded=True)
    # Closing waits for what is still being answered, so that nothing is left open behind it.
    server.daemon_threads = False  # type: ignore[attr-defined]
    return server


@contextmanager
def _serving(server: BaseWSGIServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, name="web", kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def eventually(look: Any, *, within_s: float = _DEADLINE_S) -> Any:
    """Look again and again until the answer is true, or fail with the last one."""
    deadline = threading.Event()
    timer = threading.Timer(within_s, deadline.set)
    timer.start()
    try:
        while not (answer := look()):
            assert not deadline.wait(0.02), f"not within {within_s} s; the last look said {answer!r}"
    finally:
        timer.cancel()
    return answer
