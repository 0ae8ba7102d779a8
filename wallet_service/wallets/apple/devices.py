"""Apple devices and what they registered for. Apple, "Adding a Web Service to Update Passes"; spec sections 4.2 to 4.4.

What a phone holds when it registers decides whether an announcement is pending. `Card.held_version` remembers the
lowest version downloaded since somebody last registered: if that is the card's own, a new registration is up to date;
if not, or if nothing is known, it gets a change number of its own, greater than every tag the phone can hold, and so
is listed at its next request.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, joinedload

from wallet_service.cards.pacing import UNPACED, Pacing, paced
from wallet_service.offers.histories import wallets_changed
from wallet_service.offers.showings import keep_reach
from wallet_service.storage.change_number import next_change_numbers
from wallet_service.storage.notify import wake_workers
from wallet_service.storage.statements import Row, Statements
from wallet_service.storage.tables import Card, Delivery, Device, Program, Registration

CURRENT_IDENTITY = """
SELECT digest FROM apple_identities i WHERE i.program_id = {program}
ORDER BY (i.not_before <= {now} AND {now} <= i.not_after) DESC, i.kind = 'token' DESC, i.not_before DESC, i.id DESC
LIMIT 1
"""
"""Which identity signs now: of those in their time one whose key is in a token, then the one that began last; if none
is, the newest, to be told of.
"""

_NOBODYS = "no such card, and yet a comparison"


def card_for(db: Session, pass_type_id: str, serial_number: str, auth_token: str) -> Card | None:
    """The card that this token opens; an unknown card and a wrong token look alike."""
    card = db.scalar(
        select(Card)
        .join(Card.program)
        .where(Card.serial_number == serial_number, Program.pass_type_id == pass_type_id)
        .options(joinedload(Card.program))
    )
    expected = card.auth_token if card is not None else _NOBODYS
    return card if hmac.compare_digest(expected.encode(), auth_token.encode()) and card is not None else None


def register(
    db: Session, card: Card, device_library_id: str, push_token: str, *, pacing: Pacing = UNPACED, now: datetime
) -> bool:
    """Register a pass on a device, or refresh its push token; returns whether the registration is new.

    Locks are taken in this order: card, device, change counter, deliveries.
    """
    db.refresh(card, with_for_update={"of": Card})
    device_id, token_before = db.execute(
        insert(Device)
        .values(program_id=card.program_id, device_library_id=device_library_id, push_token=push_token, updated_at=now)
        .on_conflict_do_update(index_elements=["device_library_id", "program_id"], set_={"updated_at": now})
        .returning(Device.id, Device.push_token)
    ).one()
    if token_before != push_token:
        db.execute(update(Device).where(Device.id == device_id).values(push_token=push_token))
    held, card.held_version = card.held_version, None
    known = db.scalar(select(Registration).where(Registration.device_id == device_id, Registration.card_id == card.id))
    fresh = known or Registration(device_id=device_id, card_id=card.id)
    fresh.registered_at = now
    db.add(fresh)
    db.flush()
    db.execute(_BACK_AGAIN, {"card": card.id, "device": device_library_id})
    older_copy: int | None = None
    if known is None:
        if held == card.version:
            fresh.fetched_version, fresh.fetched_at = card.version, now
        _owe_first(db, card, fresh, now=now)
        wallets_changed(db, card.id, now=now)
    elif held is not None and held < card.version:
        older_copy = next_change_numbers(db, card.program_id)[0]
    if token_before != push_token:
        _announce_again(db, card, device_id, None, pacing=pacing, now=now)
    elif known is not None:
        _announce_again(db, card, device_id, known.id, pacing=pacing, now=now)
    if older_copy is not None:
        db.execute(_LIST_AGAIN, {"registration": fresh.id, "number": older_copy, "now": now})
        wake_workers(db, card.program_id)
    return known is None


_BACK_AGAIN = text("DELETE FROM gone_registrations WHERE card_id = :card AND device_library_id = :device")


def _owe_first(db: Session, card: Card, registration: Registration, *, now: datetime) -> None:
    up_to_date = registration.fetched_version == card.version
    wanted = card.version if up_to_date else next_change_numbers(db, card.program_id)[0]
    db.add(
        Delivery(
            card_id=card.id,
            program_id=card.program_id,
            kind="apple",
            registration_id=registration.id,
            wanted_version=wanted,
            wanted_at=now,
            told_version=wanted if up_to_date else 0,
            next_attempt_at=now,
        )
    )
    if not up_to_date:
        wake_workers(db, card.program_id)


_ANNOUNCE_AGAIN = paced("""
WITH known AS (
    SELECT d.id, r.fetched_version, r.fetched_version < d.wanted_version AS away
    FROM deliveries d JOIN registrations r ON r.id = d.registration_id
    WHERE r.device_id = :device AND r.id = coalesce(CAST(:registration AS bigint), r.id)
    ORDER BY d.id FOR UPDATE OF d
), again AS (
    UPDATE deliveries d
    SET parked = NULL, claim = NULL, attempts = 0, again_at = NULL, repeats = 0, missed = 0, stale_at = NULL,
        told_version = CASE WHEN known.away THEN known.fetched_version ELSE d.told_version END,
        reminder_number = CASE WHEN known.away THEN CAST(:number AS bigint) ELSE d.reminder_number END,
        next_attempt_at = GREATEST(:now, {paced})
    FROM known WHERE d.id = known.id
)
SELECT bool_or(away) FROM known
""")


_IS_BEHIND = text("""
SELECT EXISTS (
    SELECT FROM deliveries d JOIN registrations r ON r.id = d.registration_id
    WHERE r.device_id = :device AND r.id = coalesce(CAST(:registration AS bigint), r.id)
      AND r.fetched_version < d.wanted_version
)
""")


def _announce_again(
    db: Session, card: Card, device_id: int, registration_id: int | None, *, pacing: Pacing, now: datetime
) -> None:
    """The phone added the pass again, or its push token is new (then all its passes are meant, `registration_id` None):
    what it was told before may have been lost, and what is on its way to it is of no account.

    Which version it holds now is not known: a copy that was downloaded may have gone to somebody else. It may have
    listed what it has not fetched, so that is listed again under a new number.
    """
    keep_reach(db, [card.id])
    values: dict[str, object] = {"device": device_id, "registration": registration_id, "now": now}
    behind = db.scalar(_IS_BEHIND, values)
    values["number"] = next_change_numbers(db, card.program_id)[0] if behind else None
    if db.scalar(_ANNOUNCE_AGAIN, values | pacing.values()):
        wake_workers(db, card.program_id)


_LIST_AGAIN = text("""
WITH past AS (
    INSERT INTO past_deliveries
        (card_id, version, kind, far_end, told_at, told_answer, listed_at, fetched_at, superseded_at)
    SELECT d.card_id, d.wanted_version, d.kind, device.device_library_id, d.first_told_at, d.first_answer,
        CASE WHEN r.listed_version >= d.wanted_version THEN r.listed_at END,
        CASE WHEN r.fetched_version >= d.wanted_version THEN r.fetched_at END, :now
    FROM deliveries d JOIN registrations r ON r.id = d.registration_id JOIN devices device ON device.id = r.device_id
    WHERE d.registration_id = :registration
)
UPDATE deliveries SET wanted_version = :number, wanted_at = :now, first_told_at = NULL, first_answer = NULL
WHERE registration_id = :registration
""")
"""An older copy went out before a phone registered again. It may have gone to this phone, over the newer one that it
had fetched; its tag may be newer than the card's version too, so it is listed under a number of its own.
"""


def unregister(db: Session, card: Card, device_library_id: str, *, now: datetime) -> bool:
    """Forget a registration, and the device with its last one; returns whether there was one."""
    db.refresh(card, with_for_update={"of": Card, "key_share": True})
    device = db.scalar(  # the card and then the device, as registering does: a card may be registered on it just now
        select(Device)
        .where(Device.program_id == card.program_id, Device.device_library_id == device_library_id)
        .with_for_update()
    )
    if device is None:
        return False
    registration = db.scalar(
        select(Registration).where(Registration.device_id == device.id, Registration.card_id == card.id)
    )
    if registration is None:
        return False
    keep_reach(db, [card.id])
    db.delete(registration)
    card.copied = True
    db.flush()
    wallets_changed(db, card.id, now=now)
    if not db.scalar(select(func.count()).select_from(Registration).where(Registration.device_id == device.id)):
        db.delete(device)
    return True


@dataclass(frozen=True, slots=True)
class Listing:
    """The answer to "what changed?": serial numbers, and the tag to ask with the next time."""

    serial_numbers: Sequence[str]
    tag: int


_LIST = """
UPDATE registrations r SET listed_version = d.wanted_version,
    listed_at = CASE WHEN r.listed_version >= d.wanted_version THEN r.listed_at ELSE $4::timestamptz END
