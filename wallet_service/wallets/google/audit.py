"""An audit: what Google holds beside what we want, page by page; differences are made pending again.

Callbacks and settlements can be lost; this finds what they left. It reads each class's objects in pages, compares the
members that we write, and asks who holds each.

Source: google-wallet.md sections 16 (list) and 17; section 25, check 37.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from google.auth.exceptions import RefreshError
from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.errors import Unreachable
from wallet_service.storage.tables import Delivery, GoogleObject
from wallet_service.wallets.google import objects
from wallet_service.wallets.google.channel import ClassAddress
from wallet_service.wallets.google.client.calls import Answer, Call
from wallet_service.wallets.google.client.transport import Transport
from wallet_service.wallets.google.content.compare import Difference, comparable_fields, differences
from wallet_service.wallets.google.content.kinds import Kind
from wallet_service.wallets.google.content.schema import Body
from wallet_service.wallets.google.maintenance import settle_holder

PAGE = 100
WantedBodies = Callable[[Session, Sequence[GoogleObject]], Mapping[str, Body]]
"""The bodies that these objects should have, by object id."""


@dataclass
class Report:
    """What an audit found. Counts are objects; `examples` are the first differences, by object id.

    Not `is_whole`: it was ended before it had seen everything.

    A stranger is not ours and yet shown as valid; what is void may be of a member who was erased.
    """

    is_whole: bool = True
    seen: int = 0
    strangers: int = 0
    different: int = 0
    absent: int = 0
    holders_changed: int = 0
    examples: list[tuple[str, Difference]] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Everything that is counted, by name; nothing of anybody's."""
        return {
            "seen": self.seen,
            "strangers": self.strangers,
            "different": self.different,
            "absent": self.absent,
            "holders_changed": self.holders_changed,
        }


@dataclass(frozen=True)
class Audit:
    """One audit of one programme."""

    transport: Transport
    sessions: sessionmaker[Session]
    program_id: str
    wanted: WantedBodies
    put_back: bool = True
    stopping: Callable[[], bool] = lambda: False

    def run(self, classes: Sequence[ClassAddress], *, now: datetime) -> Report:
        """Compare every object of these classes; what differs is pending again unless this is only a look.

        Raises:
            Unreachable: Google did not answer, or refused the list.
        """
        report, seen = Report(), set[int]()
        for address in classes:
            for page in self._pages(address):
                if self.stopping():
                    report.is_whole = False
                    return report
                seen.update(hash(shown["id"]) for shown in page)
                with self.sessions.begin() as db:
                    self._compare(db, address.kind, page, report, now=now)
        self._absent(seen, report, now=now)
        return report

    def _pages(self, address: ClassAddress) -> Iterator[Sequence[Mapping[str, Any]]]:
        fields = f"pagination,resources({comparable_fields(address.kind.object_schema)},hasUsers)"
        start = f"{address.kind.object_collection}?classId={quote(address.class_id)}&maxResults={PAGE}&fields={fields}"
        token = ""
        while True:
            answer = self._answer_to(Call("GET", f"{start}&token={quote(token)}" if token else start))
            if not answer.is_good:
                raise Unreachable(f"Google refused the list of {address.class_id}: {answer.status} {answer.reason}")
            document = answer.json()
            yield document.get("resources") or ()
            token = str((document.get("pagination") or {}).get("nextPageToken") or "")
            if not token:
                return

    def _answer_to(self, call: Call) -> Answer:
        try:
            return self.transport.ask(call)
        except RefreshError as error:
            raise Unreachable(f"Google gave no token: {error.args[0]}") from error

    def _compare(
        self, db: Session, kind: Kind, page: Sequence[Mapping[str, Any]], report: Report, *, now: datetime
    ) -> None:
        rows = {row.object_id: row for row in self._at_rest(db, [shown["id"] for shown in page])}
        wanted = self.wanted(db, list(rows.values()))
        wrong: list[int] = []
        holders: dict[int, bool] = {}
        report.seen += len(page)
        valid = [shown["id"] for shown in page if str(shown.get("state")).upper() == "ACTIVE"]
        report.strangers += self._strangers(db, valid)
        for shown in page:
            row = rows.get(shown["id"])
            if row is None:
                continue
            found = differences(kind.object_schema, wanted[row.object_id], shown)
            if found:
                wrong.append(row.id)
                report.examples += [(row.object_id, one) for one in found][: max(0, 20 - len(report.examples))]
            is_held = bool(shown.get("hasUsers"))
            if is_held != (row.saved_at is not None and row.removed_at is None):
                holders[row.id] = is_held
        report.holders_changed += len(holders)
        report.different += len(wrong)
        if self.put_back:
            objects.lock(db, [*holders, *wrong])
            for pk, is_held in holders.items():
                settle_holder(db, pk, is_held, asked_at=now, now=now)
        self._owe(db, wrong, told_digest="", now=now)

    def _at_rest(self, db: Session, object_ids: Sequence[str]) -> Sequence[GoogleObject]:
        """Those of ours about which nothing is under way: only they can be judged."""
        return db.scalars(
            select(GoogleObject)
            .join(Delivery, Delivery.google_object_id == GoogleObject.id)
            .where(
                GoogleObject.object_id.in_(list(object_ids)),
                Delivery.program_id == self.program_id,
                Delivery.claim.is_(None),
                Delivery.wanted_version <= Delivery.told_version,
            )
        ).all()

    def _strangers(self, db: Session, object_ids: Sequence[str]) -> int:
        known = set(db.scalars(select(GoogleObject.object_id).where(GoogleObject.object_id.in_(list(object_ids)))))
        return len(set(object_ids) - known)

    def _absent(self, seen: set[int], report: Report, *, now: datetime) -> None:
        """Objects that we believe Google has and that no list showed."""
        last = 0
        while True:
            with self.sessions.begin() as db:
                page = db.execute(
                    select(GoogleObject.id, GoogleObject.object_id)
                    .join(Delivery, Delivery.google_object_id == GoogleObject.id)
                    .where(
                        GoogleObject.id > last,
                        Delivery.program_id == self.program_id,
                        Delivery.claim.is_(None),
                        GoogleObject.told_digest.is_not(None),
                    )
                    .order_by(GoogleObject.id)
                    .limit(1000)
                ).all()
                gone = [row.id for row in page if hash(row.object_id) not in seen]
                report.absent += len(gone)
                self._owe(db, gone, told_digest=None, now=now)
            if not page:
                return
            last = page[-1].id

    def _owe(self, db: Session, pks: Sequence[int], *, told_digest: str | None, now: datetime) -> None:
        if pks and self.put_back:
            objects.lock(db, pks)
            db.execute(update(GoogleObject).where(GoogleObject.id.in_(pks)).values(told_digest=told_digest))
            objects.make_due_again(db, pks, now=now)
