"""Many brands in one worker: each has its own connection, and nobody's campaign stands in a customer's way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from threading import Event

from tests.conftest import OpenSystem
from tests.delivery.brands import add_brand, add_phones, owe_campaign
from tests.system import Api, System, eventually
from wallet_service.delivery.apple_queue import LOOK_FOR_URGENT, AppleQueue
from wallet_service.simulators.apns import Announcement
from wallet_service.simulators.apple_pki import DevelopmentAuthority
from wallet_service.wallets.protocol import Accepted, Notice, Outcome

BACKLOG, CUSTOMERS = 20_000, 6
A_SECOND_OF_CAMPAIGN = 1_000


def test_ten_pass_types_are_ten_connections_kept_for_all_pushes(
    system: System, authority: DevelopmentAuthority
) -> None:
    brands = {f"brand{number}": add_brand(system, authority, f"brand{number}") for number in range(10)}
    for name in brands:
        add_phones(system, name, 3)
    with system.working():
        for turn in (1, 2, 3):
            for api in brands.values():
                for number in (1, 2, 3):
                    api.ok("PUT", f"/members/P-{number}/balances", {"sequence": turn, "points": turn})
            eventually(lambda turn=turn: len(system.apns.announcements) == turn * 30)
    assert {one.status for one in system.apns.announcements} == {200}
    assert system.apns.connections == 10
    assert len({(one.topic, one.connection) for one in system.apns.announcements}) == 10


def told_before(system: System, api: Api, member_id: str, token: str) -> int:
    """How many other announcements Apple hears between a CRM's request and the announcement that follows from it."""
    told: list[Announcement] = []
    arrived = Event()

    def look(one: Announcement) -> None:
        if one.push_token == token:
            told.append(one)
            arrived.set()

    system.apns.watch(look)
    asked_at = datetime.now(UTC)
    api.ok("PUT", f"/members/{member_id}/balances", {"sequence": 1, "points": 5})
    assert arrived.wait(60), f"{member_id} was not told at all"
    return sum(asked_at < one.arrived_at < told[0].arrived_at for one in system.apns.announcements)


def test_a_customer_waits_for_nobodys_campaign(open_system: OpenSystem, authority: DevelopmentAuthority) -> None:
    """Seconds of campaign are claimed by the worker; a customer of another brand, or of the same, goes first."""
    system = open_system(WALLET_BATCH="3000")
    campaigner, other = add_brand(system, authority, "campaigner"), add_brand(system, authority, "other")
    phones, others = add_phones(system, "campaigner", BACKLOG), add_phones(system, "other", CUSTOMERS)
    owe_campaign(system, "campaigner", but_the_first=CUSTOMERS)
    system.apns.delay(0.3)  # 300 on their way at once: 1 000 a second at the most
    with system.working():
        eventually(lambda: len(system.apns.announcements) > 300)
        before = {
            brand: sorted(told_before(system, api, member, tokens[member]) for member in others)
            for brand, api, tokens in (("other", other, others), ("campaigner", campaigner, phones))
        }
        left = "SELECT count(*) AS rows FROM deliveries WHERE wanted_version > told_version AND urgency = 1"
        assert system.rows(left)[0]["rows"] > BACKLOG / 2, "the campaign was still being sent"
        system.apns.delay(0)
    assert max(before["other"] + before["campaigner"]) < A_SECOND_OF_CAMPAIGN, before


def test_what_waits_for_the_same_phone_goes_with_what_overtakes(system: System) -> None:
    """A campaign about one card, then a purchase on another card of the same phone: one push, the next one."""
    phones = [system.iphone() for _ in range(3)]
    for number, phone in enumerate(phones):
        for card in ("a", "b"):
            phone.open_link(system.enrol(f"M-{number}-{card}")["links"]["card"])
    for number in range(3):
        system.set_points(f"M-{number}-a", 5, sequence=1)
    with system.services.sessions.begin() as db:
        db.connection().exec_driver_sql("UPDATE deliveries SET urgency = 1 WHERE wanted_version > told_version")
    told: list[Notice] = []

    class Line:
        """Takes one push at a time; during the first, something happens."""

        def announce(self, notices: Iterable[Notice]) -> Iterator[tuple[Notice, Outcome]]:
            for notice in notices:
                if not told:
                    system.set_points("M-2-b", 7, sequence=1)
                    system.clock.advance(LOOK_FOR_URGENT)
                told.append(notice)
                yield notice, Accepted("ok")

        def close(self) -> None:
            pass

    queue = AppleQueue("lumiere", Line(), system.services.tools())
    assert queue.step() == 4
    queue.close()
    assert [one.far_end for one in told] == [next(iter(phones[n].push_tokens.values())) for n in (0, 2, 1)]
    assert system.rows("SELECT FROM deliveries WHERE kind = 'apple' AND wanted_version > told_version") == []


class CampaignLine:
    """Takes one push at a time; during the first, something happens that is looked at before the second."""

    def __init__(self, system: System, happens: Callable[[], None]) -> None:
        self.told: list[str] = []
        self._system, self._happens = system, happens

    def announce(self, notices: Iterable[Notice]) -> Iterator[tuple[Notice, Outcome]]:
        for notice in notices:
            if not self.told:
                self._happens()
                self._system.clock.advance(LOOK_FOR_URGENT)
            self.told.append(notice.far_end)
            yield notice, Accepted("ok")

    def close(self) -> None:
        pass


def test_who_waits_in_the_campaigns_own_claim_is_moved_to_its_front(system: System) -> None:
    """And is told once: the push is about the newer version, too."""
    tokens = add_phones(system, "lumiere", 50)
    owe_campaign(system, "lumiere")
    line = CampaignLine(system, lambda: system.set_points("P-40", 5, sequence=1))
    queue = AppleQueue("lumiere", line, system.services.tools())
    assert queue.step() == 50
    assert line.told[1] == tokens["P-40"]
    assert sorted(line.told) == sorted(tokens.values())
    assert system.rows("SELECT FROM deliveries WHERE kind = 'apple' AND wanted_version > told_version") == []
    queue.close()


def test_a_queue_that_is_to_stop_claims_no_more(system: System) -> None:
    add_phones(system, "lumiere", 50)
    owe_campaign(system, "lumiere", but_the_first=1)

    def stop() -> None:
        queue.stop()
        system.set_points("P-1", 5, sequence=1)

    queue = AppleQueue("lumiere", CampaignLine(system, stop), system.services.tools())
    assert queue.step() == 49
    assert len(system.rows("SELECT FROM deliveries WHERE kind = 'apple' AND wanted_version > told_version")) == 1
    queue.close()
