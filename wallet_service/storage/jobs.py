"""Background jobs that are not the hot path, on Procrastinate: their queue is PostgreSQL, like everything else.

One worker of all runs each periodic task, whichever is first. A task that needs more than a moment deletes in portions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Thread

import structlog
from procrastinate import App, BaseRetryStrategy, PsycopgConnector, RetryDecision, SyncPsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job as QueuedJob
from psycopg_pool import AsyncConnectionPool
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

log = structlog.get_logger()
PORTION = 10_000
EVERY_NIGHT, EVERY_FIVE_MINUTES = "17 3 * * *", "*/5 * * * *"
_AT_ONCE = 6
"""Jobs of one worker that run at once: what somebody waits for does not wait for the night's long tasks."""
_PAUSE_S = 5.0
_FINISH_S = 30.0

KEEP: Mapping[str, tuple[str, timedelta]] = {
    "card_versions": ("composed_at", timedelta(days=90)),
    "past_deliveries": ("superseded_at", timedelta(days=90)),
    "gone_registrations": ("gone_at", timedelta(days=90)),
    "inbox_events": ("received_at", timedelta(days=90)),
    "google_callbacks": ("received_at", timedelta(days=30)),
    "idempotency_keys": ("created_at", timedelta(days=7)),
    "campaigns": ("finished_at", timedelta(days=30)),
    "mails": ("created_at", timedelta(days=30)),
    "store_imports": ("created_at", timedelta(days=30)),
}
"""Table → the column of its age, and how long a row is kept."""


def forget_history(
    sessions: sessionmaker[Session], *, now: datetime, stopping: Callable[[], bool] = lambda: False
) -> dict[str, int]:
    """Delete what is older than it is kept for, a portion in each transaction, until all is deleted or `stopping`;
    returns the rows deleted of each table.
    """
    deleted = {}
    for table, (column, kept) in KEEP.items():
        statement = text(
            f"DELETE FROM {table} WHERE ctid = ANY(ARRAY("  # noqa: S608 names of this module
            f"SELECT ctid FROM {table} WHERE {column} < :before LIMIT {PORTION}))"
        )
        deleted[table] = 0
        while not stopping():
            with sessions.begin() as db:
                portion = db.execute(statement, {"before": now - kept}).rowcount  # type: ignore[attr-defined]
            deleted[table] += portion
            if portion < PORTION:
                break
    return deleted


PeriodicTask = Callable[[], Mapping[str, int]]
"""A periodic task; what it returns is counted things, for the log."""
Job = Callable[[int], timedelta | None]
"""What is done about the row of that number; returns after how long to try again, or None once nothing is left to do.
The row says what has to be done and whether it was: the job is only what makes it happen now."""


@dataclass(frozen=True)
class Jobs:
    """Everything that a worker does in the background, each by its name."""

    nightly: Mapping[str, PeriodicTask] = field(default_factory=dict)
    often: Mapping[str, PeriodicTask] = field(default_factory=dict)
    deferred: Mapping[str, Job] = field(default_factory=dict)


_DEFERRING = App(connector=SyncPsycopgConnector())
"""Never opened: it only writes on connections that it is given."""


def defer_job(db: Session, name: str, number: int) -> None:
    """Have the job `name` done about the row `number`, in the caller's transaction: after its commit, or never."""
    connection = db.connection().connection.driver_connection
    _DEFERRING.configure_task(name, allow_unknown=True, connection=connection).defer(number=number)


_DEFER_ONCE = text("""
SELECT procrastinate_defer_periodic_job_v2('default', NULL, :name, :name, 0, :clock, :at, jsonb_build_object(
    'timestamp', CAST(:at AS bigint)))
""")


class MovedSchedule:
    """Periodic tasks by a clock that is moved (`WALLET_CLOCK`): Procrastinate itself goes by the machine's."""

    def __init__(self, jobs: Jobs, now: datetime) -> None:
        self._tasks = [(name, True) for name in jobs.nightly] + [(name, False) for name in jobs.often]
        self._seen = {name: _last_time(now, nightly=nightly) for name, nightly in self._tasks}

    def defer_due(self, db: Session, now: datetime) -> list[str]:
        """Defer what has come due since the last look, once for all workers of one clock; returns its names."""
        due = []
        for name, nightly in self._tasks:
            at = _last_time(now, nightly=nightly)
            if at > self._seen[name]:
                values = {"name": name, "clock": "moved", "at": int(at.timestamp())}
                db.execute(_DEFER_ONCE, values)
                due.append(name)
            self._seen[name] = at
        return due


