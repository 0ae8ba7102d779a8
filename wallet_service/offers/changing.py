"""Changes of offers: published and withdrawn, changed, ended, cancelled, copied.

Each tells what the offer was and what it is, for the caller to write into the journal in the same transaction. Cards
are composed again by a walk if the offer was or is published, and only then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from wallet_service.documents.offers import OfferDocument, OfferPatch
from wallet_service.documents.programs import ProgramDocument
from wallet_service.errors import Conflict, Invalid
from wallet_service.offers.campaigns import start_campaign
from wallet_service.offers.places import places_changed
from wallet_service.offers.publishing import require_free_code, require_offer, values_of
from wallet_service.offers.states import CHANGEABLE, OfferState, offer_state
from wallet_service.parsing import parse
from wallet_service.storage.tables import Offer, OfferUse, Store

_INSTANTS = ("starts_at", "ends_at")
_COLUMNS = tuple(name for name in OfferDocument.model_fields if not name.endswith("_local"))
_SHORTEST = timedelta(microseconds=1)
_LONGEST_CODE_KEPT = 110


@dataclass(frozen=True, slots=True)
class OfferChange:
    """An offer as it is now; `before` and `after` are its fields and stored state as JSON has them."""

    offer: Offer
    before: Mapping[str, Any]
    after: Mapping[str, Any]


class OfferChangedMeanwhile(Conflict):
    """Somebody else has changed the offer since its version was read; nothing was changed now.

    Attributes:
        version: the offer's version now.
        differing: field → (as it is now, as this caller wanted it).
    """

    def __init__(self, wanted: int, version: int, differing: Mapping[str, tuple[Any, Any]]) -> None:
        sides = "; ".join(f"{name} is {theirs!r}, you want {yours!r}" for name, (theirs, yours) in differing.items())
        super().__init__(
            f"the offer has version {version} now, your change was made from {wanted}{': ' if sides else ''}{sides}"
        )
        self.version, self.differing = version, differing


def changed_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The fields that differ, as field → (from, to). Pure."""
    names = dict.fromkeys((*before, *after))
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}


def stored_fields(offer: Offer) -> dict[str, Any]:
    """An offer's fields and stored state as JSON has them."""
    return _as_json({name: getattr(offer, name) for name in _COLUMNS}) | {"state": offer.state}


def document_of(offer: Offer) -> OfferDocument:
    """An offer as the document that would write it; what its `target` names is read back as it is.

    Raises:
        Invalid: the row was written by something else.
    """
    return parse(OfferDocument, _document_fields(offer))


def change_offer(
    db: Session,
    program: ProgramDocument,
    offer_id: int,
    change: OfferDocument | OfferPatch,
    *,
    reach_m: int,
    version: int | None = None,
    now: datetime,
) -> OfferChange:
    """Change an offer as far as its state allows (see `states.CHANGEABLE`).

    Args:
        change: the whole, or the fields that change.
        reach_m: as for `draft_offer`.
        version: the one that the change was made from; None: whatever it is.

    Raises:
        NotFound: the programme has no such offer.
        Invalid: the offer would be wrong, as for a new one.
        OfferChangedMeanwhile: the offer has another version.
        Conflict: its state forbids the change, the code is taken, or a published offer would be over already.
    """
    offer = require_offer(db, program.id, offer_id, lock=True)
    before = stored_fields(offer)
    document = change if isinstance(change, OfferDocument) else _patched(offer, change)
    new_radius = document.radius_m != offer.radius_m
    values = values_of(db, program, document, reach_m=reach_m if new_radius else None, known_stores=offer.store_ids)
    wanted = changed_fields(before, _as_json(values) | {"state": offer.state})
    if version is not None and version != offer.version:
        raise OfferChangedMeanwhile(version, offer.version, wanted)
    if not wanted:
        return OfferChange(offer, before, before)
    _require_changeable(offer_state(offer, now), wanted)
    if "code" in wanted:
        require_free_code(db, program.id, document.code)
    if offer.state == "published" and "ends_at" in wanted and values["ends_at"] <= now:
        raise Conflict("the new end is past: end the offer, or cancel it")
    if wanted.get("uses_total", (None, None))[1] is not None:
        # locked: whoever is just adding one has it by a foreign key, and is waited for
        values["uses"] = db.scalar(select(func.count()).where(OfferUse.offer_id == offer.id))
    return _write(db, offer, values, "changed", now=now)


def locked_offer(db: Session, program_id: str, offer_id: int, *, version: int | None = None) -> Offer:
    """The offer as it is now, kept so until the transaction ends: whoever looks at whose it is, or at what a page has
    shown of it, looks at this.

    Raises:
        NotFound: the programme has no such offer.
        OfferChangedMeanwhile: it has another version.
    """
    offer = require_offer(db, program_id, offer_id, lock=True)
    if version is not None and version != offer.version:
        raise OfferChangedMeanwhile(version, offer.version, {})
    return offer


