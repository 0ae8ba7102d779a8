"""The readiness check: whether this installation can work, answered in time whatever hangs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from datetime import datetime, timedelta
from threading import Lock, Thread
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from wallet_service.delivery.stopped_channels import stopped_channels
from wallet_service.documents.programs import AppleDocument
from wallet_service.errors import WalletServiceError
from wallet_service.services import Services
from wallet_service.storage.tables import Program, WorkerHeartbeat
from wallet_service.wallets.apple.certificates import PassIdentity

WORKER_SILENT = timedelta(seconds=30)
LIMIT_S = 2.0
KNOWN_FOR_S = 15.0
_UNREACHABLE = {"database": "unreachable"}

Checks = Mapping[str, Any]
"""`database`, and where it answers `worker` and `keys`: "ok" or what is wrong, the keys for each programme; and
`channels`: those that have stopped, programme → platform → why.
"""


class Readiness:
    """Looks in a thread beside the requests, and waits for it `LIMIT_S` at most.

    While one request waits for a look, others have the answer of the last one if it is younger than `KNOWN_FOR_S`: a
    database that does not answer takes one thread of the server, not all.
    """

    def __init__(self, look: Callable[[], Checks]) -> None:
        self._look = look
        self._lock = Lock()
        self._looking: Future[Checks] | None = None
        self._known: Checks | None = None
        self._known_s = 0.0

    def checks(self) -> Checks:
        """What there is to say now."""
        with self._lock:
            looking = self._looking
            if looking is None:
                self._looking = looking = Future()
                Thread(target=self._run, args=(looking,), name="readiness", daemon=True).start()
            elif self._known is not None and time.monotonic() - self._known_s < KNOWN_FOR_S:
                return self._known
        try:
            known = looking.result(LIMIT_S)
        except TimeoutError:
            known = _UNREACHABLE
        finally:
            with self._lock:
                if self._looking is looking:
                    self._looking = None  # one that is not done is left behind; it ends when its connection does
        with self._lock:
            self._known, self._known_s = known, time.monotonic()
        return known

    def _run(self, looking: Future[Checks]) -> None:
        try:
            looking.set_result(self._look())
        except SQLAlchemyError:
            looking.set_result(_UNREACHABLE)
        except BaseException as error:
            looking.set_exception(error)


def look_at(services: Services) -> Checks:
    """Ask the database for itself, the workers and the keys, on a connection of its own.

    Raises:
        SQLAlchemyError: it does not answer.
    """
    now = services.clock()
    with Session(services.database.aside) as db:
        return {
            "database": "ok",
            "worker": _worker(db, now),
            "keys": _keys(db, services, now),
            "channels": {
                program_id: {state.kind: state.reason for state in states}
                for program_id, states in stopped_channels(db).items()
            },
        }


def is_ready(checks: Checks) -> bool:
    """Whether requests may be sent here. One brand's trouble takes no other brand's service away."""
    if checks["database"] != "ok" or checks["worker"] != "ok":
        return False
    return not checks["keys"] or "ok" in checks["keys"].values()


def _worker(db: Session, now: datetime) -> str:
    seen_at = db.scalar(select(func.max(WorkerHeartbeat.seen_at)))
    if seen_at is None or now - seen_at > WORKER_SILENT:
        return "no worker has been heard of lately"
    return "ok"


def _keys(db: Session, services: Services, now: datetime) -> dict[str, str]:
    """Programme → `ok`, or what is wrong with its keys."""
    programs = db.scalars(select(Program.program_id)).all()
    return {program_id: _keys_of(db, services, program_id, now) for program_id in programs}


def _keys_of(db: Session, services: Services, program_id: str, now: datetime) -> str:
    try:
        document = services.program_cache.program(db, program_id).document
        identity = services.keys.identity(db, program_id)
        account = services.keys.google_account(db, program_id)
    except WalletServiceError as error:
        return str(error)
    faults: list[str] = []
    if document.apple is not None:
        faults += _faults_of(identity, document.apple, now)
    if document.google is not None and account is None:
        faults.append("there is no Google service account: apply the programme with google.service_account_file")
    return "; ".join(faults) or "ok"


def _faults_of(identity: PassIdentity | None, apple: AppleDocument, now: datetime) -> Iterator[str]:
    if identity is None:
        yield "there is no Apple certificate: run wallet-service certs import"
        return
    if (identity.pass_type_id, identity.team_id) != (apple.pass_type_id, apple.team_id):
        yield (
            f"the Apple certificate is for {identity.pass_type_id} of team {identity.team_id}, "
            f"the programme for {apple.pass_type_id} of team {apple.team_id}"
        )
    if identity.not_after < now:
        yield "the Apple certificate is over"
