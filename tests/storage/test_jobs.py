"""Periodic duties, on Procrastinate."""

from __future__ import annotations

from datetime import timedelta

import psycopg

from tests.house import House, eventually
from wallet_service.storage.jobs import KEEP, forget_history


def test_history_is_kept_for_its_time_and_no_longer(house: House) -> None:
    house.enrol()
    for points in (1, 2):
        house.set_points("M-1", points, sequence=points)
    assert len(house.rows("SELECT FROM card_versions")) == 3
    now = house.clock()
    assert set(forget_history(house.services.sessions, now=now).values()) == {0}
    later = now + max(kept for _, kept in KEEP.values()) + timedelta(seconds=1)
    assert forget_history(house.services.sessions, now=later)["card_versions"] == 3
    assert house.rows("SELECT FROM card_versions") == []


def test_a_worker_runs_the_duty_when_it_is_due(house: House) -> None:
    house.enrol()
    house.clock.advance(timedelta(days=91))
    with house.working(), psycopg.connect(house.services.database.libpq_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, args) "
            "VALUES ('default', 'forget_history', '{\"timestamp\": 0}')"
        )
        connection.execute("NOTIFY procrastinate_any_queue_v1")
        eventually(lambda: not house.rows("SELECT FROM card_versions"))
