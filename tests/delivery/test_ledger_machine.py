"""The ledger under random changes, crashes, stalls past the lease, late settles and two workers.

In the end nothing is due and the far side shows the last face, whatever happened on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from tests.conftest import OpenHouse
from wallet_service.delivery import ledger
from wallet_service.delivery.ledger import Claimed
from wallet_service.delivery.policy import Retry, Told

LEASE = timedelta(seconds=30)
START = datetime(2026, 11, 21, 9, tzinfo=UTC)


@dataclass
class Hand:
    """A worker between its claim and its settle; `sent` is what the far side was given, if it came to that."""

    claim_id: str
    claimed_at: datetime
    rows: list[Claimed]
    contents: dict[int, int]
    sent: bool = False


@dataclass
class World:
    """One Google object (content travels) and one iPhone (it comes to fetch), for one card."""

    sessions: sessionmaker[Session]
    google_row: int
    apple_row: int
    now: datetime = START
    version: int = 1
    google_shows: int = 0
    iphone_shows: int = 0
    hands: list[Hand] = field(default_factory=list)
    claims: int = 0


class LedgerMachine(RuleBasedStateMachine):
    """Every step that a real installation can take, in any order."""

    world: World

    @initialize()
    def begin(self) -> None:
        world = self.world
        world.now, world.version, world.google_shows, world.iphone_shows = START, 1, 0, 0
        world.hands = []
        self._write(
            "UPDATE deliveries SET wanted_version = 1, told_version = 0, attempts = 0, claim = NULL,"
            " parked = NULL, next_attempt_at = :now"
        )

    @rule()
    def change(self) -> None:
        """The card looks different: every far end is owed the new version, as publishing owes it."""
        self.world.version += 1
        self._write(
            "UPDATE deliveries SET wanted_version = :version, wanted_at = :now, attempts = 0,"
            " next_attempt_at = CASE WHEN claim IS NULL THEN :now ELSE next_attempt_at END"
        )

    @rule(kind=st.sampled_from(["apple", "google"]))
    def claim(self, kind: str) -> None:
        """A worker takes what is due and reads what it will send."""
        world = self.world
        world.claims += 1
        claim_id = f"claim-{world.claims}"
        with world.sessions.begin() as db:
            rows = ledger.claim(
                db, kind=kind, program_id="lumiere", now=world.now, lease=LEASE, batch=10, claim_id=claim_id
            )
        if rows:
            world.hands.append(Hand(claim_id, world.now, rows, {row.delivery_id: world.version for row in rows}))

    @precondition(lambda self: bool(self._unsent()))
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        """The far side gets it, within the lease: Google stores the content, the iPhone comes for the newest pass."""
        world = self.world
        hand = data.draw(st.sampled_from(self._unsent()))
        hand.sent = True
        for row in hand.rows:
            if row.delivery_id == world.google_row:
                world.google_shows = hand.contents[row.delivery_id]
            else:
                world.iphone_shows = world.version

    @precondition(lambda self: any(hand.sent for hand in self.world.hands))
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        """A worker writes down that it told; perhaps long after its lease."""
        self._settle(data.draw(st.sampled_from([hand for hand in self.world.hands if hand.sent])))

    @precondition(lambda self: bool(self.world.hands))
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        """The answer was an error, whether or not the far side did it: try again in a while."""
        world = self.world
        hand = data.draw(st.sampled_from(world.hands))
        world.hands.remove(hand)
        with world.sessions.begin() as db:
            results = [(row, Retry(timedelta(seconds=5), "503")) for row in hand.rows]
            ledger.settle(db, results, claim_id=hand.claim_id, now=world.now)

    @precondition(lambda self: bool(self.world.hands))
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        """A worker dies at whatever line it stands."""
        self.world.hands.remove(data.draw(st.sampled_from(self.world.hands)))

    @rule(seconds=st.sampled_from([1, 10, 31]))
    def wait(self, seconds: int) -> None:
        """Time passes; 31 s is longer than any lease."""
        self.world.now += timedelta(seconds=seconds)

    def teardown(self) -> None:
        """The stalled finish, and one calm worker goes on until nothing is due."""
        world = self.world
        for hand in [hand for hand in world.hands if hand.sent]:
            self._settle(hand)
        for _ in range(20):
            world.now += timedelta(seconds=31)
            world.hands = []
            self.claim("apple")
            self.claim("google")
            if not world.hands:
                break
            for hand in list(world.hands):
                hand.sent = True
                for row in hand.rows:
                    if row.delivery_id == world.google_row:
                        world.google_shows = hand.contents[row.delivery_id]
                    else:
                        world.iphone_shows = world.version
                self._settle(hand)
        else:
            pytest.fail("the ledger never came to rest")
        assert (world.google_shows, world.iphone_shows) == (world.version, world.version)

    def _unsent(self) -> list[Hand]:
        return [hand for hand in self.world.hands if not hand.sent and self.world.now < hand.claimed_at + LEASE]

    def _settle(self, hand: Hand) -> None:
        self.world.hands.remove(hand)
        with self.world.sessions.begin() as db:
            results = [(row, Told("ok")) for row in hand.rows]
            ledger.settle(db, results, claim_id=hand.claim_id, now=self.world.now)

    def _write(self, statement: str) -> None:
        world = self.world
        values: dict[str, Any] = {"now": world.now, "version": world.version}
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        with world.sessions.begin() as db:
            db.execute(text(statement), used)


@contextmanager
def _machine_for(world: World) -> Iterator[type[LedgerMachine]]:
    class Machine(LedgerMachine):
        pass

    Machine.world = world
    yield Machine


def test_whatever_happens_the_far_side_shows_the_last_face(open_a_house: OpenHouse) -> None:
    house = open_a_house()
    card = house.enrol()
    with house.services.sessions.begin() as db:
        db.execute(text("UPDATE deliveries SET wanted_version = 1"))
    iphone = house.iphone()
    iphone.open_link(card["links"]["card"])
    ids = {row["kind"]: row["id"] for row in house.rows("SELECT id, kind FROM deliveries")}
    world = World(house.services.sessions, google_row=ids["google"], apple_row=ids["apple"])
    with _machine_for(world) as machine:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=40,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )
