"""Events of a programme that keeps its own points: through the ledger, and onto the card."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from click.testing import CliRunner, Result
from psycopg.types.json import Jsonb
from sqlalchemy import text
from sqlalchemy.orm import sessionmaker
from structlog.testing import capture_logs

from tests.conftest import OpenSystem
from tests.routes.test_erasure import whole_database
from tests.system import System, eventually
from wallet_service.cli import main
from wallet_service.loyalty.ledger.audit import audit_all, audit_program
from wallet_service.loyalty.ledger.walk import book_what_is_due
from wallet_service.metrics import LEDGER_DIFFERENCES
from wallet_service.storage.engine import Database

JSON = dict[str, Any]


@pytest.fixture
def brand(open_system: OpenSystem) -> System:
    system: System = open_system(master="builtin")
    system.enrol()
    return system


def event(event_id: str, kind: str, source: str = "till-3", **data: Any) -> JSON:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": kind,
        "subject": "M-1",
        "data": data,
    }


def purchase(event_id: str, order_id: str, cents: int, **more: Any) -> JSON:
    return event(event_id, "purchase.completed", order_id=order_id, paid=euros(cents)) | more


def refund(event_id: str, order_id: str, cents: int, **more: Any) -> JSON:
    return event(event_id, "return.accepted", refund_id=event_id, order_id=order_id, refunded=euros(cents), **more)


def euros(cents: int) -> JSON:
    return {"amount": cents, "currency": "EUR"}


def points(system: System) -> int:
    answer: int = system.api.ok("GET", "/members/M-1")["balances"]["points"]
    return answer


def differences(system: System) -> tuple[object, ...]:
    return audit_program(system.services.sessions, "lumiere", now=system.clock()).differences


def set_rules(system: System, **rules: Any) -> None:
    """The programme's rules, as applying its file would leave them."""
    with system.services.sessions.begin() as db:
        document = db.execute(text("SELECT document FROM programs")).scalar_one()
        document["rules"] = document["rules"] | rules
        statement = text("UPDATE programs SET document = :document, updated_at = :now").bindparams(now=system.clock())
        db.execute(statement.bindparams(document=Jsonb(document)))


def test_refunds_take_back_what_their_order_has_earned(brand: System) -> None:
    brand.api.ok("POST", "/events", purchase("e-1", "o-1", 5990))
    for number, (cents, left) in enumerate(((1997, 39), (1997, 19), (1996, 0))):
        assert brand.api.ok("POST", "/events", refund(f"r-{number}", "o-1", cents))["status"] == "applied"
        assert points(brand) == left
    assert differences(brand) == ()


def test_a_refund_that_comes_first_waits_for_its_order(brand: System) -> None:
    early = brand.api.ok("POST", "/events", refund("r-1", "o-1", 1000, order_source="web-shop"))
    assert early == {"id": "r-1", "status": "applied", "detail": "kept until its order arrives"}
    assert points(brand) == 0
    brand.api.ok("POST", "/events", purchase("e-1", "o-1", 4000))  # another source's order of the same number
    assert points(brand) == 40
    brand.api.ok("POST", "/events", purchase("e-2", "o-1", 4000, source="web-shop"))
    assert points(brand) == 70
    assert differences(brand) == ()


def test_an_order_earns_once_under_whatever_event(brand: System) -> None:
    card = brand.api.ok("GET", "/members/M-1")["serial_number"]
    told = [brand.api.ok("POST", "/events", purchase(f"e-{number}", "o-1", 4000))["status"] for number in range(2)]
    assert told == ["applied", "repeated"]
    assert brand.card(card)["face"]["points"]["value"] == "40"
    other = brand.api("POST", "/events", purchase("e-3", "o-1", 4100))
    assert (other.status_code, other.json()["faults"][0]["code"]) == (422, "conflict")
    assert brand.rows("SELECT sum(purchases) AS n FROM member_stores") == [{"n": 1}]


@pytest.mark.parametrize(
    ("data", "path", "code"),
    [
        ({"refunded": euros(0)}, "data.refunded.amount", "greater_than"),
        ({"refunded": {"amount": 100, "currency": "USD"}}, "data.refunded.currency", "other_currency"),
        ({"refund_id": ""}, "data.refund_id", "string_too_short"),
    ],
)
def test_a_refund_that_is_wrong_is_refused_with_its_path(brand: System, data: JSON, path: str, code: str) -> None:
    brand.api.ok("POST", "/events", purchase("e-1", "o-1", 4000))
    wrong = refund("r-1", "o-1", 100)
    answer = brand.api("POST", "/events", wrong | {"data": wrong["data"] | data})
    faults = [(fault["path"], fault["code"]) for fault in answer.json()["faults"]]
    assert (answer.status_code, faults) == (422, [(path, code)])
    assert points(brand) == 40


