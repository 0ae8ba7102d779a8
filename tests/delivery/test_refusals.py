"""Is a phone refused, or are we? One person's phones stop nobody, our own mistake is held against nobody (check 74)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from tests.conftest import OpenSystem
from tests.delivery.brands import add_phones
from tests.delivery.rounds import fullest
from tests.routes.test_balance_event import iphone_shows
from tests.system import PASS_TYPE, TEAM, System, eventually
from wallet_service.delivery.apple_queue import AppleQueue
from wallet_service.delivery.channels import open_queues
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


def parked(system: System) -> int:
    """How many far ends wait for a person."""
    return len(system.rows("SELECT FROM deliveries WHERE parked IS NOT NULL"))


def change(system: System, members: Iterable[int], turn: int) -> None:
    """A purchase by each of these members of `add_phones`."""
    for number in members:
        system.set_points(f"P-{number}", turn, sequence=turn)


@pytest.mark.parametrize("reason", ["BadDeviceToken", "DeviceTokenNotForTopic", "BadPath"])
def test_invented_phones_on_ones_own_card_stop_nobody_else(open_system: OpenSystem, reason: str) -> None:
    system = open_system(**WAIT)
    tokens = set(add_phones(system, "lumiere", 1).values())
    evil = system.enrol("M-evil")
    with system.services.sessions.begin() as db:
        card = db.scalars(select(Card).where(Card.serial_number == evil["serial_number"])).one()
        for number in range(12):
            devices.register(db, card, f"invented-{number}", f"{number:064x}", now=system.clock())
    queue = AppleQueue(
        "lumiere",
        Line(lambda notice: Accepted("ok") if notice.far_end in tokens else Refused(reason)),
        system.services.tools(),
    )
    assert queue.step() == 12
    assert (queue.halted_until, parked(system)) == (None, 12)
    change(system, [1], 1)
    assert queue.step() == 1
    assert parked(system) == 12
    queue.close()


def test_a_quiet_brand_in_a_wrong_environment_parks_nobody_in_the_end(open_system: OpenSystem) -> None:
    """One purchase at a time: the fifth card is one too many, and the four before it are taken back."""
    system = open_system(**WAIT)
    add_phones(system, "lumiere", 9)
    right: list[Outcome] = []
    line = Line(lambda _notice: right[0] if right else BAD)
    queue = AppleQueue("lumiere", line, system.services.tools())
    for number in range(1, 10):
        change(system, [number], 1)
        queue.step()
    assert queue.halted_until is not None
    assert (len(line.sent), parked(system)) == (5, 0)
    system.clock.advance(timedelta(seconds=301))
    assert queue.step() == 9, "it is tried again"
    assert parked(system) == 0
    right.append(Accepted("ok"))
    system.clock.advance(timedelta(seconds=301))
    assert queue.step() == 9
    assert system.rows("SELECT FROM deliveries WHERE kind = 'apple' AND wanted_version > told_version") == []
    queue.close()


@pytest.mark.parametrize("known", [Accepted("ok"), Gone(NOW)])
def test_a_probe_tells_dead_phones_from_a_wrong_channel(open_system: OpenSystem, known: Outcome) -> None:
    """Twenty phones are refused in a row, and one that was told before is not: the brand goes on at once."""
    system = open_system(**WAIT)
    tokens = add_phones(system, "lumiere", 22)
    dead = {tokens[f"P-{number}"] for number in range(3, 23)}
    line = Line(lambda notice: BAD if notice.far_end in dead else Accepted("ok"))
    queue = AppleQueue("lumiere", line, system.services.tools())
    change(system, [1], 1)
    assert queue.step() == 1
    line.answer = lambda notice: BAD if notice.far_end in dead else known
    change(system, range(3, 23), 1)
    assert queue.step() == 20
    assert line.sent[-1] == tokens["P-1"]
    assert (queue.halted_until, parked(system)) == (None, 0)
    line.answer = lambda notice: BAD if notice.far_end in dead else Accepted("ok")
    change(system, [2], 1)
    assert queue.step() == 21, "nobody waits"
    assert (queue.halted_until, parked(system)) == (None, 20)
    queue.close()


def test_our_own_mistake_parks_nobody(system: System) -> None:
    """A pass type that the certificate may not push to: what Apple's table calls a bug of ours stops the channel."""
    add_phones(system, "lumiere", 300)
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE deliveries SET wanted_version = 2 WHERE kind = 'apple'"))
        (queue, *others) = open_queues(db, "lumiere", system.services.tools(), system.services.keys, known=[])
    system.apns.answer_next(400, "TopicDisallowed")
    queue.step()
    assert queue.halted_until is not None
    assert (len(system.apns.announcements), parked(system)) == (1, 0)
    for one in (queue, *others):
        one.close()


