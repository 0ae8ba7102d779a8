"""How often a device is announced something: spacing, the hour's ceiling, and the spread of a campaign (5.4)."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from random import Random
from statistics import mean

import pytest
from sqlalchemy import select, text

from tests.conftest import OpenSystem
from tests.delivery.brands import add_phones
from tests.delivery.rounds import HOUR, MOST, PER_DAY, DeliveryRounds, fullest
from tests.system import System
from wallet_service.cards.pacing import Pacing
from wallet_service.cards.publishing import CAMPAIGN, Cause
from wallet_service.delivery import ledger
from wallet_service.delivery.apple_queue import AppleQueue
from wallet_service.delivery.campaign_spread import COUNTED_FOR, CampaignSpread
from wallet_service.delivery.channels import open_apple
from wallet_service.errors import SettingsError
from wallet_service.settings import settings_from
from wallet_service.storage.tables import Card

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
PACED = Pacing(MINUTE, 3)


@pytest.fixture
def system(open_system: OpenSystem) -> System:
    """A system with the pacing that is the default."""
    return open_system(WALLET_ANNOUNCE_SPACING_S="60", WALLET_ANNOUNCE_PER_HOUR="3")


def assert_paced(rounds: DeliveryRounds) -> None:
    """No two pushes of a device within a minute, no four within an hour."""
    for instants in rounds.told_at.values():
        assert fullest(instants, MINUTE) == 1, instants
        assert fullest(instants, HOUR) <= PACED.per_hour, instants


def test_item_72_ten_changes_in_a_minute_and_a_change_every_minute(system: System) -> None:
    rounds, phone = DeliveryRounds(system, PACED), system.iphone()
    phone.open_link(system.enrol()["links"]["card"])
    for points in range(1, 11):
        system.set_points("M-1", points, sequence=points)
        rounds.tell()
        system.clock.advance(6 * SECOND)
    (told_at,) = rounds.told_at.values()
    assert len(told_at) == 1
    rounds.tell()
    assert len(told_at) == 2
    phone.refresh()
    assert phone.shows().text("points") == "10"
    for points in range(11, 131):
        system.set_points("M-1", points, sequence=points)
        rounds.tell()
        system.clock.advance(MINUTE)
    assert_paced(rounds)
    assert len(told_at) in (6, 7), "and what is allowed is used"
    for _ in rounds.let_pass(HOUR):
        pass
    assert system.rows("SELECT FROM deliveries WHERE wanted_version > told_version AND kind = 'apple'") == []
    phone.refresh()
    assert phone.shows().text("points") == "130"


@pytest.mark.parametrize("seed", range(4))
def test_no_hour_of_a_device_has_more_than_it_may_whatever_happens(system: System, seed: int) -> None:
    """Three cards on two phones each, changes and rounds at random, nobody comes: reminders obey it as well."""
    rounds, chance = DeliveryRounds(system, PACED), Random(seed)
    phones = [system.iphone(), system.iphone()]
    members = [f"M-{number}" for number in range(3)]
    for member in members:
        card = system.enrol(member)
        for phone in phones:
            phone.open_link(card["links"]["card"])
    for number in range(150):
        if chance.random() < 0.5:
            system.set_points(chance.choice(members), number, sequence=number)
        if chance.random() < 0.8:
            rounds.remind()
        system.clock.advance(SECOND * chance.choice([1, 20, 59, 60, 200, 600, 3000]))
    assert_paced(rounds)
    for _ in rounds.let_pass(2 * HOUR):
        pass
    assert_paced(rounds)
    assert system.rows("SELECT FROM deliveries WHERE told_version = 0 AND kind = 'apple'") == []


def test_a_card_does_not_overtake_another_that_is_being_told_to_the_same_phone(system: System) -> None:
    rounds, phone = DeliveryRounds(system, PACED), system.iphone()
    for member in ("M-1", "M-2"):
        phone.open_link(system.enrol(member)["links"]["card"])
    system.set_points("M-1", 5, sequence=1)
    with system.services.sessions.begin() as db:
        assert len(rounds.claim(db, "one worker")) == 1
    system.set_points("M-2", 5, sequence=1)
    with system.services.sessions.begin() as db:
        assert rounds.claim(db, "another worker") == []
    (waiting,) = system.rows(
        "SELECT attempts, claim, next_attempt_at FROM deliveries WHERE claim IS NULL"
        " AND wanted_version > told_version AND kind = 'apple'"
    )
    assert waiting["attempts"] == 0
    assert MINUTE - SECOND < waiting["next_attempt_at"] - system.clock() <= MINUTE


def test_two_workers_at_one_moment_tell_a_phone_of_one_card(system: System) -> None:
    rounds, phone = DeliveryRounds(system, PACED), system.iphone()
    for member in ("M-1", "M-2"):
        phone.open_link(system.enrol(member)["links"]["card"])
    sessions = system.services.sessions
    with sessions() as one, sessions() as other:
        system.set_points("M-1", 5, sequence=1)
        assert len(rounds.claim(one, "one")) == 1
        system.set_points("M-2", 5, sequence=1)
        assert rounds.claim(other, "other") == [], "the first has not even committed"
        other.commit()
        system.clock.advance(2 * SECOND)
        one.commit()
    assert rounds.tell() == 0, "it is being told of the other card"
    (waiting,) = system.rows("SELECT attempts, next_attempt_at FROM deliveries WHERE claim IS NULL AND kind = 'apple'")
    assert waiting["attempts"] == 0
    assert MINUTE - SECOND < waiting["next_attempt_at"] - system.clock() <= MINUTE


@pytest.mark.parametrize("per_hour", ["0", "1", "60"])
def test_any_ceiling_that_is_taken_can_be_published_under(open_system: OpenSystem, per_hour: str) -> None:
    system = open_system(WALLET_ANNOUNCE_SPACING_S="86400", WALLET_ANNOUNCE_PER_HOUR=per_hour)
    rounds = DeliveryRounds(system, Pacing.of(system.services.settings))
    system.iphone().open_link(system.enrol()["links"]["card"])
    system.set_points("M-1", 1, sequence=1)
    assert rounds.tell() == 1
    system.set_points("M-1", 2, sequence=2)
    assert rounds.tell() == 0


@pytest.mark.parametrize(
    "name", ["ANNOUNCE_SPACING_S", "ANNOUNCE_PER_HOUR", "CAMPAIGN_SPREAD_S", "ANNOUNCE_AGAIN_PER_DAY"]
)
def test_a_ceiling_beyond_reason_is_refused_by_name(name: str) -> None:
    with pytest.raises(SettingsError, match=f"WALLET_{name}: .*less than or equal"):
        settings_from({f"WALLET_{name}": "3000000000"})


def test_a_reminder_waits_for_its_place_in_the_hour(system: System) -> None:
    rounds, phone = DeliveryRounds(system, PACED), system.iphone()
    phone.open_link(system.enrol()["links"]["card"])
    for points in (1, 2, 3):
        system.set_points("M-1", points, sequence=points)
        assert rounds.tell() == 1
        system.clock.advance(2 * MINUTE)
    (told_at,) = rounds.told_at.values()
    system.clock.advance(16 * MINUTE)
    with system.services.sessions.begin() as db:
        assert ledger.remind(db, now=system.clock(), most=MOST, per_day=PER_DAY, pacing=PACED).programs == {"lumiere"}
    assert system.rows("SELECT reminded_at FROM devices") == [{"reminded_at": [told_at[1] + HOUR]}]
    assert rounds.tell() == 0
    system.clock.advance(told_at[1] + HOUR - system.clock())
    assert rounds.tell() == 1


def test_a_change_does_not_shorten_the_pause_that_apple_asked_for(system: System) -> None:
    system.iphone().open_link(system.enrol()["links"]["card"])
    system.set_points("M-1", 1, sequence=1)
    system.apns.answer_next(429, "TooManyRequests", retry_after=3600)
    tools = system.services.tools()
    queue = AppleQueue("lumiere", open_apple("lumiere", tools, system.services.keys), tools)
    queue.step()
    system.set_points("M-1", 2, sequence=2)
    system.clock.advance(59 * MINUTE)
    assert queue.step() == 0
    system.clock.advance(2 * MINUTE)
    assert queue.step() == 1
    queue.close()
    assert [one.status for one in system.apns.announcements] == [429, 200]


def compose(system: System) -> None:
    """A worker that walks and composes until nothing is left, and tells nobody."""
    worker = system.services.worker()
    while worker.compose_step():
        pass
    worker.stop()
    worker.run()  # comes and goes at once, and so closes what it has opened


def test_a_campaign_is_spread_and_a_customer_does_not_wait_for_it(open_system: OpenSystem) -> None:
    """200 devices; 45 000 s for each 10 000 are a quarter of an hour for them."""
    system = open_system(WALLET_CAMPAIGN_SPREAD_S="45000", WALLET_ANNOUNCE_PER_HOUR="3")
    add_phones(system, "lumiere", 200)

    def campaign(text: str) -> dict[int, float]:
        """A shop says something else; returns after how many seconds each far end is due, by its number."""
        before = system.clock()
        place = {"name": "Lyon", "latitude": 45.75, "longitude": 4.85}
        system.api.ok("PUT", "/stores/lyon", place | {"proximity_text": text})
        compose(system)
        rows = system.rows("SELECT id, urgency, wanted_at, next_attempt_at FROM deliveries WHERE kind = 'apple'")
        assert {row["urgency"] for row in rows} == {1}
        assert all(row["wanted_at"] >= before for row in rows), "every card has changed"
        return {row["id"]: (row["next_attempt_at"] - before).total_seconds() for row in rows}

    due = campaign("À deux pas")
    assert len(due) == 200
    assert 0 <= min(due.values()) < 60
    assert 840 < max(due.values()) < 910
    quarters = Counter(int(seconds // 225) for seconds in due.values())
    assert all(quarters[number] > 20 for number in range(4)), quarters
    assert 350 < mean(due.values()) < 550
    system.clock.advance(10 * SECOND)
    again = campaign("Au coin de la rue")
    assert again == pytest.approx({number: seconds - 10 for number, seconds in due.items()}, abs=5), "hours are kept"

    late = max(due, key=lambda number: due[number])
    query = (
        "SELECT d.urgency, d.next_attempt_at, d.wanted_at, m.member_id FROM deliveries d"
        " JOIN cards c ON c.id = d.card_id JOIN members m ON m.id = c.member_pk WHERE d.id = :id"
    )
    system.set_points(system.rows(query, id=late)[0]["member_id"], 5, sequence=1)
    (row,) = system.rows(query, id=late)
    assert (row["urgency"], row["next_attempt_at"]) == (0, row["wanted_at"])


def test_devices_are_counted_now_and_then(system: System) -> None:
    spread, now = CampaignSpread(900 * SECOND), system.clock()
    with system.services.sessions() as db:
        assert spread.of(db, "lumiere", now=now) == timedelta(0)
        add_phones(system, "lumiere", 50)
        assert spread.of(db, "lumiere", now=now + COUNTED_FOR - SECOND) == timedelta(0)
        assert spread.of(db, "lumiere", now=now + COUNTED_FOR) == 4.5 * SECOND
        assert CampaignSpread(timedelta(0)).of(db, "lumiere", now=now) == timedelta(0)


def urgent_and_campaign(system: System, rounds: DeliveryRounds, *, campaigns: int) -> list[int]:
    """How many pushes each campaign brings, a minute apart, and in the end how many a purchase brings at once."""
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE deliveries SET told_at = NULL, announced_at = '{}', told_version = wanted_version"))
    brought = []
    for number in range(campaigns):
        with system.services.sessions.begin() as db:
            program = system.services.program_cache.program(db, "lumiere")
            cards = list(db.scalars(select(Card).with_for_update(of=Card).order_by(Card.id)))
            for card in cards:
                card.digest = f"another {number}"
            cause = Cause("offer", system.clock(), CAMPAIGN)
            system.services.publisher.publish(db, program, cards, cause, now=system.clock())
        brought.append(rounds.tell())
        system.clock.advance(2 * MINUTE)
    system.set_points("M-1", 77, sequence=1)
    return [*brought, rounds.tell()]


@pytest.mark.parametrize("cards_on_the_phone", [1, 2])
def test_b9_what_a_customer_has_just_done_keeps_one_of_the_hours_announcements(
    system: System, cards_on_the_phone: int
) -> None:
    """Also where the phone holds several cards, of which all announcements count."""
    rounds, phone = DeliveryRounds(system, PACED), system.iphone()
    for number in range(1, cards_on_the_phone + 1):
        phone.open_link(system.enrol(f"M-{number}")["links"]["card"])
    assert urgent_and_campaign(system, rounds, campaigns=5) == [1, 1, 0, 0, 0, 1]
    assert_paced(rounds)


@pytest.mark.parametrize(("per_hour", "of_campaigns"), [(0, 0), (1, 1), (2, 1), (3, 2)])
def test_b9_where_there_is_but_one_nothing_is_kept(per_hour: int, of_campaigns: int) -> None:
    assert Pacing(MINUTE, per_hour).per_hour_of_campaigns == of_campaigns
