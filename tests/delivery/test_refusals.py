"""Is a phone refused, or are we? One person's phones stop nobody, our own mistake is held against nobody (check 74)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from tests.conftest import OpenHouse
from tests.delivery.brands import add_phones
from tests.delivery.postroom import fullest
from tests.house import PASS_TYPE, TEAM, House, eventually
from tests.routes.test_balance_event import iphone_shows
from wallet_service.delivery.apple_lane import AppleLane
from wallet_service.delivery.channels import open_lanes
from wallet_service.delivery.refusals import Refusals, unpark
from wallet_service.simulators.apple_pki import DevelopmentAuthority
from wallet_service.storage.tables import Card
from wallet_service.wallets.apple import devices
from wallet_service.wallets.apple.certificates import identity_from_files
from wallet_service.wallets.protocol import Accepted, ChannelDown, Gone, Later, Notice, Outcome, Refused

NOW, HOUR = datetime(2026, 11, 21, tzinfo=UTC), timedelta(hours=1)
BAD = Refused("BadDeviceToken")
WAIT = {"WALLET_RETRY_MOST_S": "300"}


def a_page(accepted: int, refused: int) -> list[tuple[int, Outcome]]:
    """Answers about so many cards."""
    return [(card, Accepted("x") if card < accepted else BAD) for card in range(accepted + refused)]


@pytest.mark.parametrize(
    ("page", "doubt"),
    [
        (a_page(96, 4), False),
        (a_page(80, 20), True),
        (a_page(180, 20), False),
        (a_page(0, 4), False),
        (a_page(0, 5), True),
        ([(7, BAD)] * 50, False),
        ([(7, BAD)] * 50 + a_page(0, 3), False),
        ([(card, Later("503")) for card in range(10)], False),
    ],
)
def test_many_refused_cards_are_our_own_mistake(page: list[tuple[int, Outcome]], doubt: bool) -> None:
    refusals = Refusals()
    outcomes = refusals.judged(page, now=NOW)
    assert refusals.in_doubt is doubt
    assert any(isinstance(outcome, ChannelDown) for outcome in outcomes) is doubt
    assert (BAD in outcomes) is (not doubt and any(outcome == BAD for _, outcome in page))


def test_one_at_a_time_they_count_until_somebody_is_accepted() -> None:
    refusals = Refusals()
    for _ in range(3):
        assert [refusals.judged([(card, BAD)], now=NOW) for card in range(4)] == [[BAD]] * 4
        refusals.judged([(99, Accepted("x"))], now=NOW)
    for card in range(5):
        last = refusals.judged([(card, BAD)], now=NOW)
    assert isinstance(last[0], ChannelDown)


def test_a_channel_that_proved_itself_is_trusted_for_a_while() -> None:
    refusals = Refusals()
    refusals.trust(until=NOW + HOUR)
    assert refusals.judged(a_page(0, 20), now=NOW) == [BAD] * 20
    assert refusals.judged([(1, BAD)], now=NOW + 2 * HOUR) == [BAD]
    assert isinstance(refusals.judged(a_page(0, 20), now=NOW + 2 * HOUR)[0], ChannelDown)


class Line:
    """Answers each push as a test says, and remembers what it was given."""

    def __init__(self, answer: Callable[[Notice], Outcome]) -> None:
        self.answer = answer
        self.sent: list[str] = []

    def announce(self, notices: Iterable[Notice]) -> Iterator[tuple[Notice, Outcome]]:
        for notice in notices:
            self.sent.append(notice.far_end)
            yield notice, self.answer(notice)

    def close(self) -> None:
        pass


def parked(house: House) -> int:
    """How many far ends wait for a person."""
    return len(house.rows("SELECT FROM deliveries WHERE parked IS NOT NULL"))


def change(house: House, members: Iterable[int], turn: int) -> None:
    """A purchase by each of these members of `add_phones`."""
    for number in members:
        house.set_points(f"P-{number}", turn, sequence=turn)


@pytest.mark.parametrize("reason", ["BadDeviceToken", "DeviceTokenNotForTopic", "BadPath"])
def test_invented_phones_on_ones_own_card_stop_nobody_else(open_a_house: OpenHouse, reason: str) -> None:
    house = open_a_house(**WAIT)
    tokens = set(add_phones(house, "lumiere", 1).values())
    evil = house.enrol("M-evil")
    with house.services.sessions.begin() as db:
        card = db.scalars(select(Card).where(Card.serial_number == evil["serial_number"])).one()
        for number in range(12):
            devices.register(db, card, f"invented-{number}", f"{number:064x}", now=house.clock())
    lane = AppleLane(
        "lumiere",
        Line(lambda notice: Accepted("ok") if notice.far_end in tokens else Refused(reason)),
        house.services.tools(),
    )
    assert lane.step() == 12
    assert (lane.halted_until, parked(house)) == (None, 12)
    change(house, [1], 1)
    assert lane.step() == 1
    assert parked(house) == 12
    lane.close()


def test_a_quiet_brand_in_a_wrong_environment_parks_nobody_in_the_end(open_a_house: OpenHouse) -> None:
    """One purchase at a time: the fifth card is one too many, and the four before it are taken back."""
    house = open_a_house(**WAIT)
    add_phones(house, "lumiere", 9)
    right: list[Outcome] = []
    line = Line(lambda _notice: right[0] if right else BAD)
    lane = AppleLane("lumiere", line, house.services.tools())
    for number in range(1, 10):
        change(house, [number], 1)
        lane.step()
    assert lane.halted_until is not None
    assert (len(line.sent), parked(house)) == (5, 0)
    house.clock.advance(timedelta(seconds=301))
    assert lane.step() == 9, "it is tried again"
    assert parked(house) == 0
    right.append(Accepted("ok"))
    house.clock.advance(timedelta(seconds=301))
    assert lane.step() == 9
    assert house.rows("SELECT FROM deliveries WHERE kind = 'apple' AND wanted_version > told_version") == []
    lane.close()


@pytest.mark.parametrize("known", [Accepted("ok"), Gone(NOW)])
def test_a_witness_tells_dead_phones_from_a_wrong_channel(open_a_house: OpenHouse, known: Outcome) -> None:
    """Twenty phones are refused in a row, and one that was told before is not: the brand goes on at once."""
    house = open_a_house(**WAIT)
    tokens = add_phones(house, "lumiere", 22)
    dead = {tokens[f"P-{number}"] for number in range(3, 23)}
    line = Line(lambda notice: BAD if notice.far_end in dead else Accepted("ok"))
    lane = AppleLane("lumiere", line, house.services.tools())
    change(house, [1], 1)
    assert lane.step() == 1
    line.answer = lambda notice: BAD if notice.far_end in dead else known
    change(house, range(3, 23), 1)
    assert lane.step() == 20
    assert line.sent[-1] == tokens["P-1"]
    assert (lane.halted_until, parked(house)) == (None, 0)
    line.answer = lambda notice: BAD if notice.far_end in dead else Accepted("ok")
    change(house, [2], 1)
    assert lane.step() == 21, "nobody waits"
    assert (lane.halted_until, parked(house)) == (None, 20)
    lane.close()


def test_our_own_mistake_parks_nobody(house: House) -> None:
    """A pass type that the certificate may not push to: what Apple's table calls a bug of ours stops the channel."""
    add_phones(house, "lumiere", 300)
    with house.services.sessions.begin() as db:
        db.execute(text("UPDATE deliveries SET wanted_version = 2 WHERE kind = 'apple'"))
        (lane, *others) = open_lanes(db, "lumiere", house.services.tools(), house.services.keys, known=[])
    house.apns.answer_next(400, "TopicDisallowed")
    lane.step()
    assert lane.halted_until is not None
    assert (len(house.apns.announcements), parked(house)) == (1, 0)
    for one in (lane, *others):
        one.close()


