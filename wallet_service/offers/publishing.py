"""Offers: drafted from a document. Their span is stored in UTC; local times are read in the stores' own zone."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from wallet_service.documents.offers import OfferDocument
from wallet_service.documents.programs import ProgramDocument
from wallet_service.documents.types import texts_of
from wallet_service.errors import Conflict, Fault, Invalid, NotFound
from wallet_service.offers.lock_screen import require_lock_screen_texts
from wallet_service.offers.windows import span_said
from wallet_service.storage.tables import Offer, Store


def draft_offer(db: Session, program: ProgramDocument, document: OfferDocument, *, reach_m: int) -> Offer:
    """Keep an offer as a draft: nobody sees it yet.

    Args:
        reach_m: about how far from a store the programme's cards come forward on an iPhone.

    Raises:
        Invalid: an unknown store, an empty or backward span, a proximity text that a lock screen cannot show, or a
            radius that the phone would not go to.
        Conflict: the code is taken.
    """
    require_free_code(db, program.id, document.code)
    offer = Offer(program_id=program.id, state="draft", **values_of(db, program, document, reach_m=reach_m))
    db.add(offer)
    db.flush()
    return offer


def require_free_code(db: Session, program_id: str, code: str) -> None:
    """Refuse a code that another offer has.

    Raises:
        Conflict: the code is taken.
    """
    if db.scalar(select(Offer.id).where(Offer.program_id == program_id, Offer.code == code)) is not None:
        raise Conflict(f"there is an offer {code!r} already")


def values_of(
    db: Session,
    program: ProgramDocument,
    document: OfferDocument,
    *,
    reach_m: int | None,
    known_stores: Collection[str] = (),
) -> dict[str, Any]:
    """A document as the columns of a row.

    Args:
        reach_m: as for `draft_offer`; None: the radius was accepted before.
        known_stores: were there when they were named; if they are gone, that is no fault of the document.

    Raises:
        Invalid: as `draft_offer`.
    """
    stores = _stores_of(db, program.id, document, known_stores)
    zones = {store.time_zone for store in stores} | _zones_of_groups(db, program.id, document)
    starts_at, ends_at = _span(document, zones or {program.time_zone})
    locale = program.locales[0]
    proximity_text = texts_of(document.proximity_text, locale)
    require_lock_screen_texts(proximity_text, program)
    if reach_m is not None:
        _require_reach(document, reach_m)
    return {
        "code": document.code,
        "title": texts_of(document.title, locale),
        "text": texts_of(document.text, locale),
        "proximity_text": proximity_text,
        "store_ids": list(document.store_ids),
        "groups": list(document.groups),
        "starts_at": starts_at,
        "ends_at": ends_at,
        "target": document.target.model_dump(mode="json"),
        "radius_m": document.radius_m,
        "uses_per_member": document.uses_per_member,
        "uses_total": document.uses_total,
        "priority": document.priority,
        "notify": document.notify,
        "weekly_hours": [hours.model_dump(mode="json") for hours in document.weekly_hours],
        "only_when_open": document.only_when_open,
    }


def require_offer(db: Session, program_id: str, offer_id: int, *, lock: bool = False) -> Offer:
    """The offer of that id in that programme.

    Raises:
        NotFound: there is none.
    """
    query = select(Offer).where(Offer.program_id == program_id, Offer.id == offer_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    offer = db.scalar(query)
    if offer is None:
        raise NotFound(f"there is no offer {offer_id}")
    return offer


def _stores_of(db: Session, program_id: str, document: OfferDocument, known: Collection[str]) -> list[Store]:
    stores = {
        store.store_id: store
        for store in db.scalars(
            select(Store).where(Store.program_id == program_id, Store.store_id.in_(document.store_ids))
        )
    }
    faults = [
        Fault(f"store_ids[{index}]", f"there is no store {store_id!r}", "no_such_store", {"store_id": store_id})
        for index, store_id in enumerate(document.store_ids)
        if store_id not in stores and store_id not in known
    ]
    if faults:
        raise Invalid(*faults)
    return list(stores.values())


def _zones_of_groups(db: Session, program_id: str, document: OfferDocument) -> set[str]:
    if not document.groups:
        return set()
    grouped = select(Store.time_zone).where(Store.program_id == program_id, Store.groups.overlap(list(document.groups)))
    return set(db.scalars(grouped.distinct()))


def _require_reach(document: OfferDocument, reach_m: int) -> None:
    """Wallet takes the smaller of a pass's distance and its style's own (spec apple-wallet, 2.4)."""
    if document.radius_m is not None and document.radius_m > reach_m:
        message = f"is more than the {reach_m} m at which these cards come forward; a radius can only shrink that"
        raise Invalid.at("radius_m", message, "beyond_reach", le=reach_m)


def _span(document: OfferDocument, zones: set[str]) -> tuple[datetime, datetime]:
    """From when to when, in UTC; local times need stores of one zone."""
    local = [name for name in ("starts_at", "ends_at") if getattr(document, name) is None]
    if local and len(zones) > 1:
        names = ", ".join(sorted(zones))
        message = f"the stores lie in {names}: use {local[0]}, with an offset"
        raise Invalid.at(f"{local[0]}_local", message, "several_zones", zones=names, name=local[0])
    return span_said(document, next(iter(zones)))
