"""The delivery ledger: claim and settle rows of `deliveries`.

A row of `deliveries` is one card at one far end; work is whatever has `wanted_version > told_version`. Three short
steps: claim (commit), send, settle (commit). What is settled is the version that was read at the claim, and only while
the claim is still ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from wallet_service.cards.pacing import MOST_OF_HOUR, UNPACED, Pacing, paced
from wallet_service.cards.publishing import CAMPAIGN, INTERACTIVE
from wallet_service.delivery.policy import Forget, Halt, Park, Retry, Step, Told
from wallet_service.offers.showings import keep_reach
from wallet_service.storage.change_number import next_change_numbers


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """A claimed row. `far_end` is a push token (Apple) or an object id (Google); `attempts` counts this one."""

    delivery_id: int
    card_id: int
    version: int
    far_end: str
    attempts: int
    repeats: int
    urgency: int


_NOT_FLUSHED = text("SET LOCAL synchronous_commit = off")
"""Claims and settlements do not wait for the disk: what a crash of the database takes back is told once more, and that
does no harm.
"""
_TAKE = """
WITH due AS (
    SELECT one.id FROM generate_series(0, :urgency) AS level CROSS JOIN LATERAL (
        SELECT id FROM deliveries
        WHERE kind = :kind AND program_id = :program AND urgency = level
          AND wanted_version > told_version AND parked IS NULL AND next_attempt_at <= :now
        ORDER BY next_attempt_at LIMIT :batch
        FOR UPDATE SKIP LOCKED
    ) AS one LIMIT :batch
), taken AS (
    UPDATE deliveries d SET claim = :claim, next_attempt_at = :until, attempts = d.attempts + 1
    FROM due WHERE d.id = due.id
    RETURNING d.*
)
"""
_FAR_END = {
    "apple": """
        SELECT t.id, t.card_id, t.wanted_version, device.push_token, t.attempts, t.repeats, t.urgency, {shared}
        FROM taken t
        JOIN registrations r ON r.id = t.registration_id JOIN devices device ON device.id = r.device_id
        ORDER BY t.urgency, t.id""",
    "google": """
        SELECT t.id, t.card_id, t.wanted_version, o.object_id, t.attempts, t.repeats, t.urgency, {shared}
        FROM taken t JOIN google_objects o ON o.id = t.google_object_id
        ORDER BY t.urgency, t.id""",
}
_SHARED = """
    CASE WHEN EXISTS (SELECT FROM registrations one WHERE one.device_id = r.device_id AND one.id <> r.id)
    THEN r.device_id END
"""
"""The device of a claimed row, where it has other cards: what is announced of any of them counts for all."""


def _claiming(kind: str, *, paced: bool) -> TextClause:
    return text(_TAKE + _FAR_END[kind].format(shared=_SHARED if paced else "NULL"))


_CLAIM = {"apple": _claiming("apple", paced=False), "google": _claiming("google", paced=False)}
_CLAIM_PACED = _claiming("apple", paced=True)
_LOCK_SHARED = text("SELECT id FROM devices WHERE id = ANY(:devices) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED")
_ALLOWED_AT = text("""
SELECT beside.device_id, GREATEST(max(told.at) + CAST(:spacing AS interval),
    (array_agg(DISTINCT told.at ORDER BY told.at DESC))[:per_hour] + interval '1 hour'),
    GREATEST(max(told.at) + CAST(:spacing AS interval),
    (array_agg(DISTINCT told.at ORDER BY told.at DESC))[:per_hour_of_campaigns] + interval '1 hour')
