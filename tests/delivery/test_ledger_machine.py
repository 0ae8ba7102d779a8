"""The ledger under random changes, crashes, stalls past the lease, late settles, refusals, lost pushes and two workers.

Everything that touches a row is the product's own: publishing, claiming, settling, giving back, reminding, a phone that
registers, lists and fetches, a person who says "again". In the end nothing is due and the far side shows the last face,
whatever happened on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select, text

from tests.system import PASS_TYPE, System
from wallet_service.cards.pacing import UNPACED
from wallet_service.cards.publishing import CAMPAIGN, INTERACTIVE, Cause, _make_pending
from wallet_service.delivery import ledger
from wallet_service.delivery.ledger import Claimed
from wallet_service.delivery.policy import Forget, Park, Retry, Step, Told
from wallet_service.delivery.status import retry_far_end
from wallet_service.storage.change_number import next_change_numbers
from wallet_service.storage.tables import Card
from wallet_service.wallets.apple import devices

LEASE, AGAIN = timedelta(seconds=30), timedelta(seconds=10)
SECOND = timedelta(seconds=1)
START = datetime(2026, 11, 21, 9, tzinfo=UTC)
PHONE = "the phone"


@dataclass
class OpenClaim:
    """A worker between its claim and its settle; `content` is the version it will send, `arrived` that the far side
    has it, `late` that it sent it after its lease.
    """

    claim_id: str
    claimed_at: datetime
    rows: list[Claimed]
    content: int
    sent: bool = False
    arrived: bool = False
    late: bool = False


@dataclass
class World:
    """One far end of one card: a Google object (content travels) or an iPhone (it comes to fetch)."""

    system: System
    card_id: int
    now: datetime = START
    version: int = 0
    shows: int = 0
    has_pass: bool = False
    removed_at: datetime = START
    open_claims: list[OpenClaim] = field(default_factory=list)
    claims: int = 0


class LedgerMachine(RuleBasedStateMachine):
    """Every step that a real installation can take, in any order. A subclass knows the far end."""

    world: World
    kind: str

    @initialize()
    def begin(self) -> None:
        self.world.open_claims = []
        with self.world.system.services.sessions.begin() as db:
            db.execute(text("DELETE FROM devices"))
            db.execute(text("UPDATE deliveries SET parked = NULL, claim = NULL, attempts = 0, told_version = 0"))
        self.install()
        self.change(INTERACTIVE)

    @rule(urgency=st.sampled_from([INTERACTIVE, CAMPAIGN]))
    def change(self, urgency: int) -> None:
        """The card looks different: every far end is owed the new version."""
        world = self.world
        with world.system.services.sessions.begin() as db:
            (world.version,) = next_change_numbers(db, "lumiere")
            db.execute(
                text("UPDATE cards SET version = :version WHERE id = :card"),
                {"version": world.version, "card": world.card_id},
            )
            cause = Cause("a change", world.now, urgency)
            _make_pending(db, "lumiere", [world.card_id], cause, now=world.now, pacing=UNPACED)

    @rule()
    def claim(self) -> None:
        """A worker takes what is due and reads what it will send."""
        world = self.world
        world.claims += 1
        claim_id = f"claim-{world.claims}"
        with world.system.services.sessions.begin() as db:
            rows = ledger.claim(
                db, kind=self.kind, program_id="lumiere", now=world.now, lease=LEASE, batch=10, claim_id=claim_id
            )
        assert all(row.attempts >= 1 for row in rows), "this one counts"
        if rows:
            world.open_claims.append(OpenClaim(claim_id, world.now, rows, world.version))

    @precondition(lambda self: any(not held.sent for held in self.world.open_claims))
    @rule(data=st.data(), arrives=st.sampled_from([True, True, False]))
    def send(self, data: st.DataObject, arrives: bool) -> None:
        """The far side gets it, now or after the worker had stalled: Google stores the content, or was not reached; the
        iPhone may miss the push.
        """
        held = data.draw(st.sampled_from([held for held in self.world.open_claims if not held.sent]))
        self._send(held, arrives=arrives)

    @precondition(lambda self: bool(self.world.open_claims))
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """However a worker ends: it writes down the answer, or an error (whether or not the far side did it); it
        gives back what it has not sent; or it dies at whatever line it stands.

        Only stalled past the lease, then sent, then died: nobody could know that. A request is shorter than the lease.
        """
        held = data.draw(st.sampled_from(self.world.open_claims))
        ends = [
            "busy",
            "refused",
            *(["answered"] * 3 if held.sent else ["back"]),
            *([] if held.late else ["dead"]),
        ]
        match data.draw(st.sampled_from(ends)):
            case "answered":
                self._settle(held)
            case "busy":
                self._write_down(held, Retry(timedelta(seconds=5), "503"))
            case "refused":
                self._write_down(held, Park("400"))
            case "back":
                self._give_back(held)
            case _:
                self.world.open_claims.remove(held)

    @rule()
    def try_again(self) -> None:
        """A person has seen to what was refused."""
        system = self.world.system
        for row in system.rows("SELECT id FROM deliveries WHERE parked IS NOT NULL"):
            with system.services.sessions.begin() as db:
                retry_far_end(db, "lumiere", row["id"], now=self.world.now)

    @rule(seconds=st.sampled_from([5, 31, 31]))
    def wait(self, seconds: int) -> None:
        """Time passes; 31 s is longer than any lease."""
        self.world.now += timedelta(seconds=seconds)

    def teardown(self) -> None:
        self.come_to_rest()

    @rule()
    def come_to_rest(self) -> None:
        """The stalled finish, a person looks after what was refused, and one calm worker goes on until nothing is
        due.
        """
        world = self.world
        for held in [held for held in world.open_claims if held.sent]:
            self._settle(held)
        self.try_again()
        unfinished = (
            "SELECT FROM deliveries WHERE kind = :kind AND (wanted_version > told_version OR again_at IS NOT NULL)"
        )
        for _ in range(20):
            world.now += timedelta(seconds=31)
            world.open_claims = []
            self.remind()
            self.claim()
            for held in list(world.open_claims):
                self._send(held, arrives=True)
                self._settle(held)
            if not world.system.rows(unfinished, kind=self.kind):
                break
        else:
            pytest.fail("the ledger never came to rest")
        assert not world.has_pass or world.shows == world.version

    def install(self) -> None:
        """The holder adds the card."""

    def remind(self) -> None:
        """A worker looks who was told and has not come."""

    def arrive(self, held: OpenClaim) -> None:
        """The platform gets it."""

    def _send(self, held: OpenClaim, *, arrives: bool) -> None:
        held.sent, held.arrived, held.late = (
            True,
            arrives,
            self.world.now >= held.claimed_at + LEASE,
        )
        if arrives:
            self.arrive(held)

    def _settle(self, held: OpenClaim) -> None:
        self._write_down(held, self.answer(held))

    def answer(self, held: OpenClaim) -> Step:
        """What comes of an announcement that the platform did not refuse."""
        raise NotImplementedError

    def _write_down(self, held: OpenClaim, step: Step) -> None:
        self.world.open_claims.remove(held)
        with self.world.system.services.sessions.begin() as db:
            ledger.settle(db, [(row, step) for row in held.rows], claim_id=held.claim_id, now=self.world.now)

    def _give_back(self, held: OpenClaim) -> None:
        self.world.open_claims.remove(held)
        with self.world.system.services.sessions.begin() as db:
            ledger.release(db, held.rows, claim_id=held.claim_id, now=self.world.now)


class GoogleMachine(LedgerMachine):
    """The content travels with the telling, so what lands last is what the holder sees."""

    kind = "google"

    def install(self) -> None:
        world = self.world
        world.has_pass = True
        with world.system.services.sessions.begin() as db:
            db.execute(text("UPDATE deliveries SET wanted_version = 1 WHERE wanted_version = 0"))

    def arrive(self, held: OpenClaim) -> None:
        self.world.shows = held.content

    def answer(self, held: OpenClaim) -> Step:
        """Accepted; or no answer, where it was not reached."""
        return Told("ok") if held.arrived else Retry(timedelta(seconds=5), "timeout")


class AppleMachine(LedgerMachine):
    """The telling is an empty push that may be lost; the phone comes and fetches what there is by then."""

    kind = "apple"

    @rule(data=st.data())
    def phone(self, data: st.DataObject) -> None:
        """The phone asks by itself what is new; or the holder deletes the pass, and the phone cannot say so: Apple
        will, to the next push; or adds it (again); or the phone has a new push token.
        """
        world = self.world
        match data.draw(st.sampled_from(["come", "come", "remove", "register"] if world.has_pass else ["register"])):
            case "come":
                self.come()
            case "remove":
                world.has_pass, world.removed_at = False, world.now
            case _:
                self._register()

    @rule()
    def remind(self) -> None:
        with self.world.system.services.sessions.begin() as db:
            ledger.remind(db, now=self.world.now, most=2, per_day=1000)

    def install(self) -> None:
        self.world.has_pass = False
        self._register()

    def arrive(self, held: OpenClaim) -> None:
        if self.world.has_pass:
            self.come()

    def answer(self, held: OpenClaim) -> Step:
        """Accepted, whether or not the phone hears of it; or, where the pass is no longer there, gone."""
        return Told("ok", AGAIN) if self.world.has_pass else Forget(self.world.removed_at)

    def come(self) -> None:
        """The phone lists what is new, and fetches it."""
        world, statements = self.world, self.world.system.services.statements
        devices.list_changed(statements, PHONE, PASS_TYPE, tag=0, now=world.now)
        devices.record_fetch(statements, world.card_id, world.version, now=world.now)
        world.shows = world.version

    def _register(self) -> None:
        world = self.world
        world.now += SECOND
        with world.system.services.sessions.begin() as db:
            if not world.has_pass:
                devices.record_link_download(db, world.card_id, world.version)
                world.has_pass, world.shows = True, world.version
            card = db.scalars(select(Card).where(Card.id == world.card_id)).one()
            devices.register(db, card, PHONE, f"{world.claims:064x}", now=world.now)


@pytest.mark.parametrize("machine", [GoogleMachine, AppleMachine])
def test_whatever_happens_the_far_side_shows_the_last_face(system: System, machine: type[LedgerMachine]) -> None:
    system.enrol()

    class Machine(machine):  # type: ignore[misc,valid-type]
        world = World(system, card_id=system.rows("SELECT id FROM cards")[0]["id"])

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
