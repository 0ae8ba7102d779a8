"""For operators: is it alive, can it work, what has it counted."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Any

import orjson
from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from wallet_service.delivery.status import lane_statuses
from wallet_service.errors import WalletServiceError
from wallet_service.metrics import DUE_OLDEST, DUE_OPEN, PARKED, STALE
from wallet_service.programs.certificates import certificate_states
from wallet_service.storage.tables import Program, WorkerHeartbeat
from wallet_service.web.context import now, services

WORKER_SILENT = timedelta(seconds=30)


def make_operations() -> Blueprint:
    """The blueprint, at the root."""
    blueprint = Blueprint("operations", __name__)
    blueprint.add_url_rule("/healthz", view_func=healthz)
    blueprint.add_url_rule("/readyz", view_func=readyz)
    blueprint.add_url_rule("/metrics", view_func=metrics)
    blueprint.add_url_rule("/robots.txt", view_func=robots)
    return blueprint


def healthz() -> Response:
    """The process answers."""
    return Response("alive\n", mimetype="text/plain")


def readyz() -> Response:
    """200 if the database answers, a worker is alive and some programme's keys are good; 503 and the reasons otherwise.

    One brand's trouble is told, and takes no other brand's service away.
    """
    checks: dict[str, Any] = {"database": _database()}
    ready = checks["database"] == "ok"
    if ready:
        checks |= {"worker": _worker(), "keys": _keys()}
        ready = checks["worker"] == "ok" and (not checks["keys"] or "ok" in checks["keys"].values())
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return Response(orjson.dumps({"ready": ready, "checks": checks}), status=status.value, mimetype="application/json")


def metrics() -> Response:
    """Prometheus's text format: what this process has counted, and where the postroom stands (the same from each)."""
    with services().sessions() as db:
        for gauge in (DUE_OPEN, DUE_OLDEST, PARKED, STALE):
            gauge.clear()
        for lane in lane_statuses(db, now=now()):
            labels = (lane.kind, lane.program_id)
            DUE_OPEN.labels(*labels).set(lane.open)
            DUE_OLDEST.labels(*labels).set(lane.oldest_due_s)
            PARKED.labels(*labels).set(lane.parked)
            STALE.labels(*labels).set(lane.stale)
        certificate_states(db, services().keys, now=now())
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def robots() -> Response:
    """Google's signed callbacks come as Googlebot and must be let in; cards are nobody's search result."""
    return Response("User-agent: *\nAllow: /google/callback\nAllow: /c/images/\nDisallow: /\n", mimetype="text/plain")


def _database() -> str:
    try:
        with services().sessions() as db:
            db.execute(select(1))
    except SQLAlchemyError:
        return "unreachable"
    return "ok"


def _keys() -> dict[str, str]:
    """Programme → `ok`, or what is wrong with its keys."""
    with services().sessions() as db:
        return {program_id: _keys_of(db, program_id) for program_id in db.scalars(select(Program.program_id)).all()}


def _keys_of(db: Session, program_id: str) -> str:
    try:
        identity = services().keys.identity(db, program_id)
        services().keys.google_account(db, program_id)
    except WalletServiceError as error:
        return str(error)
    over = identity is not None and identity.not_after < now()
    return "the Apple certificate is over" if over else "ok"


def _worker() -> str:
    with services().sessions() as db:
        seen_at = db.scalar(select(func.max(WorkerHeartbeat.seen_at)))
    if seen_at is None or now() - seen_at > WORKER_SILENT:
        return "no worker has been heard of lately"
    return "ok"