def test_another_certificate_tries_at_once_what_the_old_one_was_refused_for(
    open_a_house: OpenHouse, authority: DevelopmentAuthority
) -> None:
    """Three cards: too few to say whose fault it is. And a channel that stopped goes on, whatever pause was begun."""
    house = open_a_house(WALLET_RETRY_MOST_S="3600")
    phones = [house.iphone() for _ in range(3)]
    for number, phone in enumerate(phones):
        phone.open_link(house.enrol(f"M-{number}")["links"]["card"])
    house.apns.answer_next(400, "DeviceTokenNotForTopic", count=2)
    with house.working():
        for number in range(2):
            house.set_points(f"M-{number}", 5, sequence=1)
        eventually(lambda: parked(house) == 2)
        house.apns.answer_next(403, "BadCertificate")
        house.set_points("M-2", 5, sequence=1)
        eventually(lambda: house.rows("SELECT FROM deliveries WHERE last_outcome = 'BadCertificate'"))
        made = authority.issue(PASS_TYPE, TEAM, "Maison Lumière", house.clock() + timedelta(minutes=30))
        identity = identity_from_files(made.leaf_pem, made.key_pem, intermediate=made.intermediate_pem)
        with house.services.sessions.begin() as db:
            assert house.services.keys.store_identity(db, "lumiere", identity, now=house.clock())
        for phone in phones[:2]:
            iphone_shows(phone, "5")
        iphone_shows(phones[2], "5")
    assert parked(house) == 0