def publish_offer(db: Session, program_id: str, offer_id: int, *, now: datetime) -> OfferChange:
    """Publish a draft: from its start to its end it is on the cards of those who may use it. Again: nothing happens.

    Raises:
        NotFound: the programme has no such offer.
        Conflict: it was cancelled, or is over.
        Invalid: none of the stores and groups that it names is there.
    """
    offer = require_offer(db, program_id, offer_id, lock=True)
    if offer.state == "draft" and (offer.store_ids or offer.groups) and not _has_store(db, offer):
        path = "store_ids" if offer.store_ids else "groups"
        raise Invalid.at(path, "names no store that is there: nobody would see the offer", "no_store_left")
    if offer.state == "cancelled":
        raise Conflict("the offer was cancelled")
    if offer.ends_at <= now:
        raise Conflict("the offer is over")
    return _write(db, offer, {"state": "published"}, "published", now=now)


def _has_store(db: Session, offer: Offer) -> bool:
    here = or_(Store.store_id == func.any(offer.store_ids), Store.groups.overlap(offer.groups))
    return db.scalar(select(Store.id).where(Store.program_id == offer.program_id, here).limit(1)) is not None


def unpublish_offer(db: Session, program_id: str, offer_id: int, *, now: datetime) -> OfferChange:
    """Make a scheduled offer a draft again.

    Raises:
        NotFound: the programme has no such offer.
        Conflict: it has begun already, or was cancelled.
    """
    offer = require_offer(db, program_id, offer_id, lock=True)
    state = offer_state(offer, now)
    if state not in ("draft", "scheduled"):
        raise Conflict(f"the offer is {state}: only one that has not begun becomes a draft again")
    return _write(db, offer, {"state": "draft"}, "unpublished", now=now)


def cancel_offer(db: Session, program_id: str, offer_id: int, *, now: datetime) -> OfferChange:
    """Cancel an offer that is not over; it leaves the cards. Again: nothing happens.

    Raises:
        NotFound: the programme has no such offer.
        Conflict: it is over.
    """
    offer = require_offer(db, program_id, offer_id, lock=True)
    if offer_state(offer, now) == "ended":
        raise Conflict("the offer is over")
    return _write(db, offer, {"state": "cancelled"}, "cancelled", now=now)


def end_offer(db: Session, program_id: str, offer_id: int, *, now: datetime) -> OfferChange:
    """End a running offer now; it leaves the cards and counts as held until this instant.

    Raises:
        NotFound: the programme has no such offer.
        Conflict: it is not running.
    """
    offer = require_offer(db, program_id, offer_id, lock=True)
    state = offer_state(offer, now)
    if state != "running":
        raise Conflict(f"the offer is {state}: only a running one can be ended")
    return _write(db, offer, {"ends_at": max(now, offer.starts_at + _SHORTEST)}, "ended", now=now)


def copy_offer(db: Session, program_id: str, offer_id: int) -> Offer:
    """Make a draft of any offer, with a code of its own; its span is the original's, and is to be changed.

    Raises:
        NotFound: the programme has no such offer.
    """
    offer = require_offer(db, program_id, offer_id, lock=True)
    codes = db.scalars(select(Offer.code).where(Offer.program_id == program_id))
    values = {name: getattr(offer, name) for name in _COLUMNS} | {"code": free_code(offer.code, codes)}
    copy = Offer(program_id=program_id, state="draft", **values)
    db.add(copy)
    db.flush()
    return copy


def free_code(code: str, taken: Iterable[str]) -> str:
    """`code` with the first number from 2 on that makes it one of its own. Pure."""
    known = frozenset(taken)
    root, _, number = code.rpartition("-")
    stem = (root if root and number.isascii() and number.isdecimal() else code)[:_LONGEST_CODE_KEPT]
    return next(made for number in range(2, len(known) + 3) if (made := f"{stem}-{number}") not in known)


def _patched(offer: Offer, patch: OfferPatch) -> OfferDocument:
    given = patch.model_dump(mode="json", exclude_unset=True)
    known = _document_fields(offer)
    for name in _INSTANTS:
        if given.get(f"{name}_local") is not None:
            known.pop(name)
    return parse(OfferDocument, known | given)


def _document_fields(offer: Offer) -> dict[str, Any]:
    fields = _as_json({name: getattr(offer, name) for name in _COLUMNS})
    return fields | {name: fields[name] or None for name in ("text", "proximity_text")}


def _as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _require_changeable(state: OfferState, wanted: Mapping[str, Any]) -> None:
    refused = sorted(wanted.keys() - CHANGEABLE[state])
    if refused:
        raise Conflict(f"the offer is {state}: {', '.join(refused)} cannot change any more")


def _write(db: Session, offer: Offer, values: Mapping[str, Any], what: str, *, now: datetime) -> OfferChange:
    before = stored_fields(offer)
    for name, value in values.items():
        setattr(offer, name, value)
    after = stored_fields(offer)
    if after != before:
        offer.version += 1
        db.flush()
        if "published" in (before["state"], after["state"]):
            places_changed(db, offer.program_id)
            start_campaign(db, offer.program_id, reason=f"offer {offer.code} {what}", now=now)
    return OfferChange(offer, before, after)
