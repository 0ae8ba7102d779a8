"""A posting while it is put together: moves and entries are collected, and every step sees those before it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from wallet_service.errors import Invalid
from wallet_service.loyalty.ledger.values import (
    Account,
    Bucket,
    Entry,
    Kind,
    Lot,
    Move,
    Origin,
    Part,
    Posting,
    Reservation,
    by_expiry,
)
from wallet_service.values import LARGEST


class Draft:
    """A posting on an account, being put together."""

    def __init__(self, account: Account, kind: Kind, *, now: datetime) -> None:
        self.account = account
        self.kind: Kind = kind
        self.now = now
        self.lots = dict(account.lots)
        self.earned = 0
        self.reservation: Reservation | None = None
        self._entries: dict[Bucket, int] = defaultdict(int)
        self._grants: list[Lot] = []
        self._moves: list[Move] = []

    def enter(self, bucket: Bucket, amount: int) -> None:
        """Add to a bucket."""
        self._entries[bucket] += amount

    def grant(
        self,
        amount: int,
        *,
        origin: Origin,
        source: Bucket,
        granted_at: datetime,
        available_at: datetime | None = None,
        expires_at: datetime | None = None,
    ) -> None:
        """A new lot, taken from a bucket of the programme.

        Raises:
            Invalid: the balance would be more than a wallet can carry.
        """
        if amount == 0:
            return
        self.require_room(self.account.available + self.account.pending + self.account.locked, amount)
        part: Part = "pending" if available_at is not None and available_at > self.now else "available"
        lot = Lot(
            number=self.account.last_lot + len(self._grants) + 1,
            origin=origin,
            granted=amount,
            granted_at=granted_at,
            available_at=available_at,
            expires_at=expires_at,
        )
        lot = replace(lot, pending=amount) if part == "pending" else replace(lot, available=amount)
        self._grants.append(lot)
        self.lots[lot.number] = lot
        self.enter(source, -amount)
        self.enter("pending" if part == "pending" else "available", amount)

    def require_room(self, known: int, more: int) -> None:
        """Refuse what no wallet can carry."""
        if known + sum(grant.granted for grant in self._grants) + more > LARGEST:
            raise Invalid.at("", "takes the balance beyond what a wallet can carry", "balance_out_of_range")

    def move(self, lot: int, origin: Part, target: Part, amount: int) -> None:
        """Points of a lot from part to part; entries are the caller's."""
        if amount:
            self.lots[lot] = self.lots[lot].moved(origin, target, amount)
            self._moves.append(Move(lot, origin, target, amount))

    def take(self, lots: Iterable[Lot], origin: Part, target: Part, amount: int) -> int:
        """Up to `amount` from lots in their order; returns what was taken."""
        left = amount
        for lot in lots:
            some = min(left, self.lots[lot.number].of(origin))
            self.move(lot.number, origin, target, some)
            left -= some
        return amount - left

    def spendable(self) -> Sequence[Lot]:
        """The lots that may be spent now, in the order of spending."""
        return sorted(
            (lot for lot in self.lots.values() if lot.available and not lot.is_expired(self.now)), key=by_expiry
        )

    def expire_released(self, lots: Iterable[int]) -> None:
        """What came back into lots whose instant has passed meanwhile expires at once."""
        for number in lots:
            lot = self.lots[number]
            if lot.available and lot.is_expired(self.now):
                self.enter("available", -lot.available)
                self.enter("expired", lot.available)
                self.move(number, "available", "expired", lot.available)

    def settle_debt(self) -> None:
        """After every credit to `available`: what is owed is paid first."""
        owed = self.account.debt - self._entries["debt"]
        if owed > 0:
            paid = self.take(self.spendable(), "available", "clawed", owed)
            self.enter("available", -paid)
            self.enter("debt", paid)

    def done(self) -> Posting:
        """The posting."""
        return Posting(
            kind=self.kind,
            entries=tuple(Entry(bucket, amount) for bucket, amount in self._entries.items() if amount),
            grants=tuple(self._grants),
            moves=tuple(self._moves),
            reservation=self.reservation,
            earned=self.earned,
        )