def test_more_than_is_there_is_not_taken_by_an_adjustment(brand: System) -> None:
    brand.api.ok("POST", "/events", event("a-1", "points.adjusted", points=20, reason="welcome"))
    assert brand.api("POST", "/events", event("a-2", "points.adjusted", points=-21, reason="oops")).status_code == 422
    brand.api.ok("POST", "/events", event("a-3", "points.adjusted", points=-5, reason="oops"))
    assert points(brand) == 15
    assert brand.rows("SELECT reason, actor FROM ledger_transactions WHERE effect_key = 'adjust:till-3:a-3'") == [
        {"reason": "oops", "actor": "event:till-3"}
    ]


def test_a_refund_of_a_programme_of_a_crm_opens_no_account(system: System) -> None:
    """Offers take it off their revenue; the points are the CRM's."""
    system.enrol()
    assert system.api.ok("POST", "/events", refund("r-1", "o-1", 100))["status"] == "applied"
    assert system.rows("SELECT FROM ledger_accounts") == []


def test_scenario_10_opening_balances_twice_are_as_once(open_system: OpenSystem) -> None:
    """In short: 300 members, in batches that are sent twice."""
    system = open_system(master="builtin")
    members = [event(f"m-{number}", "member.updated") | {"subject": f"M-{number}"} for number in range(300)]
    opening = [
        event(f"b-{number}", "balances.set", sequence=1, points=number) | {"subject": f"M-{number}"}
        for number in range(300)
    ]
    again = [one | {"id": f"again {one['id']}"} for one in opening]
    statuses = []
    for batch in (members, opening, opening, again):
        answer = system.api.ok("POST", "/events", batch, Content_Type="application/cloudevents-batch+json")
        statuses.append({one["status"] for one in answer["results"]})
    assert statuses == [{"applied"}, {"applied"}, {"repeated"}, {"ignored"}]
    total = sum(range(300))
    assert system.rows("SELECT sum(available) AS n, count(*) AS k FROM ledger_accounts") == [{"n": total, "k": 300}]
    assert system.rows("SELECT sum(points) AS n FROM balances") == [{"n": total}]
    assert differences(system) == ()


def test_scenario_1_the_card_shows_points_once_the_return_window_has_passed(brand: System) -> None:
    """Also I14, and 2.5: the periodic task books, and the card gets one new version."""
    set_rules(brand, pending_days=14)
    card = brand.api.ok("GET", "/members/M-1")["serial_number"]
    for number in range(3):
        brand.api.ok("POST", "/events", purchase(f"e-{number}", f"o-{number}", 1000))
    before = brand.card(card)
    assert before["face"]["points"]["value"] == "0"
    brand.clock.advance(timedelta(days=16))
    assert book_what_is_due(brand.services.sessions, now=brand.clock()) == {"postings": 3, "failed": 0}
    with brand.working():
        eventually(lambda: brand.card(card)["face"]["points"]["value"] == "30")
    assert brand.card(card)["version"] == before["version"] + 1
    assert points(brand) == 30


def test_an_erased_member_leaves_entries_without_a_person(brand: System) -> None:
    brand.api.ok("POST", "/events", purchase("e-1", "commande-de-Quincampoix", 4000))
    brand.api.ok("POST", "/events", refund("r-1", "commande-de-Quincampoix", 500, reason="Quincampoix s’est trompée"))
    brand.api.ok("POST", "/events", refund("r-2", "autre-de-Quincampoix", 500))
    brand.api.ok("POST", "/events", event("a-1", "points.adjusted", points=5, reason="excuses à Mme Quincampoix"))
    assert "Quincampoix" in whole_database(brand)
    entries = brand.rows("SELECT * FROM ledger_entries ORDER BY number")
    assert brand.api("DELETE", "/members/M-1").status_code == 204
    assert "Quincampoix" not in whole_database(brand)
    assert brand.rows("SELECT * FROM ledger_entries ORDER BY number") == entries
    assert brand.rows("SELECT member_pk, available FROM ledger_accounts") == [{"member_pk": None, "available": 40}]
    assert differences(brand) == ()
    brand.enrol()
    brand.api.ok("POST", "/events", purchase("e-9", "o-9", 1000))
    assert points(brand) == 10


