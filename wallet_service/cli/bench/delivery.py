"""The delivery engine's figures: from due rows to settled rows, and from an event to the announcement."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random

from sqlalchemy import text
from sqlalchemy.orm import sessionmaker

from wallet_service.cards.program_cache import ProgramCache
from wallet_service.cli.bench.apple import Figure, development_identity, notices_for, sink
from wallet_service.clock import system_clock
from wallet_service.delivery.apple_queue import AppleQueue
from wallet_service.delivery.policy import Backoff, Patience
from wallet_service.delivery.queues import Tools
from wallet_service.settings import settings_from
from wallet_service.storage import engine, schema
from wallet_service.wallets.apple.push.apns import ApnsChannel
from wallet_service.wallets.protocol import Accepted

REACH = 0.30
_READY_WITHIN_S, _TOLD_WITHIN_S = 60.0, 1800.0
_PROGRAM = "bench"


@dataclass(frozen=True, kw_only=True)
class _WorkerArguments:
    """The arguments of a bench worker, pickled for its process."""

    database_url: str
    sink_url: str
    ca_file: Path


def measure_delivery(rows: int) -> list[Figure]:
    """Sending alone, then due rows to settled rows with one worker and with two, all against one sink."""
    with sink() as (url, ca_file), _database() as database:
        place = _WorkerArguments(database_url=database.url, sink_url=url, ca_file=ca_file)
        alone = _sending_alone(place, rows)
        figures = [Figure(what="sending alone", rate=alone, yardstick="", yardstick_rate=None, reach=0)]
        for workers in (1, 2):
            _make_due(database, rows)
            rate = rows / _settle_all(place, workers)
            _assert_all_told(database)
            figures.append(
                Figure(
                    what=f"due row to settled row, {workers} worker{'s' if workers > 1 else ''}, {rows:,} rows",
                    rate=rate,
                    yardstick="sending alone",
                    yardstick_rate=alone,
                    reach=REACH,
                )
            )
    return figures


def _sending_alone(place: _WorkerArguments, count: int) -> float:
    with ApnsChannel(place.sink_url, development_identity(), ca_file=place.ca_file) as channel:
        list(channel.announce(notices_for(500)))
        notices = notices_for(count)
        started = time.perf_counter()
        accepted = sum(isinstance(outcome, Accepted) for _, outcome in channel.announce(notices))
        assert accepted == count  # noqa: S101 a bench that did not do its work has no figure
        return count / (time.perf_counter() - started)


@contextmanager
def _database() -> Iterator[engine.Database]:
    with tempfile.TemporaryDirectory(prefix="wallet-bench-") as folder:
        database = engine.open_embedded(Path(folder))
        try:
            schema.upgrade(database.engine)
            yield database
        finally:
            database.close()


_FURNISH = """
INSERT INTO template_versions (template_id, digest, archive, created_at) VALUES ('bench', 'bench', '', now());
INSERT INTO programs (program_id, name, document, template_version_id, updated_at)
    SELECT 'bench', 'Bench', '{}', id, now() FROM template_versions;
INSERT INTO members (program_id, member_id, card_number, created_at, updated_at)
    SELECT 'bench', 'M-' || n, n::text, now(), now() FROM generate_series(1, :rows) n;
INSERT INTO cards (program_id, member_pk, serial_number, auth_token, link_token, issued_at, version,
template_version_id)
    SELECT 'bench', m.id, md5('s' || m.id), md5('a' || m.id), md5('l' || m.id), now(), 1, t.id
    FROM members m, template_versions t;
INSERT INTO devices (program_id, device_library_id, push_token, updated_at)
    SELECT 'bench', md5('d' || id), md5('p' || id) || md5('q' || id), now() FROM cards;
INSERT INTO registrations (device_id, card_id, registered_at)
    SELECT d.id, c.id, now() FROM cards c JOIN devices d ON d.device_library_id = md5('d' || c.id);
INSERT INTO deliveries (card_id, program_id, kind, registration_id, wanted_version, wanted_at, next_attempt_at)
    SELECT card_id, 'bench', 'apple', id, 0, now(), now() FROM registrations;
"""


def _make_due(database: engine.Database, rows: int) -> None:
    with database.engine.begin() as connection:
        if not connection.execute(text("SELECT count(*) FROM programs")).scalar_one():
            for statement in _FURNISH.split(";\n")[:-1]:
                connection.execute(text(statement), {"rows": rows} if ":rows" in statement else {})
        connection.execute(text("UPDATE deliveries SET wanted_version = wanted_version + 1, next_attempt_at = now()"))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE) deliveries, registrations, devices"))


def _assert_all_told(database: engine.Database) -> None:
    """A bench that did not do its work has no figure."""
    with database.engine.connect() as connection:
        left = connection.execute(
            text("SELECT count(*), max(last_outcome) FROM deliveries WHERE told_version < wanted_version")
        )
        count, outcome = left.one()
    if count:
        raise RuntimeError(f"{count} rows were not told: {outcome}")


def _settle_all(place: _WorkerArguments, workers: int) -> float:
    """Seconds from the starting shot until nothing is due."""
    context = multiprocessing.get_context("spawn")
    start, ready = context.Event(), context.Semaphore(0)
    processes = [context.Process(target=_work, args=(place, start, ready)) for _ in range(workers)]
    for process in processes:
        process.start()
    try:
        deadline = time.monotonic() + _READY_WITHIN_S
        for _ in processes:
            while not ready.acquire(timeout=0.1):
                _refuse_failed(processes, deadline)
        began = time.perf_counter()
        start.set()
        deadline = time.monotonic() + _TOLD_WITHIN_S
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
        took = time.perf_counter() - began
        _refuse_failed(processes, deadline)
        return took
    finally:
        for process in processes:
            process.kill()
            process.join()


def _refuse_failed(processes: Sequence[BaseProcess], deadline: float) -> None:
    """A worker that died, or is late, has no figure; what it said is on standard error."""
    if any(process.exitcode for process in processes):
        raise RuntimeError("a bench worker failed; its traceback is above")
    if time.monotonic() > deadline:
        raise RuntimeError("a bench worker was not done in time")


def _work(place: _WorkerArguments, start: object, ready: object) -> None:
    """One worker process: its own connection to the sink, warmed up, then rows until none is due."""
    from multiprocessing.synchronize import Event, Semaphore

    assert isinstance(start, Event)  # noqa: S101 what the parent passed, for the type checker
    assert isinstance(ready, Semaphore)  # noqa: S101
    database = engine.connect(place.database_url)
    channel = ApnsChannel(place.sink_url, development_identity(), ca_file=place.ca_file)
    list(channel.announce(notices_for(500)))
    queue = AppleQueue(_PROGRAM, channel, bench_tools(database))
    ready.release()
    start.wait(_READY_WITHIN_S)
    while queue.step():
        pass
    channel.close()
    database.close()


def bench_tools(database: engine.Database) -> Tools:
    """What a queue works with, at the settings' defaults; logs are off."""
    import structlog

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    return Tools(
        sessions=sessionmaker(database.engine, expire_on_commit=False),
        settings=settings_from({}),
        clock=system_clock,
        program_cache=ProgramCache(),
        backoff=Backoff(first=timedelta(seconds=1), most=timedelta(minutes=5)),
        patience=Patience(first=timedelta(hours=4), most=6),
        chance=Random(1),  # noqa: S311 jitter
    )