FROM deliveries d, devices device, programs p, cards c
WHERE device.id = r.device_id AND d.registration_id = r.id AND p.program_id = device.program_id AND c.id = r.card_id
  AND device.device_library_id = $1 AND p.pass_type_id = $2
  AND (d.wanted_version > $3 OR d.reminder_number > $3 AND r.fetched_version < d.wanted_version)
RETURNING c.serial_number, GREATEST(d.wanted_version, d.reminder_number)
"""


def list_changed(
    statements: Statements, device_library_id: str, pass_type_id: str, *, tag: int, now: datetime
) -> Listing | None:
    """The passes of this type on this device that are newer than `tag`, or of which it was reminded since: it may have
    listed those before, and its download failed. None: nothing.

    The new tag is the greatest change number in the answer, so a change committed after the query is newer than it;
    and it is greater than the one that came, for Wallet takes a list under the same tag for an error.
    """
    rows = statements.rows(_LIST, device_library_id, pass_type_id, tag, now.isoformat())
    if not rows:
        return None
    return Listing(sorted(_text(serial_number) for serial_number, _ in rows), max(_number(row[1]) for row in rows))


def record_link_download(db: Session, card_id: int, version: int) -> None:
    """Note that the card's link gave out that version of the pass, to a phone that will register soon."""
    db.execute(
        update(Card)
        .where(Card.id == card_id)
        .values(held_version=func.least(func.coalesce(Card.held_version, version), version))
    )


