"""From a change to its announcements. Numbers are those of apple-wallet.md, section 8, "Push"."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.conftest import OpenSystem
from tests.routes.test_balance_event import iphone_shows
from tests.system import System, eventually
from wallet_service.cards.program_cache import LoadedProgram
from wallet_service.cards.publishing import Publisher
from wallet_service.errors import SettingsError
from wallet_service.settings import settings_from
from wallet_service.storage.tables import Card


def owed(system: System) -> int:
    """How many far ends are owed an announcement."""
    return len(system.rows("SELECT FROM deliveries WHERE wanted_version > told_version"))


def test_item_69_one_push_for_each_device_after_the_commit(system: System) -> None:
    card = system.enrol()
    phones = [system.iphone() for _ in range(2)]
    for phone in phones:
        phone.open_link(card["links"]["card"])
    with system.working():
        system.set_points("M-1", 5, sequence=1)
        for phone in phones:
            iphone_shows(phone, "5")
    pushed = [one.push_token for one in system.apns.announcements]
    assert sorted(pushed) == sorted(token for phone in phones for token in phone.push_tokens.values())


def test_item_69_a_refused_request_enqueues_none(system: System) -> None:
    card = system.enrol()
    system.iphone().open_link(card["links"]["card"])
    assert system.api("PUT", "/members/M-1/balances", {"sequence": 1, "points": "many"}).status_code == 422
    assert owed(system) == 0


def test_item_70_identical_content_enqueues_none(system: System) -> None:
    card = system.enrol()
    system.iphone().open_link(card["links"]["card"])
    system.set_points("M-1", 5, sequence=1)
    with system.working():
        eventually(lambda: owed(system) == 0)
        system.set_points("M-1", 5, sequence=2)
        system.api.ok("PUT", "/members/M-1", {"email": "claire@example.com"})
        assert owed(system) == 0


def test_item_72_ten_changes_in_a_minute_are_one_push_then_silence(open_system: OpenSystem) -> None:
    system = open_system(WALLET_ANNOUNCE_SPACING_S="60")
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    with system.working():
        system.set_points("M-1", 1, sequence=1)
        iphone_shows(phone, "1")
        eventually(lambda: owed(system) == 0)
        for points in range(2, 11):
            system.set_points("M-1", points, sequence=points)
        assert owed(system) == 1
        assert len(system.apns.announcements) == 1
        system.clock.advance(timedelta(seconds=61))
        iphone_shows(phone, "10")
    assert len(system.apns.announcements) == 2


def test_whoever_came_by_himself_need_not_be_told(open_system: OpenSystem) -> None:
    system = open_system(WALLET_ANNOUNCE_SPACING_S="60")
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    system.set_points("M-1", 1, sequence=1)
    phone.refresh()
    assert phone.shows().text("points") == "1"
    assert owed(system) == 0


def test_item_75_a_refused_certificate_stops_the_channel_and_keeps_the_jobs(system: System) -> None:
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    system.apns.answer_next(403, "BadCertificate")
    with system.working():
        system.set_points("M-1", 5, sequence=1)
        eventually(lambda: system.rows("SELECT FROM deliveries WHERE last_outcome LIKE '%BadCertificate%'"))
        assert owed(system) == 1
        iphone_shows(phone, "5")


@pytest.mark.parametrize(("status", "reason"), [(500, "InternalServerError"), (503, "ServiceUnavailable")])
def test_item_76_a_failing_apns_is_tried_again(system: System, status: int, reason: str) -> None:
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    system.apns.answer_next(status, reason, count=3)
    with system.working():
        system.set_points("M-1", 5, sequence=1)
        iphone_shows(phone, "5")
    assert [one.status for one in system.apns.announcements] == [status] * 3 + [200]


def test_item_76_too_many_requests_delays_that_device_only(system: System) -> None:
    slow, quick = system.enrol("M-1"), system.enrol("M-2")
    phones = [system.iphone(), system.iphone()]
    for phone, card in zip(phones, (slow, quick), strict=True):
        phone.open_link(card["links"]["card"])
    token = next(iter(phones[0].push_tokens.values()))
    system.apns.answer_next(429, "TooManyRequests", token=token, retry_after=3600)
    with system.working():
        system.set_points("M-1", 1, sequence=1)
        system.set_points("M-2", 2, sequence=1)
        iphone_shows(phones[1], "2")
        eventually(lambda: system.rows("SELECT FROM deliveries WHERE last_outcome LIKE '%TooManyRequests%'"))
        assert owed(system) == 1
        system.clock.advance(timedelta(hours=1, seconds=1))
        iphone_shows(phones[0], "1")


def test_many_cards_of_one_device_share_one_push(system: System) -> None:
    cards = [system.enrol(f"M-{number}") for number in range(3)]
    phone = system.iphone()
    for card in cards:
        phone.open_link(card["links"]["card"])
    for number in range(3):
        system.set_points(f"M-{number}", 5, sequence=1)
    with system.working():
        phone.wait_until(lambda one: all(one.shows(s).fields.get("points") for s in one.serial_numbers), 60)
        eventually(lambda: owed(system) == 0)
    assert len(system.apns.announcements) == 1


def test_a_phone_that_was_told_and_did_not_come_is_told_again(open_system: OpenSystem) -> None:
    system = open_system(WALLET_ANNOUNCE_AGAIN_AFTER_S="3600")
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    system.apns.lose(1.0, seed=1)
    with system.working():
        system.set_points("M-1", 5, sequence=1)
        eventually(lambda: system.card(card["serial_number"])["far_ends"][0]["state"] == "told")
        system.apns.lose(0.0, seed=1)
        system.clock.advance(timedelta(hours=1, minutes=31))
        iphone_shows(phone, "5")
        eventually(lambda: system.card(card["serial_number"])["far_ends"][0]["state"] == "up_to_date")


def test_a_bad_device_token_parks_the_registration_until_the_phone_registers_again(system: System) -> None:
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    system.apns.answer_next(400, "BadDeviceToken")
    with system.working():
        system.set_points("M-1", 5, sequence=1)
        eventually(lambda: system.card(card["serial_number"])["far_ends"][0]["state"] == "refused")
        phone.open_link(card["links"]["card"])
        system.set_points("M-1", 6, sequence=2)
        iphone_shows(phone, "6")


def test_a_stopped_worker_finishes_what_it_has_claimed(system: System) -> None:
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE deliveries SET attempts = 0"))
    process = system.worker_process()
    system.set_points("M-1", 5, sequence=1)
    iphone_shows(phone, "5")
    process.terminate()
    assert process.wait(20) == 0
    assert system.rows("SELECT FROM worker_heartbeats") == []
    assert system.rows("SELECT FROM deliveries WHERE claim IS NOT NULL") == []


def test_one_card_that_cannot_be_composed_stops_no_other(system: System) -> None:
    bad, good = system.enrol("M-1"), system.enrol("M-2")
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE balances SET cashback = '{\"amount\": 1}' WHERE member_pk = 1"))
    system.api.ok("PUT", "/stores/lyon", {"name": "Lyon", "latitude": 45.75, "longitude": 4.85})
    with system.working():
        eventually(lambda: system.card(good["serial_number"])["places"])
    assert system.card(bad["serial_number"])["places"] == []


def test_whoever_waits_for_the_broken_card_has_no_other_put_off(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CRM's request about the broken card gets its lock as soon as the worker lets go."""
    system.enrol("M-1")
    system.enrol("M-2")
    compose, rounds = Publisher.compose, itertools.count(1)
    with ThreadPoolExecutor(1) as crm, system.services.sessions() as other:

        def lock() -> None:
            other.execute(text("SELECT FROM cards WHERE id = 1 FOR NO KEY UPDATE"))

        def fails_for_the_first(
            publisher: Publisher, card: Card, program: LoadedProgram, *history: Any, now: datetime
        ) -> Any:
            if card.id == 1:
                if next(rounds) == 2:
                    crm.submit(lock)
                    blocked = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    eventually(lambda: system.rows(blocked))
                raise ZeroDivisionError("this card cannot be composed")
            return compose(publisher, card, program, *history, now=now)

        monkeypatch.setattr(Publisher, "compose", fails_for_the_first)
        with system.services.sessions.begin() as db:
            db.execute(text("UPDATE cards SET recompose_at = :at"), {"at": system.clock() - timedelta(minutes=1)})
        worker = system.services.worker()
        assert worker.compose_step() == 2
        assert next(rounds) == 3
        worker.stop()
        worker.run()
    put_off = system.rows(
        "SELECT id FROM cards WHERE recompose_at > :soon", soon=system.clock() + timedelta(minutes=30)
    )
    assert put_off == [{"id": 1}]


