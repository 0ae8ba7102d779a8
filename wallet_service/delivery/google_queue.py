"""Google's delivery queue: several objects on their way at once, each with its content as it is at the claim.

Rows are claimed a second's worth at a time while the queue runs, those that a person has just changed before those of a
walk over many cards; so a change at the till leaves within two seconds, whatever else waits (google-wallet.md section
24; section 25, check 54).
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from wallet_service.cards.program_cache import LoadedProgram
from wallet_service.delivery import ledger
from wallet_service.delivery.ledger import Claimed
from wallet_service.delivery.policy import Step
from wallet_service.delivery.queues import DeliveryQueue, Tools
from wallet_service.documents.programs import GoogleDocument
from wallet_service.storage.encryption import Sealer
from wallet_service.storage.tables import Card
from wallet_service.wallets.card_views import card_view, program_view
from wallet_service.wallets.google import linked_objects, maintenance, objects
from wallet_service.wallets.google.channel import GoogleChannel
from wallet_service.wallets.google.content.kinds import kind_of
from wallet_service.wallets.google.objects import ClaimedObject
from wallet_service.wallets.google.renewing_channel import RenewingGoogleChannel
from wallet_service.wallets.google.updates import Held, ObjectUpdate
from wallet_service.wallets.protocol import Accepted, CardView, Outcome

log = structlog.get_logger()


@dataclass(frozen=True)
class _InProgress:
    """A claimed row and the claim that it belongs to; no call may leave for it but `before` then."""

    claimed: Claimed
    claim_id: str
    before: datetime


class GoogleQueue(DeliveryQueue):
    """The delivery queue of one programme at Google: messages to everybody first, then unconfirmed
    callbacks, then the objects.
    """

    kind = "google"

    def __init__(
        self, program_id: str, line: RenewingGoogleChannel[GoogleDocument], tools: Tools, sealer: Sealer
    ) -> None:
        super().__init__(program_id, line, tools)
        self._google = line
        self._channel: GoogleChannel | None = None
        self._sealer = sealer
        self._second = max(10, int(tools.settings.google_rate_per_s))

    def step(self) -> int:
        """Tell what is due, up to a batch; returns the number of rows worked on; 0: nothing was due."""
        tools = self._tools
        now = tools.clock()
        channel = self._google.current()
        if channel is not self._channel:
            self._renewed(channel, now=now)
        if channel is None or self._is_halted(now=now):
            return 0
        self._read_classes(channel)
        side_work = maintenance.Maintenance(
            sessions=tools.sessions,
            channel=channel,
            program_id=self.program_id,
            lease=tools.settings.lease,
            timeout=self._slowest,
            clock=tools.clock,
            stopping=lambda: self.stopping,
        )
        done = side_work.send_class_messages() + side_work.confirm_removals()
        in_progress: dict[int, _InProgress] = {}
        due = self._due(channel, in_progress)
        for told in channel.announce_lazily(due, before=lambda notice: in_progress[notice.delivery_id].before):
            self._settle_updates(told, in_progress)
            done += len(told)
        self._give_back(in_progress)
        self._write_classes(channel)
        if done == 0:
            with tools.sessions.begin() as db:
                done = objects.expire_messages(db, self.program_id, now=now)
        self._write_state()
        return done

    def next_due_at(self) -> datetime | None:
        """As for every queue; None while there is no channel to tell it on."""
        return super().next_due_at() if self._channel is not None else None

    def stop(self) -> None:
        """Claim no more, and wait for no turn: what has not left is given back."""
        super().stop()
        self._google.stop()

    def _renewed(self, channel: GoogleChannel | None, *, now: datetime) -> None:
        """What the account before was refused for is no fault of this one: whatever waits is tried at once."""
        if self._channel is not None:
            with self._tools.sessions.begin() as db:
                objects.make_due_now(db, self.program_id, now=now)
        self._channel, self.halted_until = channel, None

    def _due(self, channel: GoogleChannel, in_progress: dict[int, _InProgress]) -> Iterator[ObjectUpdate]:
        """Claim a second's worth, yield it, claim again: until nothing is due, or a batch has been yielded."""
        tools, yielded = self._tools, 0
        while yielded < tools.settings.batch and self.halted_until is None and not self.stopping:
            claim_id, now = secrets.token_hex(8), tools.clock()
            before = now + tools.settings.lease - self._slowest
            with tools.sessions.begin() as db:
                claimed = ledger.claim(
                    db,
                    kind=self.kind,
                    program_id=self.program_id,
                    now=now,
                    lease=tools.settings.lease,
                    batch=min(self._second, tools.settings.batch - yielded),
                    claim_id=claim_id,
                )
                notices = self._notices(db, channel, claimed, now=now)
            in_progress.update({row.delivery_id: _InProgress(row, claim_id, before) for row in claimed})
            yielded += len(notices)
            for notice in notices:
                if tools.clock() >= before or self.halted_until is not None or self.stopping:
                    return
                yield notice
            if not claimed:
                return

    def _give_back(self, in_progress: dict[int, _InProgress]) -> None:
        """What was claimed and not sent, because the lease was nearly over, the channel is down, or we leave."""
        for claim_id in {claimed_row.claim_id for claimed_row in in_progress.values()}:
            rows = [claimed_row.claimed for claimed_row in in_progress.values() if claimed_row.claim_id == claim_id]
            with self._tools.sessions.begin() as db:
                ledger.release(db, rows, claim_id=claim_id, now=self._tools.clock())

    def _notices(
        self, db: Session, channel: GoogleChannel, claimed: Sequence[Claimed], *, now: datetime
    ) -> list[ObjectUpdate]:
        program_cache, public_url = self._tools.program_cache, self._tools.settings.public_url
        cards = {card.id: card for card in db.scalars(select(Card).where(Card.id.in_([c.card_id for c in claimed])))}
        rows = objects.objects_of(db, [row.far_end for row in claimed])
        program = program_cache.program(db, self.program_id)
        owed = []
        for row in claimed:
            view = card_view(
                db,
                program_cache,
                cards[row.card_id],
                public_url=public_url,
                google_object_id=row.far_end,
                program=program,
            )
            owed.append(
                ClaimedObject(
                    delivery_id=row.delivery_id,
                    version=row.version,
                    row=rows[row.far_end],
                    card=view,
                    class_id=channel.class_id(view),
                    design=_in_present_design(program, view, now),
                )
            )
        return objects.plan(db, owed, now=now, sealer=self._sealer)

    def _settle_updates(
        self, told: Sequence[tuple[ObjectUpdate, Outcome]], in_progress: dict[int, _InProgress]
    ) -> None:
        by_claim: dict[str, list[tuple[Claimed, Step]]] = defaultdict(list)
        held: list[tuple[ObjectUpdate, Held]] = []
        for notice, outcome in told:
            claimed_row = in_progress.pop(notice.delivery_id)
            by_claim[claimed_row.claim_id].append((claimed_row.claimed, self._next_step(claimed_row.claimed, outcome)))
            if isinstance(outcome, Held):
                held.append((notice, outcome))
        now = self._tools.clock()

        def write(db: Session) -> int:
            objects.lock(db, linked_objects.with_cards_of(db, [notice.object_pk for notice, _ in told]))
            late = sum(ledger.settle(db, rows, claim_id=claim_id, now=now) for claim_id, rows in by_claim.items())
            objects.record(db, held, now=now)  # after settling, which holds off an erasure, or has waited for it
            objects.make_due_for_messages(db, [notice.object_pk for notice, _ in held], now=now)
            linked_objects.link_told(db, [notice for notice, _ in held], now=now)
            return late

        late = self._settle(write)
        self._count([Accepted() if isinstance(outcome, Held) else outcome for _, outcome in told], late)

    def _read_classes(self, channel: GoogleChannel) -> None:
        with self._tools.sessions() as db:
            channel.classes.update(maintenance.known_classes(db, self.program_id))

    def _write_classes(self, channel: GoogleChannel) -> None:
        if told := channel.take_written_classes():
            with self._tools.sessions.begin() as db:
                maintenance.keep_classes(db, self.program_id, told, now=self._tools.clock())


def _in_present_design(program: LoadedProgram, view: CardView, now: datetime) -> CardView:
    """The class shows the present version of its design, also while cards still wear an older version of it."""
    present = program.present_template(view.template.template_id, now)
    if present is None or kind_of(present) is not kind_of(view.template):
        return view
    return replace(view, program=program_view(program.document), template=present)