FROM registrations beside JOIN deliveries other ON other.registration_id = beside.id
CROSS JOIN unnest(other.announced_at || other.told_at
    || CASE WHEN other.claim <> :claim AND other.next_attempt_at > :now THEN CAST(:now AS timestamptz) END
) AS told(at)
WHERE beside.device_id = ANY(:devices) AND told.at IS NOT NULL
GROUP BY beside.device_id
""")
_DEVICE_CLAIMED_ELSEWHERE = timedelta(seconds=1)


def claim(
    db: Session,
    *,
    kind: str,
    program_id: str,
    now: datetime,
    lease: timedelta,
    batch: int,
    claim_id: str,
    urgent_only: bool = False,
    pacing: Pacing = UNPACED,
) -> list[Claimed]:
    """Take up to `batch` due rows of one programme and platform, until `now + lease`; most urgent, then oldest due
    first. `urgent_only`: no campaigns.

    A row whose device was told enough of its other cards is not taken: it is due when the device may be told again.
    """
    values: dict[str, object] = {
        "kind": kind,
        "program": program_id,
        "urgency": INTERACTIVE if urgent_only else CAMPAIGN,
        "now": now,
        "until": now + lease,
        "batch": batch,
        "claim": claim_id,
    }
    db.execute(_NOT_FLUSHED)
    rows = db.execute(_CLAIM[kind] if pacing == UNPACED else _CLAIM_PACED, values).all()
    shared = {row[0]: (row[7], row[6]) for row in rows if row[7] is not None}
    early = _too_early(db, shared, pacing, claim_id=claim_id, now=now) if shared else {}
    if early:
        _give_back(db, early, claim_id=claim_id)
    return [
        Claimed(
            delivery_id=row[0],
            card_id=row[1],
            version=row[2],
            far_end=row[3],
            attempts=row[4],
            repeats=row[5],
            urgency=row[6],
        )
        for row in rows
        if row[0] not in early
    ]


def _too_early(
    db: Session, device_of: dict[int, tuple[int, int]], pacing: Pacing, *, claim_id: str, now: datetime
) -> dict[int, datetime]:
    """Which of these claimed rows, of devices with several cards, must wait, and until when. Each comes with its device
    and its urgency.

    Another worker may be taking another card of the same device at this moment: whoever locks the device first goes on,
    and what the other has taken is read by a statement of its own, after the lock. Nobody waits for the lock.
    """
    devices = {device for device, _ in device_of.values()}
    ours = set(db.scalars(_LOCK_SHARED, {"devices": list(devices)}))
    elsewhere = now + _DEVICE_CLAIMED_ELSEWHERE
    allowed_at = dict.fromkeys(devices - ours, (elsewhere, elsewhere))
    values = {"devices": list(ours), "claim": claim_id, "now": now}
    allowed_at |= {row[0]: (row[1], row[2]) for row in db.execute(_ALLOWED_AT, values | pacing.values())}
    at = {
        row: allowed_at[device][urgency >= CAMPAIGN]
        for row, (device, urgency) in device_of.items()
        if device in allowed_at
    }
    return {row: instant for row, instant in at.items() if instant > now}


_TOLD = text(f"""
UPDATE deliveries d
SET told_version = GREATEST(d.told_version, s.version), told_at = :now, told_answer = s.answer, attempts = 0,
    first_told_at = CASE WHEN d.wanted_version = s.version THEN coalesce(d.first_told_at, :now) END,
    first_answer = CASE WHEN d.wanted_version = s.version THEN coalesce(d.first_answer, s.answer) END,
    announced_at = (CAST(:now AS timestamptz) || d.announced_at)[1 : :per_hour],
    claim = NULL, last_outcome = 'accepted',
    again_at = CASE WHEN d.wanted_version = s.version THEN s.again_at END,
    next_attempt_at = CASE WHEN d.wanted_version > s.version THEN GREATEST(:now + CAST(:spacing AS interval),
        (CAST(:now AS timestamptz) || d.announced_at)[{MOST_OF_HOUR.format(urgency="d.urgency")}]
            + interval '1 hour') ELSE d.next_attempt_at END
FROM jsonb_to_recordset(CAST(:told AS jsonb)) AS s(id bigint, version bigint, answer text, again_at timestamptz)
WHERE d.id = s.id AND d.claim = :claim
RETURNING d.id
""")  # noqa: S608  (joined of two texts of this program)
_RETRY = text("""
UPDATE deliveries d SET next_attempt_at = s.at, claim = NULL, last_outcome = s.outcome, parked = s.parked
FROM unnest(CAST(:ids AS bigint[]), CAST(:ats AS timestamptz[]), CAST(:outcomes AS text[]), CAST(:parked AS text[]))
    AS s(id, at, outcome, parked)
