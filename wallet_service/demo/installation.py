"""The demo's installation: database, simulators, programmes, keys, the web and worker processes, and the phones."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import requests

from wallet_service.clock import system_clock
from wallet_service.demo.brand import ISSUER_ID, MEMBERS, POINTS, PROGRAMS, STAMPS, STORES, TEAM_ID, TOUR_MEMBER
from wallet_service.demo.processes import free_port, running, wait_until_ready
from wallet_service.errors import SettingsError
from wallet_service.programs.apply import apply_program
from wallet_service.services import build_services
from wallet_service.settings import settings_from
from wallet_service.simulators.apns import ApnsSimulator
from wallet_service.simulators.apple_pki import DevelopmentAuthority
from wallet_service.simulators.google.simulator import GoogleSimulator
from wallet_service.simulators.phones.android import Android
from wallet_service.simulators.phones.iphone import Iphone
from wallet_service.storage import embedded, engine, schema
from wallet_service.web.api.callers import create_key

WEB_PORT = 8000
_SAY = Callable[[str], None]


@dataclass(frozen=True)
class Api:
    """One programme's JSON API, called as a CRM calls it."""

    base: str
    key: str

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """One call that must succeed; returns its JSON.

        Raises:
            requests.HTTPError: the answer is a refusal.
        """
        headers = {"Authorization": f"Bearer {self.key}"}
        response = requests.request(method, f"{self.base}{path}", json=body, headers=headers, timeout=30)
        response.raise_for_status()
        return response.json() if response.content else None


@dataclass(frozen=True, kw_only=True)
class DemoInstallation:
    """The running parts of the demo: web, simulators, phones."""

    url: str
    apis: Mapping[str, Api]
    apns: ApnsSimulator
    google: GoogleSimulator
    iphone: Iphone
    android: Android
    environment: Mapping[str, str]

    @property
    def api(self) -> Api:
        """The points programme's API."""
        return self.apis[POINTS.program_id]


@contextmanager
def start_installation(
    data_dir: Path, templates_dir: Path, say: _SAY, *, port: int = WEB_PORT
) -> Iterator[DemoInstallation]:
    """Build everything in `data_dir`/demo, and take it down in reverse order; another `port` if that one is taken.

    Raises:
        SettingsError: another demo runs there, or a process does not start.
    """
    folder = data_dir.resolve() / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as cleanup:
        _keep_others_out(folder, cleanup)
        say("database: an embedded PostgreSQL")
        database_url = _fresh_database(folder, cleanup)
        say("simulators: APNs, Google Wallet, an iPhone, an Android phone")
        authority = DevelopmentAuthority.make(system_clock())
        apns = cleanup.enter_context(ApnsSimulator(authority.root_pem))
        google = cleanup.enter_context(GoogleSimulator())
        url = f"http://127.0.0.1:{free_port(port)}"
        environment = {
            "WALLET_PUBLIC_URL": url,
            "WALLET_DATABASE_URL": database_url,
            "WALLET_DATA_DIR": str(folder),
            "WALLET_TEMPLATES_DIR": str(templates_dir),
            "WALLET_APNS_URL": apns.url,
            "WALLET_APNS_CA_FILE": str(apns.write_ca(folder / "apns-ca.pem")),
            "WALLET_APPLE_ROOT_FILE": str(folder / "root.pem"),
            "WALLET_GOOGLE_API_URL": google.url,
            "WALLET_GOOGLE_KEYS_URL": google.keys_url,
            "WALLET_GOOGLE_SAVE_URL": google.save_url,
            "WALLET_ANNOUNCE_SPACING_S": "0",
            "WALLET_ANNOUNCE_PER_HOUR": "0",
            "WALLET_CAMPAIGN_SPREAD_S": "0",
        }
        _write_files(folder, authority, google.make_service_account(ISSUER_ID))
        keys = _apply_programs(folder, environment)
        say(f"processes: web on {url}, worker")
        arguments = ["serve", "--port", url.rsplit(":", 1)[1]]
        cleanup.enter_context(running("web", arguments, environment, folder))
        cleanup.enter_context(running("worker", ["worker"], environment, folder))
        wait_until_ready(url, folder)
        installation = DemoInstallation(
            url=url,
            apis={program_id: Api(f"{url}/api/v1", key) for program_id, key in keys.items()},
            apns=apns,
            google=google,
            iphone=cleanup.enter_context(Iphone(apns, roots_pem=authority.root_pem, allow_http=True)),
            android=cleanup.enter_context(Android(google)),
            environment=environment,
        )
        _create_members(installation)
        yield installation


def _keep_others_out(folder: Path, cleanup: ExitStack) -> None:
    lock = cleanup.enter_context((folder / "running").open("wb"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise SettingsError(f"a demo is running in {folder} already; stop it, or set WALLET_DATA_DIR") from error


def _fresh_database(folder: Path, cleanup: ExitStack) -> str:
    server = embedded.start(folder)
    cleanup.callback(server.close)
    with psycopg.connect(server.url("postgres").replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {engine.DATABASE_NAME} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {engine.DATABASE_NAME}")
    url = server.url(engine.DATABASE_NAME)
    database = engine.connect(url)
    schema.upgrade(database.engine)
    database.close()
    return url


def _write_files(folder: Path, authority: DevelopmentAuthority, account: Mapping[str, str]) -> None:
    for program in PROGRAMS:
        chain = authority.issue(program.pass_type_id, TEAM_ID, "Maison Lumière", system_clock())
        for name, content in program.files(chain).items():
            (folder / name).write_bytes(content)
    (folder / "google-account.json").write_text(json.dumps(account), encoding="utf-8")


def _apply_programs(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Apply the programmes' files and make an API key for each."""
    services = build_services(settings_from(environment))
    try:
        with services.sessions.begin() as db:
            for program in PROGRAMS:
                apply_program(
                    db,
                    folder / f"{program.program_id}.toml",
                    templates_dir=services.settings.templates_dir,
                    keys=services.keys,
                    trust=services.trust,
                    now=services.clock(),
                )
            return {
                program.program_id: create_key(db, program.program_id, "demo", role="technical", now=services.clock())
                for program in PROGRAMS
            }
    finally:
        services.close()


def _create_members(installation: DemoInstallation) -> None:
    """Shops and members, through the API; the tour enrols its own member itself."""
    for program in (POINTS, STAMPS):
        api = installation.apis[program.program_id]
        for store_id, store in STORES.items():
            api("PUT", f"/stores/{store_id}", store)
        for member_id, member in MEMBERS.items():
            if member_id != TOUR_MEMBER:
                api("PUT", f"/members/{member_id}", member)
                api("POST", f"/members/{member_id}/card")