@dataclass(frozen=True, slots=True)
class RequestedPass:
    """A requested pass: what is needed to answer the phone, read in one statement.

    Attributes:
        modified_at: None for a card that was never published.
        noted: it is on record already that the phones of this card have come for this version.
        program_row: another text whenever the programme's row is another.
        identity: the digest of the certificate that signs now; empty: none was imported.
        content: JSON, as stored; None if the phone has it.
        is_due: the time has come at which the content may have changed, and nobody has composed it anew yet.
    """

    card_id: int
    auth_token: str
    link_token: str
    version: int
    modified_at: datetime | None
    template_version_id: int
    program_id: str
    program_row: str
    noted: bool
    identity: str
    content: bytes | None
    is_due: bool = False


_REQUESTED_PASS = f"""
SELECT c.id, c.auth_token, c.link_token, c.version, extract(epoch FROM c.modified_at)::bigint, c.template_version_id,
       p.program_id, p.xmin,
       c.fetched_version >= c.version AND NOT EXISTS (
           SELECT FROM registrations r JOIN deliveries d ON d.registration_id = r.id
           WHERE r.card_id = c.id AND r.fetched_version < d.wanted_version
       ),
       ({CURRENT_IDENTITY.format(program="p.program_id", now="$4::timestamptz")}),
       CASE WHEN c.modified_at > $3::timestamptz THEN c.content END, c.recompose_at <= $4::timestamptz
FROM cards c JOIN programs p ON p.program_id = c.program_id
WHERE c.serial_number = $1 AND p.pass_type_id = $2
"""  # noqa: S608  (joined of two texts of this program)


def requested_pass(
    statements: Statements,
    pass_type_id: str,
    serial_number: str,
    auth_token: str,
    *,
    since: datetime | None,
    now: datetime,
) -> RequestedPass | None:
    """The pass that a phone requests, if its token opens it; an unknown card and a wrong token look alike.

    Args:
        since: what the phone has; a pass that was not modified later comes without its content.
    """
    has = since.isoformat() if since is not None else "-infinity"
    rows = statements.rows(_REQUESTED_PASS, serial_number, pass_type_id, has, now.isoformat())
    expected = rows[0][1] or b"" if rows else _NOBODYS.encode()
    return _requested_pass(rows[0]) if hmac.compare_digest(expected, auth_token.encode()) and rows else None


def _requested_pass(row: Row) -> RequestedPass:
    card_id, auth_token, link_token, version, modified, template, program_id, xmin, noted, identity, content, due = row
    return RequestedPass(
        card_id=_number(card_id),
        auth_token=_text(auth_token),
        link_token=_text(link_token),
        version=_number(version),
        modified_at=datetime.fromtimestamp(int(modified), UTC) if modified is not None else None,
        template_version_id=_number(template),
        program_id=_text(program_id),
        program_row=_text(xmin),
        noted=noted == b"t",
        identity=_text(identity),
        content=content,
        is_due=due == b"t",
    )


def _text(column: bytes | None) -> str:
    return (column or b"").decode()


def _number(column: bytes | None) -> int:
    return int(column or b"0")


_FETCHED = """
WITH came AS (
    UPDATE registrations r SET fetched_version = d.wanted_version, fetched_at = $3
    FROM deliveries d
    WHERE d.registration_id = r.id AND r.id = (
        SELECT r2.id FROM registrations r2
        JOIN deliveries d2 ON d2.registration_id = r2.id
        JOIN cards c ON c.id = r2.card_id AND c.version = $2
        WHERE r2.card_id = $1 AND r2.fetched_version < d2.wanted_version
          AND (r2.listed_version >= d2.wanted_version OR NOT c.copied AND NOT EXISTS (
              SELECT FROM registrations other WHERE other.card_id = $1 AND other.id <> r2.id
          ))
        ORDER BY (r2.listed_version >= d2.wanted_version) DESC, r2.listed_at NULLS LAST, r2.id
        LIMIT 1
    )
    RETURNING r.id, r.fetched_version
), quiet AS (
    UPDATE deliveries d
    SET told_version = GREATEST(d.told_version, came.fetched_version), again_at = NULL, stale_at = NULL,
        repeats = 0, missed = 0
    FROM came WHERE d.registration_id = came.id  -- what it got, not what is wanted by now
)
UPDATE cards SET fetched_version = GREATEST(fetched_version, $2), fetched_at = $3 WHERE id = $1
"""


def record_fetch(statements: Statements, card_id: int, version: int, *, now: datetime) -> None:
    """Note that a phone fetched that version of the pass.

    A download names the card alone. Of several phones it is counted for the one that has asked "what changed?" and
    waited longest; for none, if none has asked: a holder may look twice, and a phone that is counted wrongly would
    never be told again. A phone that has unregistered counts as one of several: it may only have its updates off. If
    the card has changed meanwhile, for none either. Whoever has it need not be told.
    """
    statements.rows(_FETCHED, card_id, version, now.isoformat())
