"""Phones that were told and do not come: reminded with growing pauses, then stale, then back by themselves."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import OpenSystem
from tests.routes.test_balance_event import iphone_shows
from tests.system import System, eventually
from wallet_service.delivery import ledger
from wallet_service.delivery.policy import STORED_BY_APPLE, Patience

LEASE = timedelta(seconds=30)


@given(first_s=st.integers(1, 100_000), most=st.integers(1, 12), seed=st.integers(0, 1000))
def test_pauses_double_until_the_phone_is_stale(first_s: int, most: int, seed: int) -> None:
    first = timedelta(seconds=first_s)
    patience, chance = Patience(first=first, most=most), Random(seed)
    for repeats in range(most + 1):
        assert 1 <= patience.after(repeats, chance) / (first * (1 << repeats)) <= 1.5
    assert patience.after(most + 1, chance) == STORED_BY_APPLE


def test_a_phone_that_never_comes_is_stale_and_converges_when_it_shows_up(open_system: OpenSystem) -> None:
    system = open_system(WALLET_ANNOUNCE_AGAIN_AFTER_S="600", WALLET_ANNOUNCE_AGAIN_MOST="2")
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    phone.offline()
    with system.working():
        system.set_points("M-1", 5, sequence=1)
        for told in (1, 2, 3):
            eventually(lambda told=told: len(system.apns.announcements) == told)
            eventually(lambda: system.card(card["serial_number"])["far_ends"][0]["state"] == "told")
            system.clock.advance(timedelta(days=2))
        eventually(lambda: system.card(card["serial_number"])["far_ends"][0]["state"] == "stale")
        eventually(lambda: len(system.apns.announcements) == 4)
        assert [one["state"] for one in system.api.ok("GET", "/deliveries?state=stale")["items"]] == ["stale"]
        system.clock.advance(timedelta(days=30))
        eventually(lambda: len(system.apns.announcements) == 5)
        phone.online()
        iphone_shows(phone, "5")
        assert system.card(card["serial_number"])["far_ends"][0]["state"] == "up_to_date"
        assert system.api.ok("GET", "/deliveries?state=stale")["items"] == []


def test_a_person_retries_what_was_refused(system: System) -> None:
    card = system.enrol()
    phone = system.iphone()
    phone.open_link(card["links"]["card"])
    system.apns.answer_next(400, "DeviceTokenNotForTopic")
    with system.working():
        system.set_points("M-1", 5, sequence=1)
        refused = eventually(lambda: system.api.ok("GET", "/deliveries")["items"])[0]
        assert "DeviceTokenNotForTopic" in refused["reason"]
        assert refused["serial_number"] == card["serial_number"]
        assert system.api("POST", f"/deliveries/{refused['delivery_id']}/retry").status_code == 204
        iphone_shows(phone, "5")
        assert system.api("POST", f"/deliveries/{refused['delivery_id']}/retry").status_code == 409
        assert system.api("POST", "/deliveries/999999/retry").status_code == 404


def test_the_timeline_of_each_change_at_each_far_end(system: System) -> None:
    card = system.enrol()
    iphone, android = system.iphone(), system.android()
    with system.working():
        iphone.open_link(card["links"]["card"])
        android.open_link(card["links"]["card"])
        for points in (5, 6):
            system.set_points("M-1", points, sequence=points)
            iphone_shows(iphone, str(points))
            eventually(
                lambda: {end["state"] for end in system.card(card["serial_number"])["far_ends"]} == {"up_to_date"}
            )
    changes = system.api.ok("GET", f"/cards/{card['serial_number']}/timeline")["changes"]
    assert [change["cause"] for change in changes] == ["balances set", "balances set", "issued"]
    for change in changes[:2]:
        apple, google = change["far_ends"]
        assert (apple["kind"], google["kind"]) == ("apple", "google")
        assert 0 <= change["composed_ms"] <= apple["told_ms"] <= apple["fetched_ms"]
        assert apple["listed_ms"] <= apple["fetched_ms"]
        assert google["told_ms"] >= change["composed_ms"]
        assert google["fetched_at"] is None


def test_what_a_customer_did_goes_before_a_campaign(system: System) -> None:
    for number in range(3):
        system.iphone().open_link(system.enrol(f"M-{number}")["links"]["card"])
    with system.services.sessions.begin() as db:
        db.connection().exec_driver_sql(
            "UPDATE deliveries SET told_version = 0, urgency = 1, next_attempt_at = now() - interval '1 hour'"
            " WHERE kind = 'apple'"
        )
    system.set_points("M-2", 5, sequence=1)
    with system.services.sessions.begin() as db:
        first = ledger.claim(
            db, kind="apple", program_id="lumiere", now=system.clock(), lease=LEASE, batch=1, claim_id="a"
        )
    owner = "SELECT m.member_id FROM cards c JOIN members m ON m.id = c.member_pk WHERE c.id = :id"
    assert system.rows(owner, id=first[0].card_id) == [{"member_id": "M-2"}]
