"""The worker: queues for every programme, the composing loop, the walks, and a graceful stop.

Any number of workers may run on any number of machines; the ledger keeps them apart.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Event, Thread

import structlog
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from wallet_service.cards.pacing import Pacing
from wallet_service.cards.publishing import (
    CAMPAIGN,
    Cause,
    Publisher,
    claim_cards_due,
    composed_next,
    programs_due,
)
from wallet_service.delivery import ledger
from wallet_service.delivery.campaign_spread import CampaignSpread
from wallet_service.delivery.channels import open_queues
from wallet_service.delivery.maintenance import background_jobs
from wallet_service.delivery.queues import DeliveryQueue, Tools
from wallet_service.delivery.repeated_errors import RepeatedErrors
from wallet_service.metrics import COMPOSING_FAILED
from wallet_service.offers.campaigns import walk_one_page
from wallet_service.programs.certificates import CertificateWatch
from wallet_service.programs.key_ring import KeyRing
from wallet_service.storage.engine import Database
from wallet_service.storage.jobs import JobRunner, MovedSchedule
from wallet_service.storage.notify import Listener
from wallet_service.storage.tables import Card, Program, WorkerHeartbeat

log = structlog.get_logger()
COMPOSE_BATCH = 200
COMPOSE_AGAIN = timedelta(hours=1)
"""When a card that could not be composed is tried again."""
HEARTBEAT = timedelta(seconds=5)
REMINDING_ROUNDS = 20
"""How many batches of reminders fit between two heartbeats."""
STUCK = timedelta(minutes=10)
"""Nothing that goes well takes so long in one step of a loop: then the worker no longer counts as alive."""
_PAUSE_AFTER_ERROR_S = 1.0
_PAUSE_BESIDE_OTHERS_S = 0.1


class Loop:
    """Calls `step` in a thread of its own for as long as there is work, then waits for a hint or for the next due
    row. A step that did fewer rows than `portion` has left nothing due; what is due and could not be had by a step that
    did nothing is claimed by another, and is waited for.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], int],
        next_due_at: Callable[[], datetime | None],
        tools: Tools,
        *,
        portion: int = 1,
    ) -> None:
        self._step = step
        self._portion = portion
        self._next_due_at = next_due_at
        self._tools = tools
        self._hint = Event()
        self._stopping = Event()
        self._round_began_s = time.monotonic()
        self._repeated_errors = RepeatedErrors()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    @property
    def name(self) -> str:
        """What it is called in the log."""
        return self._thread.name

    @property
    def in_round_s(self) -> float:
        """For how many seconds it has been in this step and the pause after it."""
        return time.monotonic() - self._round_began_s

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There may be work."""
        self._hint.set()

    def stop(self) -> None:
        """Finish the step that is running, then end."""
        self._stopping.set()
        self._hint.set()

    def join(self, within_s: float | None = None) -> bool:
        """Wait for the end, so long at most; returns whether it has come."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._hint.clear()
            self._round_began_s = time.monotonic()
            try:
                done = self._step()
                self._repeated_errors.settle(self.name)
                if done < self._portion and not self._hint.is_set():
                    self._hint.wait(self._pause_s(idle=done == 0))
            except OperationalError as error:
                log.warning("database_away", loop=self.name, error=str(error.orig).splitlines()[0])
                self._stopping.wait(_PAUSE_AFTER_ERROR_S)
            except Exception as error:
                self._repeated_errors.report("loop_failed", error, subject=self.name, loop=self.name)
                self._stopping.wait(_PAUSE_AFTER_ERROR_S)

    def _pause_s(self, *, idle: bool) -> float:
        poll_s = self._tools.settings.poll_s
        due = self._next_due_at()
        if due is None:
            return poll_s
        pause_s = (due - self._tools.clock()).total_seconds()
        return min(poll_s, pause_s if pause_s > 0 else _PAUSE_BESIDE_OTHERS_S if idle else 0.0)


