"""More brands for a system, each with its own pass type and certificate, and phones for them by the thousand."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from tests.system import TEAM, Api, System
from wallet_service.programs.apply import apply_program
from wallet_service.simulators.apple_pki import DevelopmentAuthority
from wallet_service.wallets.apple.certificates import development_trust
from wallet_service.web.api.callers import create_key

_PROGRAM = """
id = "{name}"
name = "Cercle {name}"
brand = "Maison {name}"
locales = ["fr"]
time_zone = "Europe/Paris"
master = "crm"
template = "points-card"

[apple]
pass_type_id = "{pass_type}"
team_id = "{TEAM}"
organization_name = "Maison {name}"
certificate_file = "{name}.pem"
key_file = "{name}.key"
intermediate_file = "{name}.intermediate.pem"
"""


def add_brand(system: System, authority: DevelopmentAuthority, name: str) -> Api:
    """A programme `name` with the pass type `pass.example.{name}`, on Apple only; returns its API.

    The system's simulator must trust the authority.
    """
    pass_type = f"pass.example.{name}"
    chain = authority.issue(pass_type, TEAM, f"Maison {name}", system.clock())
    (system.folder / f"{name}.pem").write_bytes(chain.leaf_pem)
    (system.folder / f"{name}.key").write_bytes(chain.key_pem)
    (system.folder / f"{name}.intermediate.pem").write_bytes(chain.intermediate_pem)
    file = system.folder / f"{name}.toml"
    file.write_text(_PROGRAM.format(name=name, pass_type=pass_type, TEAM=TEAM), encoding="utf-8")
    with system.services.sessions.begin() as db:
        apply_program(
            db,
            file,
            templates_dir=system.services.settings.templates_dir,
            keys=system.services.keys,
            trust=development_trust(authority.root_pem),
            now=system.clock(),
        )
        return Api(system.url, create_key(db, name, "tests", role="technical", now=system.clock()))


_FURNISH = """
INSERT INTO members (program_id, member_id, first_name, card_number, created_at, updated_at)
    SELECT :name, 'P-' || n, 'Claire', (2900000000000 + n)::text, now(), now() FROM generate_series(1, :phones) n;
INSERT INTO balances (member_pk) SELECT id FROM members WHERE program_id = :name;
INSERT INTO cards (program_id, member_pk, serial_number, auth_token, link_token, issued_at, version,
    template_version_id)
    SELECT :name, m.id, md5('s' || m.id), md5('a' || m.id), md5('l' || m.id), now(), 1, p.template_version_id
    FROM members m, programs p WHERE m.program_id = :name AND p.program_id = :name;
INSERT INTO devices (program_id, device_library_id, push_token, updated_at)
    SELECT :name, 'D-' || m.member_id, md5(:name || m.member_id) || md5(m.member_id), now()
    FROM members m WHERE m.program_id = :name;
INSERT INTO registrations (device_id, card_id, registered_at, fetched_version)
    SELECT d.id, c.id, now(), 1 FROM cards c JOIN members m ON m.id = c.member_pk
    JOIN devices d ON d.program_id = c.program_id AND d.device_library_id = 'D-' || m.member_id
    WHERE c.program_id = :name;
INSERT INTO deliveries (card_id, program_id, kind, registration_id, wanted_version, told_version, wanted_at,
    next_attempt_at)
    SELECT r.card_id, :name, 'apple', r.id, 1, 1, now(), now() FROM registrations r JOIN cards c ON c.id = r.card_id
    WHERE c.program_id = :name;
UPDATE change_counters SET last = 2 WHERE program_id = :name;
SELECT m.member_id, d.push_token FROM members m
    JOIN devices d ON d.program_id = m.program_id AND d.device_library_id = 'D-' || m.member_id
    WHERE m.program_id = :name
"""


def add_phones(system: System, name: str, phones: int) -> dict[str, str]:
    """So many members of a brand (`P-1` …), each with a card on a phone that is told and never comes; returns
    member → push token.
    """
    with system.services.sessions.begin() as db:
        for statement in _FURNISH.split(";\n"):
            values = {"name": name} | ({"phones": phones} if ":phones" in statement else {})
            rows = db.execute(text(statement), values)
        token_of = {row.member_id: row.push_token for row in rows}
    for token in token_of.values():
        system.apns.connect_device(token, f"pass.example.{name}", lambda _push: None)
    return token_of


def owe_campaign(system: System, name: str, *, but_the_first: int = 0) -> None:
    """A change that concerns everybody: every phone of a brand is owed it, due for a minute; the first members were
    told already.
    """
    with system.services.sessions.begin() as db:
        db.execute(
            text("""
                UPDATE deliveries d SET wanted_version = 2, urgency = 1, next_attempt_at = :due,
                    told_version = CASE WHEN m.member_id = ANY(:told) THEN 2 ELSE 1 END
                FROM cards c JOIN members m ON m.id = c.member_pk
                WHERE c.id = d.card_id AND d.program_id = :name
            """),
            {
                "name": name,
                "due": system.clock() - timedelta(minutes=1),
                "told": [f"P-{number}" for number in range(1, but_the_first + 1)],
            },
        )