def test_a_worker_that_starts_tries_the_refused_once_more(house: House) -> None:
    """It may have been started with the right address, which the one before did not have."""
    phone = house.iphone()
    phone.open_link(house.enrol()["links"]["card"])
    house.apns.answer_next(400, "BadDeviceToken")
    with house.working():
        house.set_points("M-1", 5, sequence=1)
        eventually(lambda: parked(house) == 1)
    with house.working():
        iphone_shows(phone, "5")


def test_item_74_a_wrong_environment_stops_the_channel_and_parks_nobody(house: House) -> None:
    phones = []
    for number in range(8):
        phone = house.iphone()
        phone.open_link(house.enrol(f"M-{number}")["links"]["card"])
        phones.append(phone)
    house.apns.answer_next(400, "BadDeviceToken", count=8)
    for number in range(8):
        house.set_points(f"M-{number}", 5, sequence=1)
    with house.working():
        for phone in phones:
            iphone_shows(phone, "5")
    assert parked(house) == 0
    assert len(house.rows("SELECT FROM registrations")) == 8


def test_witnesses_are_not_called_more_often_than_a_phone_may_be_told(open_a_house: OpenHouse) -> None:
    """One person's cards are refused again and again; whoever can testify is left in peace in between."""
    house = open_a_house(WALLET_ANNOUNCE_SPACING_S="60", WALLET_ANNOUNCE_PER_HOUR="3", **WAIT)
    tokens = add_phones(house, "lumiere", 9)
    heard_at: list[datetime] = []

    def answer(notice: Notice) -> Outcome:
        if notice.far_end != tokens["P-1"]:
            return BAD
        heard_at.append(house.clock())
        return Accepted("ok")

    lane = AppleLane("lumiere", Line(answer), house.services.tools())
    for turn in range(1, 10):
        change(house, [1], turn)
        lane.step()
        change(house, range(2, 9), turn)
        lane.step()
        with house.services.sessions.begin() as db:
            unpark(db, "lumiere", now=house.clock())
        house.clock.advance(timedelta(minutes=10, seconds=30))
    lane.close()
    assert len(heard_at) > 3, "there was occasion in the second hour as well"
    assert fullest(heard_at, HOUR) <= 3
    assert fullest(heard_at, timedelta(minutes=1)) == 1
