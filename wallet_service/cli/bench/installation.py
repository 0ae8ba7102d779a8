"""A small installation for figures: a programme on Apple Wallet in a database of its own, thrown away afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from wallet_service.clock import system_clock
from wallet_service.demo.brand import TEAM_ID, DemoProgram
from wallet_service.demo.processes import free_port
from wallet_service.programs.apply import apply_program
from wallet_service.services import build_services
from wallet_service.settings import settings_from
from wallet_service.simulators.apns import ApnsSimulator
from wallet_service.simulators.apple_pki import DevelopmentAuthority
from wallet_service.storage import embedded, engine, schema
from wallet_service.web.api.callers import create_key

PROGRAM = DemoProgram(
    program_id="bench",
    name="Bench",
    pass_type_id="pass.example.bench",  # noqa: S106 an identifier, not a password
    template="points-card",
    points_per_unit=1,
    stamps_per_purchase=0,
)
_MEMBERS = """
INSERT INTO members (program_id, member_id, first_name, card_number, created_at, updated_at)
    SELECT 'bench', 'M-' || n, 'Member', (2900000000000 + n)::text, now(), now() FROM generate_series(1, :cards) n;
INSERT INTO balances (member_pk, points) SELECT id, 0 FROM members;
INSERT INTO cards (program_id, member_pk, serial_number, auth_token, link_token, issued_at, recompose_at,
template_version_id)
    SELECT 'bench', m.id, md5('s' || m.id), md5('a' || m.id), md5('l' || m.id), now(), now(), p.template_version_id
    FROM members m, programs p
"""


@dataclass(frozen=True, kw_only=True)
class BenchInstallation:
    """What a figure is measured on. `environment` is for its processes, `key` opens the JSON API."""

    folder: Path
    url: str
    environment: dict[str, str]
    key: str
    apns: ApnsSimulator


@contextmanager
def bench_installation(cards: int) -> Iterator[BenchInstallation]:
    """Build it with `cards` members, each with a card that waits to be composed for the first time."""
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="wallet-bench-")))
        server = embedded.start(folder)
        cleanup.callback(server.close)
        authority = DevelopmentAuthority.make(system_clock())
        apns = cleanup.enter_context(ApnsSimulator(authority.root_pem))
        url = f"http://127.0.0.1:{free_port(0)}"
        environment = {
            "WALLET_PUBLIC_URL": url,
            "WALLET_DATABASE_URL": server.url("postgres"),
            "WALLET_DATA_DIR": str(folder),
            "WALLET_APNS_URL": apns.url,
            "WALLET_APNS_CA_FILE": str(apns.write_ca(folder / "apns-ca.pem")),
            "WALLET_APPLE_ROOT_FILE": str(folder / "root.pem"),
            "WALLET_ANNOUNCE_SPACING_S": "0",
            "WALLET_ANNOUNCE_PER_HOUR": "0",
            "WALLET_CAMPAIGN_SPREAD_S": "0",
        }
        chain = authority.issue(PROGRAM.pass_type_id, TEAM_ID, "Maison Lumière", system_clock())
        for name, content in PROGRAM.files(chain).items():
            (folder / name).write_bytes(content)
        document = PROGRAM.document().partition("[google]")[0]
        (folder / "bench.toml").write_text(document, encoding="utf-8")
        yield BenchInstallation(
            folder=folder, url=url, environment=environment, key=_create_members(folder, environment, cards), apns=apns
        )


def _create_members(folder: Path, environment: dict[str, str], cards: int) -> str:
    settings = settings_from(environment)
    database = engine.open_database(settings)
    schema.upgrade(database.engine)
    services = build_services(settings, database=database)
    try:
        with services.sessions.begin() as db:
            apply_program(
                db,
                folder / "bench.toml",
                templates_dir=settings.templates_dir,
                keys=services.keys,
                trust=services.trust,
                now=services.clock(),
            )
            for statement in _MEMBERS.split(";\n"):
                db.execute(text(statement), {"cards": cards} if ":cards" in statement else {})
            return create_key(db, "bench", "bench", role="technical", now=services.clock())
    finally:
        services.close()