class Worker:
    """One worker process: `run()` until `stop()` is called, from a signal handler or another thread."""

    def __init__(self, database: Database, tools: Tools, publisher: Publisher, keys: KeyRing) -> None:
        self.worker_id = f"{socket.gethostname()}-{os.getpid()}"
        self._database = database
        self._tools = tools
        self._publisher = publisher
        self._keys = keys
        self._stopping = Event()
        self._certificates = CertificateWatch()
        self._repeated_errors = RepeatedErrors()
        self._spread = CampaignSpread(timedelta(seconds=tools.settings.campaign_spread_s))
        self._queues: dict[tuple[str, str], tuple[DeliveryQueue, Loop]] = {}
        self._composing = Loop("composing", self.compose_step, self._next_compose_at, tools)
        self._listener = Listener(database.libpq_url, self._on_work)
        jobs = background_jobs(tools, keys, self._stopping.is_set)
        self._jobs = JobRunner(database.libpq_url, jobs)
        self._schedule = MovedSchedule(jobs, tools.clock()) if tools.settings.clock is not None else None

    def run(self) -> None:
        """Work until stopped, then finish what is claimed and leave."""
        started_at = self._tools.clock()
        log.info("worker_started", worker_id=self.worker_id)
        self._composing.start()
        self._listener.start()
        self._jobs.start()
        while not self._stopping.is_set():
            try:
                self._open_new_queues()
                if not self._is_stuck():
                    self._beat(started_at)
                self._look_at_certificates()
                if self._schedule is not None:
                    with self._tools.sessions.begin() as db:
                        self._schedule.defer_due(db, self._tools.clock())
                self.remind_step()
                self._repeated_errors.settle("round")
            except Exception as error:  # the database may be away for a while; the next round finds it back
                self._repeated_errors.report("round_failed", error, subject="round", worker_id=self.worker_id)
            self._stopping.wait(min(HEARTBEAT.total_seconds(), self._tools.settings.poll_s))
        self._shut_down()
        log.info("worker_stopped", worker_id=self.worker_id)

    def stop(self) -> None:
        """Ask the worker to finish."""
        self._stopping.set()

    def compose_step(self) -> int:
        """Compose the cards whose time has come, one programme after another; with none, walk one page further."""
        tools = self._tools
        with tools.sessions() as db:
            programs = programs_due(db, now=tools.clock())
        composed = sum(self._compose_portion(program_id) for program_id in programs)
        if composed:
            return composed
        with tools.sessions.begin() as db:
            return int(walk_one_page(db, now=tools.clock()))

    def _compose_portion(self, program_id: str) -> int:
        """A portion of one programme's cards; if one of them cannot be composed, each for itself, and that one
        later.
        """
        try:
            return self._compose(program_id, COMPOSE_BATCH)
        except OperationalError:
            raise
        except Exception:
            log.exception("composing_failed", program_id=program_id)
        return sum(self._compose_one(program_id) for _ in range(COMPOSE_BATCH))

    def _compose(self, program_id: str, batch: int) -> int:
        with self._tools.sessions.begin() as db:
            now = self._tools.clock()
            cards = claim_cards_due(db, program_id, now=now, batch=batch)
            if cards:
                self._publish(db, program_id, cards, now=now)
        return len(cards)

    def _publish(self, db: Session, program_id: str, cards: list[Card], *, now: datetime) -> None:
        program = self._tools.program_cache.program(db, program_id)
        cause = Cause("time or campaign", now, CAMPAIGN, self._spread.of(db, program_id, now=now))
        changed = self._publisher.publish(db, program, cards, cause, now=now)
        log.info("composed", program_id=program_id, cards=len(cards), changed=len(changed))

    def _compose_one(self, program_id: str) -> int:
        with self._tools.sessions.begin() as db:
            now = self._tools.clock()
            cards = claim_cards_due(db, program_id, now=now, batch=1)
            for card in cards:
                try:
                    with db.begin_nested():
                        self._publish(db, program_id, [card], now=now)
                except OperationalError:
                    raise
                except Exception:
                    COMPOSING_FAILED.inc()
                    log.exception("card_not_composed", card_id=card.id, program_id=program_id)
                    card.recompose_at = now + COMPOSE_AGAIN
        return len(cards)

    def _next_compose_at(self) -> datetime | None:
        with self._tools.sessions() as db:
            return min(composed_next(db).values(), default=None)

    def _on_work(self, work: str, program_id: str) -> None:
        if work == "walk":
            self._composing.wake()
            return
        for (_, queue_program), (_, loop) in list(self._queues.items()):
            if queue_program == program_id:
                loop.wake()

    def _open_new_queues(self) -> None:
        with self._tools.sessions() as db:
            programs = db.scalars(select(Program.program_id).order_by(Program.program_id)).all()
        for program_id in programs:
            try:
                self._open_queues_of(program_id)
                self._repeated_errors.settle(program_id)
            except OperationalError:
                raise
            except Exception as error:  # one brand's wrong document or key is that brand's trouble
                self._repeated_errors.report("queues_not_opened", error, subject=program_id, program_id=program_id)

    def _open_queues_of(self, program_id: str) -> None:
        with self._tools.sessions() as db:
            queues = open_queues(db, program_id, self._tools, self._keys, known=set(self._queues))
            for queue in queues:
                self._start(queue)

    def _start(self, queue: DeliveryQueue) -> None:
        name, portion = f"{queue.kind}:{queue.program_id}", self._tools.settings.batch
        loop = Loop(name, queue.step, queue.next_due_at, self._tools, portion=portion)
        self._queues[(queue.kind, queue.program_id)] = (queue, loop)
        loop.start()

    def _look_at_certificates(self) -> None:
        with self._tools.sessions() as db:
            self._certificates.look(db, self._keys, now=self._tools.clock())

    def _is_stuck(self) -> bool:
        longest_s = STUCK.total_seconds() + self._tools.settings.poll_s
        stuck = [loop.name for loop in self._loops() if loop.in_round_s > longest_s]
        if stuck:
            log.error("loops_stuck", worker_id=self.worker_id, loops=stuck)
        return bool(stuck)

    def _loops(self) -> list[Loop]:
        return [self._composing, *(loop for _, loop in self._queues.values())]

    def _beat(self, started_at: datetime) -> None:
        now = self._tools.clock()
        values = {"started_at": started_at, "seen_at": now}
        with self._tools.sessions.begin() as db:
            db.execute(
                insert(WorkerHeartbeat)
                .values(worker_id=self.worker_id, **values)
                .on_conflict_do_update(index_elements=["worker_id"], set_=values)
            )
            db.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.seen_at < now - timedelta(days=1)))

    def remind_step(self) -> None:
        """Make announcements pending again for phones that have not come, as many as fit between two heartbeats."""
        settings = self._tools.settings
        for _ in range(REMINDING_ROUNDS):
            if self._stopping.is_set():
                return
            with self._tools.sessions.begin() as db:
                reminded = ledger.remind(
                    db,
                    now=self._tools.clock(),
                    most=settings.announce_again_most,
                    per_day=settings.announce_again_per_day,
                    pacing=Pacing.of(settings),
                    batch=settings.batch,
                )
            if reminded.stale:
                log.warning("phones_stale", phones=reminded.stale)
            for program_id in reminded.programs:
                self._on_work("tell", program_id)
            if not reminded.more:
                return

    def _shut_down(self) -> None:
        """What waits for a silent database is left behind, with what it works with; the process takes it along."""
        for queue, _ in self._queues.values():
            queue.stop()
        for loop in self._loops():
            loop.stop()
        deadline = time.monotonic() + self._tools.settings.lease_s
        left = {loop for loop in self._loops() if not loop.join(max(0.0, deadline - time.monotonic()))}
        if left:
            log.error("loops_left_behind", worker_id=self.worker_id, loops=sorted(loop.name for loop in left))
        for queue, loop in self._queues.values():
            if loop not in left:
                queue.close()
        self._listener.stop()
        self._jobs.stop()
        with suppress(OperationalError), self._tools.sessions.begin() as db:
            db.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.worker_id == self.worker_id))
