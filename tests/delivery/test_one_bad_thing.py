"""B6: a card, an offer, a store or a key that is broken harms nothing but itself. C15: what has ended is not served."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import text
from structlog.testing import capture_logs

from tests.delivery.brands import add_brand
from tests.system import System, eventually
from wallet_service.delivery.worker import Loop
from wallet_service.errors import SettingsError
from wallet_service.simulators.apple_pki import DevelopmentAuthority

STORE = {
    "name": "Lyon Bellecour",
    "latitude": 45.7578,
    "longitude": 4.8320,
    "time_zone": "Europe/Paris",
    "proximity_text": "Bienvenue",
}


def sql(system: System, statement: str, **values: Any) -> None:
    """Change rows as no document would."""
    with system.services.sessions.begin() as db:
        db.execute(text(statement), values)


def publish_offer(system: System, code: str, *, hours: float = 2, **fields: Any) -> None:
    """An offer that runs from now on, everywhere."""
    system.api.ok("PUT", "/stores/s-1", STORE)
    offer = {
        "code": code,
        "title": f"Offre {code}",
        "starts_at": (system.clock() - timedelta(minutes=5)).isoformat(),
        "ends_at": (system.clock() + timedelta(hours=hours)).isoformat(),
        "store_ids": ["s-1"],
    }
    made = system.api.ok("POST", "/offers", offer | fields)
    system.api.ok("POST", f"/offers/{made['id']}/publish")


def compose(system: System) -> None:
    """A worker's composing, until nothing is left."""
    worker = system.services.worker()
    while worker.compose_step():
        pass
    worker.stop()
    worker.run()  # comes and goes at once, and so closes what it has opened


def places(system: System, member: str = "M-1") -> list[str]:
    """The texts that a card shows at its places."""
    return [one["text"] for one in system.card(system.enrol(member)["serial_number"])["places"]]


@pytest.mark.parametrize(
    "broken",
    [
        "UPDATE offers SET ends_at = 'infinity' WHERE code = 'BAD'",
        "UPDATE offers SET ends_at = '20000-01-01 00:00:00+00' WHERE code = 'BAD'",
        "UPDATE offers SET target = '[]' WHERE code = 'BAD'",
        "UPDATE offers SET title = '{\"fr\": 7}', proximity_text = '{}' WHERE code = 'BAD'",
    ],
)
def test_b6_an_offer_that_cannot_be_read_or_composed_fails_alone(system: System, broken: str) -> None:
    system.enrol()
    publish_offer(system, "GOOD")
    publish_offer(system, "BAD", priority=9)
    sql(system, broken)
    sql(system, "UPDATE programs SET places_revision = places_revision + 1")
    sql(system, "UPDATE cards SET recompose_at = now()")
    compose(system)
    assert system.rows("SELECT FROM cards WHERE recompose_at <= now()") == []
    assert places(system) == ["Offre GOOD"]
    system.set_points("M-1", 9, sequence=1)
    assert system.card(system.enrol()["serial_number"])["face"]["points"]["value"] == "9"


def test_b6_a_store_that_cannot_be_read_fails_alone(system: System) -> None:
    system.enrol("M-1", favourite_store_id=None)
    system.api.ok("PUT", "/stores/s-0", STORE | {"name": "Paris", "latitude": 48.86, "longitude": 2.35})
    publish_offer(system, "GOOD")
    sql(system, "UPDATE stores SET address = '[]' WHERE store_id = 's-0'")
    sql(system, "UPDATE programs SET places_revision = places_revision + 1")
    sql(system, "UPDATE cards SET recompose_at = now()")
    compose(system)
    assert places(system) == ["Offre GOOD"]


def test_b6_a_card_that_cannot_be_composed_fails_alone(system: System) -> None:
    for number in range(3):
        system.enrol(f"M-{number}")
    sql(system, 'UPDATE balances SET vouchers = \'{"not": "a list"}\' WHERE member_pk = (SELECT min(id) FROM members)')
    sql(system, "UPDATE balances SET points = 8")
    sql(system, "UPDATE cards SET recompose_at = now()")
    compose(system)
    faces = system.rows(
        'SELECT content->\'fields\' @> \'[{"id": "points", "text": "8"}]\' AS new FROM cards ORDER BY id'
    )
    assert [row["new"] for row in faces] == [False, True, True]


def test_b6_one_brands_unreadable_key_takes_no_metrics_and_fills_no_log(
    system: System, authority: DevelopmentAuthority
) -> None:
    add_brand(system, authority, "autre")
    sql(system, "UPDATE apple_identities SET sealed = 'nothing that opens' WHERE program_id = 'autre'")
    answer = requests.get(f"{system.url}/metrics", timeout=10)
    assert answer.status_code == 200
    assert 'wallet_keys_unreadable{program="autre"} 1.0' in answer.text
    assert 'wallet_certificate_days_left{program="lumiere"}' in answer.text
    with capture_logs() as logs, system.working():
        for turn in range(1, 4):
            since = system.clock()
            eventually(lambda: system.rows("SELECT FROM worker_heartbeats WHERE seen_at > :since", since=since))  # noqa: B023
            assert turn
    said = [line for line in logs if line["log_level"] == "error"]
    assert [(line["event"], "exc_info" in line) for line in said] == [("queues_not_opened", False)]
    assert "sealed under another WALLET_SECRET_KEY" in said[0]["reason"]


def test_b6_the_same_failure_of_a_loop_is_said_once(system: System) -> None:
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        raise SettingsError("no key") if steps < 3 else ArithmeticError("a bug")

    with capture_logs() as logs:
        loop = Loop("failing", step, lambda: None, system.services.tools())
        loop.start()
        eventually(lambda: steps > 4)
        loop.stop()
        loop.join()
    assert [line.get("reason", "traceback") for line in logs] == ["no key", "traceback"]


def test_c15_an_offer_that_ended_while_no_worker_ran_is_gone_at_the_next_fetch(system: System) -> None:
    card = system.enrol()
    publish_offer(system, "SHORT", hours=1)
    compose(system)
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    assert [one.relevant_text for one in phone.shows().locations] == ["Offre SHORT"]
    system.clock.advance(timedelta(hours=2))
    phone.refresh()
    assert "Offre SHORT" not in [one.relevant_text for one in phone.shows().locations]
    other = system.iphone()
    other.open_link(card["links"]["card"])
    assert "Offre SHORT" not in [one.relevant_text for one in other.shows().locations]


def test_c15_also_for_whoever_opens_the_link_first(system: System) -> None:
    card = system.enrol()
    publish_offer(system, "SHORT", hours=1)
    compose(system)
    system.clock.advance(timedelta(hours=2))
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    assert "Offre SHORT" not in [one.relevant_text for one in phone.shows().locations]
