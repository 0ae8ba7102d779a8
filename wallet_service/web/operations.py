"""The routes for operators: `/healthz`, `/readyz`, `/metrics`, `/robots.txt`."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from flask import Blueprint, Response
from flask.blueprints import BlueprintSetupState
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from wallet_service.delivery.status import queue_statuses
from wallet_service.delivery.stopped_channels import stopped_channels
from wallet_service.metrics import DUE_OLDEST, DUE_OPEN, PARKED, STALE, STOPPED
from wallet_service.programs.certificates import certificate_states
from wallet_service.services import Services
from wallet_service.web.context import EXTENSION, now, services
from wallet_service.web.readiness import Readiness, is_ready, look_at


def make_operations() -> Blueprint:
    """The blueprint, at the root."""
    blueprint = Blueprint("operations", __name__)
    blueprint.record_once(_register_readyz)
    blueprint.add_url_rule("/healthz", view_func=healthz)
    blueprint.add_url_rule("/metrics", view_func=metrics)
    blueprint.add_url_rule("/robots.txt", view_func=robots)
    return blueprint


def _register_readyz(state: BlueprintSetupState) -> None:
    """One for each app: its looks are shared by the requests."""
    found: Services = state.app.extensions[EXTENSION]
    readiness = Readiness(lambda: look_at(found))
    state.add_url_rule("/readyz", "readyz", lambda: readyz(readiness))


def healthz() -> Response:
    """The process answers."""
    return Response("alive\n", mimetype="text/plain")


def readyz(readiness: Readiness) -> Response:
    """200 if the database answers, a worker is alive and some programme's keys are good; 503 and the reasons otherwise,
    within 2 s.

    One brand's trouble is told, and takes no other brand's service away.
    """
    checks = readiness.checks()
    ready = is_ready(checks)
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return Response(orjson.dumps({"ready": ready, "checks": checks}), status=status.value, mimetype="application/json")


def metrics() -> Response:
    """Prometheus's text format: what this process has counted, and the state of the queues (the same from each)."""
    with services().sessions() as db:
        for gauge in (DUE_OPEN, DUE_OLDEST, PARKED, STALE):
            gauge.clear()
        for queue in queue_statuses(db, now=now()):
            labels = (queue.kind, queue.program_id)
            DUE_OPEN.labels(*labels).set(queue.open)
            DUE_OLDEST.labels(*labels).set(queue.oldest_due_s)
            PARKED.labels(*labels).set(queue.parked)
            STALE.labels(*labels).set(queue.stale)
        STOPPED.clear()
        for program_id, states in stopped_channels(db).items():
            for state in states:
                STOPPED.labels(state.kind, program_id).set(1)
        certificate_states(db, services().keys, now=now())
    return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)


def robots() -> Response:
    """Google's signed callbacks come as Googlebot and must be let in; cards are nobody's search result."""
    return Response("User-agent: *\nAllow: /google/callback\nAllow: /c/images/\nDisallow: /\n", mimetype="text/plain")