WHERE d.id = s.id AND d.claim = :claim
RETURNING d.id
""")
_IN_ORDER = text("""
SELECT count(*) FROM (SELECT FROM deliveries WHERE id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE) AS locked
""")
_LOCK_GONE = text("""
SELECT device.id, r.id FROM deliveries d
JOIN registrations r ON r.id = d.registration_id JOIN devices device ON device.id = r.device_id
JOIN cards c ON c.id = d.card_id
WHERE d.id = :id AND d.claim = :claim AND r.registered_at <= :since
FOR UPDATE OF device, r SKIP LOCKED FOR NO KEY UPDATE OF c SKIP LOCKED
""")
_FORGET = text("""
WITH remembered AS (
    INSERT INTO gone_registrations (card_id, device_library_id, registered_at, wanted_version, told_version, told_at,
        told_answer, listed_at, fetched_version, fetched_at, gone_at)
    SELECT d.card_id, v.device_library_id, r.registered_at, d.wanted_version, d.told_version, d.told_at,
        d.told_answer, r.listed_at, r.fetched_version, r.fetched_at, :since
    FROM registrations r JOIN deliveries d ON d.registration_id = r.id JOIN devices v ON v.id = r.device_id
    WHERE r.id = :registration
    ON CONFLICT (card_id, device_library_id) DO NOTHING
)
DELETE FROM registrations WHERE id = :registration
""")
_DROP_LONELY_DEVICE = text("""
DELETE FROM devices WHERE id = :id AND NOT EXISTS (SELECT FROM registrations WHERE device_id = :id)
""")
_REOPEN = text("""
WITH reopened AS (
    UPDATE deliveries SET told_version = 0, claim = NULL,
        next_attempt_at = CASE WHEN claim IS NULL THEN :now ELSE GREATEST(:now, next_attempt_at) END
    WHERE id = ANY(:ids) AND kind = 'google'
    RETURNING google_object_id
)
UPDATE google_objects o SET told_digest = '' FROM reopened r WHERE o.id = r.google_object_id
""")
"""Whoever holds the row by now is late as well: nobody knows which of the two writes landed last. It is told once more
when both have been heard of, or when that lease ends.
"""


def settle(
    db: Session,
    results: Sequence[tuple[Claimed, Step]],
    *,
    claim_id: str,
    now: datetime,
    pacing: Pacing = UNPACED,
) -> int:
    """Write down what became of claimed rows; returns how many were no longer ours.

    A late settle changes nothing. If its announcement carried content (Google), the row is pending again as well, for
    the late write may have covered a newer one. Rows are locked by number, as publishing locks them, and what has gone
    is forgotten only if that waits for nobody: so settling and publishing never wait for each other in a circle.
    """
    db.execute(_NOT_FLUSHED)
    _lock_in_order(db, [claimed for claimed, _ in results])
    ours: set[int] = set()
    told = [(claimed, step) for claimed, step in results if isinstance(step, Told)]
    if told:
        rows = [
            {
                "id": claimed.delivery_id,
                "version": claimed.version,
                "answer": step.answer,
                "again_at": now + step.again_after if step.again_after is not None else None,
            }
            for claimed, step in told
        ]
        parameters = {"told": orjson.dumps(rows).decode(), "now": now, "claim": claim_id}
        ours.update(db.scalars(_TOLD, parameters | pacing.values()))
    waiting: list[tuple[int, datetime, str, str | None]] = []
    for claimed, step in results:
        match step:
            case Told():
                pass
            case Retry(after=after, reason=reason):
                waiting.append((claimed.delivery_id, now + after, reason, None))
            case Halt(reason=reason):
                waiting.append((claimed.delivery_id, now, reason, None))
            case Park(reason=reason):
                waiting.append((claimed.delivery_id, now, reason, reason))
            case Forget(since=since, after=after):
                if _forget(db, claimed, since, claim_id):
                    ours.add(claimed.delivery_id)
                else:
                    waiting.append((claimed.delivery_id, now + after, "gone, but registered again", None))
    if waiting:
        ids, ats, outcomes, parked = (list(column) for column in zip(*waiting, strict=True))
        parameters = {"ids": ids, "ats": ats, "outcomes": outcomes, "parked": parked, "claim": claim_id}
        ours.update(db.scalars(_RETRY, parameters))
    late = [claimed.delivery_id for claimed, _ in results if claimed.delivery_id not in ours]
    if late:
        keep_reach(db, [claimed.card_id for claimed, _ in results if claimed.delivery_id not in ours])
        db.execute(_REOPEN, {"ids": late, "now": now})
    return len(late)


def release(db: Session, claimed: Sequence[Claimed], *, claim_id: str, now: datetime) -> None:
    """Give back what was claimed and not sent, as if it had never been claimed."""
    _lock_in_order(db, claimed)
    _give_back(db, {row.delivery_id: now for row in claimed}, claim_id=claim_id)


_GIVE_BACK = text("""
UPDATE deliveries d SET claim = NULL, next_attempt_at = s.at, attempts = GREATEST(d.attempts - 1, 0)
FROM unnest(CAST(:ids AS bigint[]), CAST(:ats AS timestamptz[])) AS s(id, at)
WHERE d.id = s.id AND d.claim = :claim
""")


def _give_back(db: Session, due_at: Mapping[int, datetime], *, claim_id: str) -> None:
    """As if these rows had never been claimed, but due then."""
    db.execute(_GIVE_BACK, {"ids": list(due_at), "ats": list(due_at.values()), "claim": claim_id})


def _lock_in_order(db: Session, claimed: Sequence[Claimed]) -> None:
    db.execute(_IN_ORDER, {"ids": [row.delivery_id for row in claimed]})


_HURRIED = text("""
SELECT id, wanted_version FROM deliveries WHERE id = ANY(:ids) AND claim = :claim AND urgency = :urgency
""")


def hurried(db: Session, delivery_ids: Sequence[int], *, claim_id: str) -> dict[int, int]:
    """Which of these rows of a campaign, claimed and not yet sent, a customer waits for by now, each with the version
    that is wanted.
    """
    rows = db.execute(_HURRIED, {"ids": list(delivery_ids), "claim": claim_id, "urgency": INTERACTIVE})
    return {row[0]: row[1] for row in rows}


def _forget(db: Session, claimed: Claimed, since: datetime, claim_id: str) -> bool:
    """Move the registration to those that are gone, unless the phone has registered again since, or is at it, or the
    card is being published.
    """
    names = {"id": claimed.delivery_id, "claim": claim_id, "since": since}
    locked = db.execute(_LOCK_GONE, names).one_or_none()
    if locked is None:
        return False
    device_id, registration_id = locked
    keep_reach(db, [claimed.card_id])
    db.execute(_FORGET, {"registration": registration_id, "since": since})
    db.execute(_DROP_LONELY_DEVICE, {"id": device_id})
    return True


_NEXT_DUE = text("""
SELECT min(earliest.next_attempt_at) FROM generate_series(0, :urgency) AS level CROSS JOIN LATERAL (
    SELECT next_attempt_at FROM deliveries
    WHERE kind = :kind AND program_id = :program AND urgency = level
      AND wanted_version > told_version AND parked IS NULL
    ORDER BY next_attempt_at LIMIT 1
) AS earliest
""")


def next_due_at(db: Session, *, kind: str, program_id: str) -> datetime | None:
    """When the earliest open row of the queue becomes due; None: nothing is open."""
    due: datetime | None = db.scalar(_NEXT_DUE, {"kind": kind, "program": program_id, "urgency": CAMPAIGN})
    return due


_REMINDED_OF = text("""
SELECT DISTINCT program_id FROM (
    SELECT program_id FROM deliveries WHERE again_at <= :now AND claim IS NULL ORDER BY again_at LIMIT :batch
) AS due ORDER BY program_id
""")
_REMINDED_CARDS = text("""
SELECT card_id FROM deliveries WHERE again_at <= :now AND claim IS NULL ORDER BY again_at LIMIT :batch
""")
_REMIND = paced(
    """