def test_another_certificate_tries_at_once_what_the_old_one_was_refused_for(
    open_system: OpenSystem, authority: DevelopmentAuthority
) -> None:
    """Three cards: too few to say whose fault it is. And a channel that stopped goes on, whatever pause was begun."""
    system = open_system(WALLET_RETRY_MOST_S="3600")
    phones = [system.iphone() for _ in range(3)]
    for number, phone in enumerate(phones):
        phone.open_link(system.enrol(f"M-{number}")["links"]["card"])
    system.apns.answer_next(400, "DeviceTokenNotForTopic", count=2)
    with system.working():
        for number in range(2):
            system.set_points(f"M-{number}", 5, sequence=1)
        eventually(lambda: parked(system) == 2)
        system.apns.answer_next(403, "BadCertificate")
        system.set_points("M-2", 5, sequence=1)
        eventually(lambda: system.rows("SELECT FROM deliveries WHERE last_outcome = 'BadCertificate'"))
        made = authority.issue(PASS_TYPE, TEAM, "Maison Lumière", system.clock() + timedelta(minutes=30))
        identity = identity_from_files(made.leaf_pem, made.key_pem, intermediate=made.intermediate_pem)
        with system.services.sessions.begin() as db:
            assert system.services.keys.store_identity(db, "lumiere", identity, now=system.clock())
        for phone in phones[:2]:
            iphone_shows(phone, "5")
        iphone_shows(phones[2], "5")
    assert parked(system) == 0


def test_a_worker_that_starts_tries_the_refused_once_more(system: System) -> None:
    """It may have been started with the right address, which the one before did not have."""
    phone = system.iphone()
    phone.open_link(system.enrol()["links"]["card"])
    system.apns.answer_next(400, "BadDeviceToken")
    with system.working():
        system.set_points("M-1", 5, sequence=1)
        eventually(lambda: parked(system) == 1)
    with system.working():
        iphone_shows(phone, "5")


def test_item_74_a_wrong_environment_stops_the_channel_and_parks_nobody(system: System) -> None:
    phones = []
    for number in range(8):
        phone = system.iphone()
        phone.open_link(system.enrol(f"M-{number}")["links"]["card"])
        phones.append(phone)
    system.apns.answer_next(400, "BadDeviceToken", count=8)
    for number in range(8):
        system.set_points(f"M-{number}", 5, sequence=1)
    with system.working():
        for phone in phones:
            iphone_shows(phone, "5")
    assert parked(system) == 0
    assert len(system.rows("SELECT FROM registrations")) == 8


def test_probes_are_not_sent_more_often_than_a_phone_may_be_told(open_system: OpenSystem) -> None:
    """One person's cards are refused again and again; whoever can testify is left in peace in between."""
    system = open_system(WALLET_ANNOUNCE_SPACING_S="60", WALLET_ANNOUNCE_PER_HOUR="3", **WAIT)
    tokens = add_phones(system, "lumiere", 9)
    heard_at: list[datetime] = []

    def answer(notice: Notice) -> Outcome:
        if notice.far_end != tokens["P-1"]:
            return BAD
        heard_at.append(system.clock())
        return Accepted("ok")

    queue = AppleQueue("lumiere", Line(answer), system.services.tools())
    for turn in range(1, 10):
        change(system, [1], turn)
        queue.step()
        change(system, range(2, 9), turn)
        queue.step()
        with system.services.sessions.begin() as db:
            unpark(db, "lumiere", now=system.clock())
        system.clock.advance(timedelta(minutes=10, seconds=30))
    queue.close()
    assert len(heard_at) > 3, "there was occasion in the second hour as well"
    assert fullest(heard_at, HOUR) <= 3
    assert fullest(heard_at, timedelta(minutes=1)) == 1
