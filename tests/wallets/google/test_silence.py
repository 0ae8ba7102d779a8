"""A Google that takes connections and answers nothing holds nobody up for longer than one time-out for each duty."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

from sqlalchemy import text

from tests.conftest import OpenHouse
from tests.house import House, eventually
from tests.wallets.google.test_budget import at_rest
from wallet_service.delivery.channels import google_line
from wallet_service.delivery.google_lane import GoogleLane
from wallet_service.wallets.google import duties

SHORT = {"WALLET_LEASE_S": "3", "WALLET_GOOGLE_TIMEOUT_S": "1", "WALLET_APNS_TIMEOUT_S": "1"}
MANY = 8


@contextmanager
def a_lane(house: House) -> Iterator[GoogleLane]:
    """Google's, with some cards there and nothing left to do."""
    with house.working():
        for number in range(MANY):
            card = house.enrol(f"M-{number}")
            house.api.session.get(card["links"]["google"], allow_redirects=False, timeout=10)
        at_rest(house)
    tools, keys = house.services.tools(), house.services.keys
    line = google_line("lumiere", tools, keys)
    with closing(GoogleLane("lumiere", line, tools, keys.sealer)) as lane:
        while lane.step():
            pass
        yield lane


def owe_duties(house: House) -> None:
    """As many letters to everybody, and callbacks to be confirmed."""
    now = house.clock()
    with house.services.sessions.begin() as db:
        for number in range(MANY):
            message = {"id": f"m-{number}", "header": "Soldes", "body": "Ce soir"}
            duties.add_class_letters(db, "lumiere", message, loud=False, ends_at=now + timedelta(days=1), now=now)
        db.execute(text("UPDATE google_objects SET confirm_at = :now"), {"now": now})


def tried(house: House) -> tuple[int, int]:
    """Letters and callbacks."""
    letters = house.rows("SELECT FROM google_messages WHERE attempted_at IS NOT NULL")
    asked = house.rows("SELECT FROM google_objects WHERE confirm_at IS NULL OR confirm_at > now()")
    return len(letters), len(asked)


def test_the_first_silence_is_enough(open_a_house: OpenHouse) -> None:
    house = open_a_house(**SHORT)
    with a_lane(house) as lane:
        owe_duties(house)
        house.google.delay(2)
        assert lane.step() == 2
        assert tried(house) == (1, 1), "each would have cost a time-out"
        house.google.delay(0)
        house.clock.advance(house.services.settings.lease * 2)
        while lane.step():
            pass
    assert tried(house) == (MANY, MANY)
    assert len(house.rows("SELECT FROM google_messages WHERE sent_at IS NOT NULL")) == MANY


def test_a_lane_that_stops_begins_no_duty(open_a_house: OpenHouse) -> None:
    house = open_a_house(**SHORT)
    with a_lane(house) as lane:
        owe_duties(house)
        lane.stop()
        assert lane.step() == 0
    assert tried(house) == (0, 0)


def test_a_lane_that_stops_gives_back_what_waits_for_its_turn(open_a_house: OpenHouse) -> None:
    """Others have taken all turns for the next five minutes, half of this lane's lease."""
    house = open_a_house(WALLET_LEASE_S="600")
    with a_lane(house) as lane:
        for number in range(MANY):
            house.set_points(f"M-{number}", 5, sequence=1)
        sent = len(house.google.calls)
        with house.services.sessions.begin() as db:
            ahead = "UPDATE google_rates SET next_at = clock_timestamp() + interval '300 seconds' RETURNING next_at"
            next_at = db.scalar(text(ahead))
        step = threading.Thread(target=lane.step)
        step.start()
        eventually(lambda: house.rows("SELECT FROM google_rates WHERE next_at > :next_at", next_at=next_at))
        lane.stop()
        step.join(20)
        assert not step.is_alive()
    assert len(house.google.calls) == sent
    waiting = "kind = 'google' AND told_version < wanted_version"
    as_before = "claim IS NULL AND attempts = 0 AND next_attempt_at <= now()"
    assert len(house.rows(f"SELECT FROM deliveries WHERE {waiting} AND {as_before}")) == MANY