WITH due AS (
    SELECT d.id, r.device_id, r.fetched_version,
        r.fetched_version < d.wanted_version AND d.told_version >= d.wanted_version AND d.parked IS NULL AS away,
        v.reminded_at[:per_day] + interval '1 day' AS allowed_at
    FROM deliveries d JOIN registrations r ON r.id = d.registration_id JOIN devices v ON v.id = r.device_id
    WHERE d.again_at <= :now AND d.claim IS NULL AND d.program_id = ANY(:programs)
    ORDER BY d.again_at LIMIT :batch
    FOR NO KEY UPDATE OF d, v SKIP LOCKED
), reminded AS (
    UPDATE deliveries d
    SET told_version = due.fetched_version, again_at = NULL,
        reminder_number = (CAST(:numbers AS bigint[]))[array_position(CAST(:programs AS text[]), d.program_id)],
        last_outcome = 'told, never fetched',
        next_attempt_at = GREATEST(CAST(:now AS timestamptz), {paced}),
        repeats = CASE WHEN d.missed >= :most THEN :most ELSE d.repeats END + 1, missed = d.missed + 1,
        stale_at = CASE WHEN d.missed >= :most THEN coalesce(d.stale_at, :now) END
    FROM due WHERE d.id = due.id AND due.away AND (due.allowed_at > :now) IS NOT TRUE
    RETURNING d.program_id, due.device_id, d.next_attempt_at, d.stale_at = :now AS became_stale
), counted AS (
    UPDATE devices v SET reminded_at = (at || v.reminded_at)[1 : :per_day]
    FROM (SELECT device_id, max(next_attempt_at) AS at FROM reminded GROUP BY device_id) AS soon
    WHERE v.id = soon.device_id
), postponed AS (
    UPDATE deliveries d SET again_at = CASE WHEN due.away THEN due.allowed_at END
    FROM due WHERE d.id = due.id AND (due.allowed_at > :now OR NOT due.away)
)
SELECT array(SELECT DISTINCT program_id FROM reminded), (SELECT count(*) FROM reminded WHERE became_stale),
    (SELECT count(*) FROM due)
