"""What the ledger is made of: accounts, lots, reservations, and postings that change them. Pure.

Signed amounts in buckets sum to zero in every posting. A member's buckets are `available`, `pending`, `locked` and
`debt` (0 or less: what is owed); the programme's are all the others. `issued` and `waived` fall, `spent`, `expired` and
`reversed` rise; `adjust` and `transfer` go both ways.

Source: loyalty-mechanics 2.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, get_args

Bucket = Literal[
    "available",
    "pending",
    "locked",
    "debt",
    "issued",
    "spent",
    "expired",
    "reversed",
    "waived",
    "adjust",
    "transfer",
]
Part = Literal["pending", "available", "locked", "consumed", "expired", "reversed", "clawed"]
"""Where the points of a lot are; together they are what was granted."""
PARTS: tuple[Part, ...] = get_args(Part)
OPEN: tuple[Part, ...] = ("pending", "available", "locked")
"""The parts that may still move."""
Origin = Literal["earn", "adjust", "opening", "redemption_refund", "transfer"]
Kind = Literal[
    "opening",
    "earn",
    "activate",
    "expire",
    "reserve",
    "confirm",
    "cancel",
    "time_out",
    "reverse",
    "waive",
    "adjust",
    "refund_redemption",
    "transfer_out",
    "transfer_in",
    "merge_out",
    "merge_in",
]
ReservationState = Literal["open", "confirmed", "cancelled", "timed_out"]
RefundPolicy = Literal["only_pending", "within_balance", "unlimited"]
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """One grant of points, with dates of its own. Spending moves its points from part to part; the lot stays.

    Attributes:
        number: within the account, rising with each grant.
        available_at: pending until then; None: never was.
        expires_at: not to be spent from then on; None: never expires.
    """

    number: int
    origin: Origin
    granted: int
    granted_at: datetime
    available_at: datetime | None = None
    expires_at: datetime | None = None
    pending: int = 0
    available: int = 0
    locked: int = 0
    consumed: int = 0
    expired: int = 0
    reversed: int = 0
    clawed: int = 0

    def of(self, part: Part) -> int:
        """The points in one part."""
        amount: int = getattr(self, part)
        return amount

    def moved(self, origin: Part, target: Part, amount: int) -> Lot:
        """The lot after points went from one part to another."""
        left = self.of(origin) - amount
        if amount <= 0 or left < 0:
            raise ValueError(f"lot {self.number} has {self.of(origin)} {origin}, of which {amount} should move")
        return replace(self, **{origin: left, target: self.of(target) + amount})  # type: ignore[arg-type]

    @property
    def is_open(self) -> bool:
        """Whether anything of it may still move."""
        return bool(self.pending or self.available or self.locked)

    def is_expired(self, now: datetime) -> bool:
        """Whether its instant has come, booked or not."""
        return self.expires_at is not None and self.expires_at <= now

    @property
    def due_at(self) -> datetime | None:
        """When it is to be activated or expired next, or None."""
        instants = [self.available_at] if self.pending else []
        if self.available:
            instants.append(self.expires_at)
        return min((instant for instant in instants if instant is not None), default=None)


def by_expiry(lot: Lot) -> tuple[datetime, datetime, int]:
    """The order in which lots are spent: soonest to expire, then oldest, then by number."""
    return lot.expires_at or _NEVER, lot.granted_at, lot.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Points that are set aside for a redemption: which of which lot, until when."""

    key: str
    until: datetime
    holds: tuple[tuple[int, int], ...]
    state: ReservationState = "open"

    @property
    def amount(self) -> int:
        """The points that it took when it was made."""
        return sum(amount for _, amount in self.holds)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: a signed amount in a bucket."""

    bucket: Bucket
    amount: int


@dataclass(frozen=True, slots=True)
class Move:
    """Points of a lot that went from one part to another."""

    lot: int
    origin: Part
    target: Part
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One change of one account: entries that sum to zero, and what it does to lots and reservations.

    Attributes:
        grants: new lots, all of their points pending or available.
        reservation: as it is afterwards, if this made or resolved one.
        earned: what this adds to the points ever earned.
    """

    kind: Kind
    entries: tuple[Entry, ...] = ()
    grants: tuple[Lot, ...] = ()
    moves: tuple[Move, ...] = ()
    reservation: Reservation | None = None
    earned: int = 0

    def total(self, bucket: Bucket) -> int:
        """What it adds to a bucket."""
        return sum(entry.amount for entry in self.entries if entry.bucket == bucket)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One member's points. `lots` and `reservations` may be only those that are open; sums are of all.

    `earned`: all that was ever earned, less what was reversed; spending and expiry leave it alone. `debt` is what the
    member owes, 0 or more.
    """

    available: int = 0
    pending: int = 0
    locked: int = 0
    debt: int = 0
    earned: int = 0
    last_lot: int = 0
    lots: Mapping[int, Lot] = field(default_factory=dict)
    reservations: Mapping[str, Reservation] = field(default_factory=dict)

    @property
    def balance(self) -> int:
        """What a card shows: the points available, or what is owed, below zero."""
        return self.available - self.debt

    @property
    def due_at(self) -> datetime | None:
        """When something of it is due by itself, or None."""
        instants = [lot.due_at for lot in self.lots.values()]
        instants += [one.until for one in self.reservations.values() if one.state == "open"]
        return min((instant for instant in instants if instant is not None), default=None)

    def applied(self, posting: Posting) -> Account:
        """The account after a posting: also how it is rebuilt from the log.

        Raises:
            ValueError: the posting is not of this account as it is.
        """
        if sum(entry.amount for entry in posting.entries) != 0:
            raise ValueError(f"the entries of {posting.kind} do not sum to zero")
        lots = dict(self.lots)
        for grant in posting.grants:
            lots[grant.number] = grant
        for move in posting.moves:
            lots[move.lot] = lots[move.lot].moved(move.origin, move.target, move.amount)
        reservations = self.reservations
        if posting.reservation is not None:
            reservations = {**reservations, posting.reservation.key: posting.reservation}
        return replace(
            self,
            available=self.available + posting.total("available"),
            pending=self.pending + posting.total("pending"),
            locked=self.locked + posting.total("locked"),
            debt=self.debt - posting.total("debt"),
            earned=self.earned + posting.earned,
            last_lot=max(self.last_lot, *(grant.number for grant in posting.grants))
            if posting.grants
            else self.last_lot,
            lots=lots,
            reservations=reservations,
        )