def test_the_nightly_audit_tells_of_a_difference(brand: System) -> None:
    brand.api.ok("POST", "/events", purchase("e-1", "o-1", 4000))
    assert audit_all(brand.services.sessions, now=brand.clock()) == {"accounts": 1, "differences": 0}
    with brand.services.sessions.begin() as db:
        db.execute(text("UPDATE balances SET points = 41"))
    with capture_logs() as logged:
        assert audit_all(brand.services.sessions, now=brand.clock()) == {"accounts": 1, "differences": 1}
    assert LEDGER_DIFFERENCES.labels("lumiere")._value.get() == 1
    assert "ledger_differs" in [line["event"] for line in logged]


def run(system: System, *arguments: str) -> Result:
    environment = {**system.environment, "WALLET_DATABASE_URL": system.services.database.libpq_url}
    return CliRunner(env=environment).invoke(main, arguments)


def test_points_audit_ends_with_1_where_something_differs(brand: System) -> None:
    brand.api.ok("POST", "/events", purchase("e-1", "o-1", 4000))
    good = run(brand, "points", "audit", "--program", "lumiere")
    assert (good.exit_code, "1 accounts, 2 entries, 0 differences" in good.output) == (0, True)
    with brand.services.sessions.begin() as db:
        db.execute(text("UPDATE balances SET points = 41"))
    bad = run(brand, "points", "audit", "--program", "lumiere")
    assert (bad.exit_code, "I6: the balance says 41, and the ledger 40" in bad.output) == (1, True)
    assert run(brand, "points", "audit", "--program", "nobody").exit_code == 1


def test_points_soak_prints_the_seed_that_repeats_it() -> None:
    first = CliRunner().invoke(main, ["points", "soak", "--operations", "300", "--seed", "11"])
    again = CliRunner().invoke(main, ["points", "soak", "--operations", "300", "--seed", "11"])
    assert first.exit_code == 0
    assert first.output == again.output
    assert "seed 11" in first.output


def test_balances_from_before_the_ledger_become_lots(new_database: Callable[[], Database]) -> None:
    """The migration, as it runs on an installation that has kept points already."""

    database = new_database()
    migration = import_module("wallet_service.storage.migrations.versions.m0020_ledger")
    sessions = sessionmaker(database.engine)
    with database.engine.begin() as connection:
        tables = ["ledger_parked_refunds", "ledger_orders", "ledger_reservations", "ledger_lots", "ledger_entries"]
        for table in (*tables, "ledger_transactions", "ledger_accounts"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("DROP FUNCTION refuse_ledger_change, refuse_ledger_change_but_forgetting"))
        connection.execute(
            text(
                "INSERT INTO template_versions (template_id, digest, archive, created_at) VALUES ('t', 'd', '', now())"
            )
        )
        for program, master in (("ours", "builtin"), ("theirs", "crm")):
            connection.execute(
                text(
                    "INSERT INTO programs (program_id, name, document, template_version_id, updated_at) "
                    "SELECT :program, 'n', jsonb_build_object('master', CAST(:master AS text)), id, now()"
                    " FROM template_versions"
                ),
                {"program": program, "master": master},
            )
            for name, points in (("rich", 120), ("poor", 0), ("owing", -30)):
                values = {"program": program, "name": name, "points": points}
                connection.execute(
                    text(
                        "WITH m AS (INSERT INTO members (program_id, member_id, card_number, created_at, updated_at)"
                        " VALUES (:program, :name, :name, now(), now()) RETURNING id)"
                        " INSERT INTO balances (member_pk, points) SELECT id, :points FROM m"
                    ),
                    values,
                )
        with Operations.context(MigrationContext.configure(connection)):
            migration.upgrade()
    with sessions() as db:
        found = db.execute(
            text(
                "SELECT m.program_id, m.member_id, a.available, a.debt FROM ledger_accounts a"
                " JOIN members m ON m.id = a.member_pk ORDER BY a.id"
            )
        ).all()
    assert [tuple(row) for row in found] == [("ours", "rich", 120, 0), ("ours", "owing", 0, 30)]

    audit = audit_program(sessions, "ours", now=datetime.now(UTC))
    assert (audit.accounts, audit.entries, audit.differences) == (2, 4, ())
    database.close()