""",
    urgency="1",
)


@dataclass(frozen=True, slots=True)
class Reminded:
    """The programmes with announcements pending again, how many far ends have become stale, and whether there may be
    more to remind now.
    """

    programs: frozenset[str]
    stale: int
    more: bool


def remind(
    db: Session, *, now: datetime, most: int, per_day: int, pacing: Pacing = UNPACED, batch: int = 1000
) -> Reminded:
    """Make an announcement pending again for phones that were told and have not come in their time, up to `batch`;
    after `most` times since the phone last came it is stale.

    A device is reminded `per_day` times in any 24 hours at most, whichever of its cards it is about; what is reminded
    together becomes one push and counts once, and what would be too much waits until the oldest reminder is a day old.
    Any number of workers may call this at once: a row or a device that another has locked is left to it.

    Only who was told and can be told again is reminded: not who has an announcement pending anyway, nor who is parked.

    A reminder has a change number of its own, newer than any tag that the phone can hold: it may have listed the card
    before, and its download failed. The counters are taken first, as by whoever publishes.

    "Told" is not "has": what counts as known falls back to what the phone has really fetched. A stale phone is still
    told now and then, so that one announcement always waits for it at Apple.
    """
    due = db.scalars(_REMINDED_OF, {"now": now, "batch": batch}).all()
    if not due:
        return Reminded(frozenset(), 0, more=False)
    numbers = [next_change_numbers(db, program_id)[0] for program_id in due]
    keep_reach(db, db.scalars(_REMINDED_CARDS, {"now": now, "batch": batch}).all())
    values = {"now": now, "most": most, "per_day": per_day, "batch": batch, "programs": list(due), "numbers": numbers}
    programs, stale, looked_at = db.execute(_REMIND, values | pacing.values()).one()
    return Reminded(frozenset(programs), stale, looked_at == batch)
