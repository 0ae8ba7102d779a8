"""What workers do in the background: maintenance once every night, by one of all; and the mails."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog
from sqlalchemy import select

from wallet_service.access.forgetting import forget_access
from wallet_service.cards.erasure import forget_tombstones
from wallet_service.delivery.channels import renewing_google_channel
from wallet_service.delivery.google_bodies import audit_of
from wallet_service.delivery.queues import Tools
from wallet_service.errors import WalletServiceError
from wallet_service.loyalty.ledger.audit import audit_all
from wallet_service.loyalty.ledger.walk import book_what_is_due
from wallet_service.mail.outbox import SEND_DUE_MAILS, SEND_MAIL, Outbox
from wallet_service.metrics import GOOGLE_AUDIT_FINDINGS, GOOGLE_AUDITS
from wallet_service.offers.report import count_offers, forget_showings
from wallet_service.programs.key_ring import KeyRing
from wallet_service.programs.reissuing import reissue_where_renewed
from wallet_service.storage.jobs import Jobs, PeriodicTask, forget_history
from wallet_service.storage.notify import wake_workers
from wallet_service.storage.tables import Program
from wallet_service.stores.import_jobs import IMPORT_STORES, RESUME_IMPORTS, resume_imports, run_import

log = structlog.get_logger()


def background_jobs(tools: Tools, keys: KeyRing, stopping: Callable[[], bool]) -> Jobs:
    """Everything that a worker does in the background."""
    outbox = Outbox.of(tools.settings, tools.sessions, tools.clock)
    return Jobs(
        nightly=maintenance_tasks(tools, keys, stopping),
        often={
            SEND_DUE_MAILS: lambda: outbox.send_due(stopping),
            "count_offers": lambda: {"offers": count_offers(tools.sessions, now=tools.clock(), stopping=stopping)},
            "book_due_points": lambda: book_what_is_due(tools.sessions, now=tools.clock(), stopping=stopping),
            RESUME_IMPORTS: lambda: resume_imports(tools.sessions, now=tools.clock()),
        },
        deferred={
            SEND_MAIL: outbox.send,
            IMPORT_STORES: lambda number: run_import(
                tools.sessions, tools.program_cache, number, now=tools.clock, stopping=stopping
            ),
        },
    )


def maintenance_tasks(tools: Tools, keys: KeyRing, stopping: Callable[[], bool]) -> Mapping[str, PeriodicTask]:
    """Every maintenance task by its name, which is its job's name as well. A long one ends early when `stopping`."""
    return {
        "forget_history": lambda: forget_history(tools.sessions, now=tools.clock(), stopping=stopping),
        "forget_erased": lambda: _forget_erased(tools, stopping),
        "audit_google": lambda: audit_google(tools, keys, stopping),
        "audit_points": lambda: audit_all(tools.sessions, now=tools.clock(), stopping=stopping),
        "reissue_renewed": lambda: _reissue_renewed(tools),
        "forget_showings": lambda: _forget_showings(tools, stopping),
        "forget_access": lambda: forget_access(
            tools.sessions, journal_kept=tools.settings.journal_kept, now=tools.clock(), stopping=stopping
        ),
    }


def _forget_erased(tools: Tools, stopping: Callable[[], bool]) -> Mapping[str, int]:
    longest = tools.settings.erased_kept
    return {"cards": forget_tombstones(tools.sessions, longest=longest, now=tools.clock(), stopping=stopping)}


def _forget_showings(tools: Tools, stopping: Callable[[], bool]) -> Mapping[str, int]:
    forgotten = 0
    while not stopping():
        with tools.sessions.begin() as db:
            some = forget_showings(db, now=tools.clock())
        forgotten += some
        if not some:
            break
    return {"showings": forgotten}


def _reissue_renewed(tools: Tools) -> Mapping[str, int]:
    with tools.sessions.begin() as db:
        renewed = reissue_where_renewed(db, now=tools.clock())
    return {"programs": len(renewed)}


def audit_google(tools: Tools, keys: KeyRing, stopping: Callable[[], bool]) -> Mapping[str, int]:
    """Audit every programme that is on Google, and put back what differs; one that fails stops no other."""
    with tools.sessions() as db:
        programs = db.scalars(select(Program.program_id).order_by(Program.program_id)).all()
    return {"programs": sum(_audit_one(program_id, tools, keys, stopping) for program_id in programs)}


def _audit_one(program_id: str, tools: Tools, keys: KeyRing, stopping: Callable[[], bool]) -> bool:
    line = renewing_google_channel(program_id, tools, keys)
    try:
        channel = line.current()
        if channel is None or stopping():
            return False
        report = audit_of(tools, channel, program_id, put_back=True, now=tools.clock(), stopping=stopping)
        with tools.sessions.begin() as db:
            wake_workers(db, program_id)
    except WalletServiceError as error:
        log.warning("google_audit_failed", program_id=program_id, reason=str(error))
        GOOGLE_AUDITS.labels(program_id, "failed").inc()
        return False
    finally:
        line.close()
    findings = report.counts()
    for finding, objects in findings.items():
        GOOGLE_AUDIT_FINDINGS.labels(program_id, finding).inc(objects)
    GOOGLE_AUDITS.labels(program_id, "whole" if report.is_whole else "interrupted").inc()
    log.info("google_audited", program_id=program_id, whole=report.is_whole, **findings)
    return True