def test_one_brands_broken_document_stops_no_other(system: System) -> None:
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    with system.services.sessions.begin() as db:
        db.execute(
            text(
                "INSERT INTO programs (program_id, name, document, template_version_id, updated_at) "
                "SELECT 'aaa', 'Broken', '{}', template_version_id, updated_at FROM programs"
            )
        )
    with system.working():
        system.set_points("M-1", 5, sequence=1)
        iphone_shows(phone, "5")


PRODUCTION = {
    "WALLET_ENV": "production",
    "WALLET_SECRET_KEY": "s" * 40,
    "WALLET_DATABASE_URL": "postgresql://db.example.com/wallet",
    "WALLET_PUBLIC_URL": "https://cards.example.com",
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"WALLET_APNS_URL": "https://api.sandbox.push.apple.com"}, "sandbox"),
        ({"WALLET_APNS_URL": "https://127.0.0.1:2197"}, "simulators are refused"),
        ({"WALLET_GOOGLE_API_URL": "http://localhost:9"}, "simulators are refused"),
        ({"WALLET_PUBLIC_URL": "http://cards.example.com"}, "https://"),
        ({"WALLET_CLOCK": "offset:+3d"}, "WALLET_CLOCK"),
        ({"WALLET_APPLE_ROOT_FILE": "root.pem"}, "development chain"),
        ({"WALLET_SECRET_KEY": "short"}, "32 characters"),
        ({"WALLET_DATABASE_URL": ""}, "WALLET_DATABASE_URL"),
        ({"WALLET_LEASE_S": "5"}, "WALLET_LEASE_S"),
        ({"WALLET_LEASE_S": "20.02"}, "by a quarter or more"),
        ({"WALLET_GOOGLE_IN_FLIGHT": "8", "WALLET_GOOGLE_BATCH": "51"}, "should fit into WALLET_LEASE_S"),
        ({"WALLET_COLOUR": "blue"}, "WALLET_COLOUR is not a setting"),
    ],
)
def test_item_80_production_refuses_what_is_for_development(change: dict[str, str], words: str) -> None:
    assert settings_from(PRODUCTION).is_production
    with pytest.raises(SettingsError, match=words):
        settings_from(PRODUCTION | change)