def _last_time(now: datetime, *, nightly: bool) -> datetime:
    """The last instant of `EVERY_NIGHT` or `EVERY_FIVE_MINUTES`."""
    if not nightly:
        return now.replace(minute=now.minute - now.minute % 5, second=0, microsecond=0)
    tonight = now.replace(hour=3, minute=17, second=0, microsecond=0)
    return tonight if tonight <= now else tonight - timedelta(days=1)


class _AgainError(Exception):
    """How a job asks Procrastinate for another try."""

    def __init__(self, after: timedelta) -> None:
        super().__init__(f"again after {after}")
        self.after = after


class _AgainWhenAsked(BaseRetryStrategy):
    def get_retry_decision(self, *, exception: BaseException, job: QueuedJob) -> RetryDecision | None:
        if not isinstance(exception, _AgainError):
            return None  # a bug of ours
        return RetryDecision(retry_in={"milliseconds": round(exception.after / timedelta(milliseconds=1))})


def _app(libpq_url: str, jobs: Jobs) -> App:
    """Procrastinate's app with our jobs, by name."""
    app = App(connector=PsycopgConnector(conninfo=libpq_url))
    for name, task in jobs.nightly.items():
        _add_periodic(app, name, EVERY_NIGHT, task)
    for name, task in jobs.often.items():
        _add_periodic(app, name, EVERY_FIVE_MINUTES, task)
    for name, job in jobs.deferred.items():
        _add_deferred(app, name, job)
    return app


def _add_periodic(app: App, name: str, cron: str, task: PeriodicTask) -> None:
    @app.periodic(cron=cron)
    @app.task(name=name, queueing_lock=name, pass_context=False)
    def do(timestamp: int) -> None:
        log.info("periodic_task_done", task=name, **task())


def _add_deferred(app: App, name: str, job: Job) -> None:
    @app.task(name=name, retry=_AgainWhenAsked(), pass_context=False)
    def do(number: int) -> None:
        after = job(number)
        if after is not None:
            raise _AgainError(after)


class JobRunner:
    """Runs jobs in a thread of its own, until stopped; a database that is away is waited for."""

    def __init__(self, libpq_url: str, jobs: Jobs) -> None:
        self._url = libpq_url
        self._app = _app(libpq_url, jobs)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self._thread = Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._loop = asyncio.new_event_loop()  # not before: a loop that never runs is never closed
        self._thread.start()

    def stop(self) -> None:
        """Finish the job that is running, then end.

        One that takes longer than half a minute is not waited for here; but the interpreter waits for its thread
        before it ends, so whoever must end in time sets a deadline to the process.
        """
        if self._loop is None:
            return
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._cancel)
        self._thread.join(_FINISH_S)
        if self._thread.is_alive():
            log.error("job_left_behind")

    def _cancel(self) -> None:
        self._stopped = True
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        with (
            asyncio.Runner(loop_factory=lambda: self._loop or asyncio.new_event_loop()) as runner,
            suppress(asyncio.CancelledError),
        ):
            runner.run(self._work())

    async def _work(self) -> None:
        """The pool is ours and opens in the background: one that is cancelled while it opens never ends.

        A worker that is cancelled and then fails to sign off raises that failure, not the cancellation.
        """
        self._task = asyncio.current_task()
        pool = AsyncConnectionPool(
            self._url, min_size=1, max_size=3, timeout=_PAUSE_S, check=AsyncConnectionPool.check_connection, open=False
        )
        async with pool, self._app.open_async(pool):
            while not self._stopped:
                try:
                    await self._app.run_worker_async(
                        install_signal_handlers=False, delete_jobs="successful", concurrency=_AT_ONCE
                    )
                except ConnectorException as error:
                    log.warning("jobs_lost_database", error=str(error))
                if not self._stopped:
                    await asyncio.sleep(_PAUSE_S)
