"""Google's signed messages: somebody saved a card, or removed it. Spec google-wallet, section 17."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from flask import Blueprint, Response, request
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from wallet_service.cards.google_rows import wake_linked_passes
from wallet_service.errors import Forbidden, Invalid, Unreachable
from wallet_service.storage.notify import wake_workers
from wallet_service.storage.tables import Card, Delivery, GoogleCallback, GoogleObject, Program
from wallet_service.wallets.google import objects
from wallet_service.wallets.google.callbacks.signed_messages import LONGEST_BODY, GoogleEvent
from wallet_service.web.context import now, services

log = structlog.get_logger()


def make_google_callbacks() -> Blueprint:
    """The blueprint, under `/google`."""
    blueprint = Blueprint("google", __name__, url_prefix="/google")
    blueprint.add_url_rule("/callback", view_func=callback, methods=["POST"])
    return blueprint


def callback() -> Response:
    """200 once it is written down, 401 for a wrong signature, 503 while Google's keys cannot be had."""
    body = request.stream.read(LONGEST_BODY + 1)
    with services().sessions.begin() as db:
        try:
            event = services().google_keys.verify(body, issuer_ids=_issuers(db), now=now())
        except (Invalid, Forbidden) as error:
            log.warning("google_callback_refused", reason=str(error))
            return Response(status=HTTPStatus.UNAUTHORIZED)
        except Unreachable as error:
            log.warning("google_keys_unreachable", reason=str(error))
            return Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        _act_once(db, event)
    return Response(status=HTTPStatus.OK)


def _issuers(db: Session) -> set[str]:
    documents = db.scalars(select(Program.document["google"]["issuer_id"].astext))
    return {issuer_id for issuer_id in documents if issuer_id}


def _act_once(db: Session, event: GoogleEvent) -> None:
    fresh = insert(GoogleCallback).values(nonce=event.nonce, received_at=now()).on_conflict_do_nothing()
    if db.scalar(fresh.returning(GoogleCallback.nonce)) is None:
        return
    is_theirs = GoogleObject.object_id == event.object_id
    # the card first: a publish under way must be seen, or it would skip a row that sleeps
    of_object = select(Card).join(GoogleObject, GoogleObject.card_id == Card.id).where(is_theirs)
    card = db.scalar(of_object.with_for_update(of=Card, key_share=True))
    if card is None:
        log.info("google_callback_for_unknown_object", kind=event.kind)
        return
    objects.lock(db, db.scalars(select(GoogleObject.id).where(is_theirs)).all())
    google_object = db.scalars(select(GoogleObject).where(is_theirs)).one()
    row = db.scalars(select(Delivery).where(Delivery.google_object_id == google_object.id)).one()
    # Callbacks come late, twice and in any order: the worker asks Google who holds the card, whatever this one says.
    google_object.confirm_at = now()
    if event.kind == "save":
        google_object.saved_at, google_object.removed_at = now(), None
        row.parked = None
        if row.wanted_version < card.version:
            row.wanted_version, row.wanted_at, row.next_attempt_at = card.version, now(), now()
            wake_linked_passes(db, card, now=now())
    wake_workers(db, row.program_id)
    log.info("google_callback", kind=event.kind, card_id=google_object.card_id)
