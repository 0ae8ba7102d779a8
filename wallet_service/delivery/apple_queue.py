"""Apple's delivery queue: empty pushes, as many in flight as Apple allows, settled in pages while more are sent."""

from __future__ import annotations

import itertools
import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import OperationalError

from wallet_service.cards.pacing import Pacing
from wallet_service.cards.publishing import CAMPAIGN, INTERACTIVE
from wallet_service.delivery import ledger
from wallet_service.delivery.ledger import Claimed
from wallet_service.delivery.policy import Step, Told
from wallet_service.delivery.queues import DeliveryQueue, Tools
from wallet_service.delivery.refusals import Refusals, choose_probes, unpark
from wallet_service.wallets.protocol import Accepted, Announcer, ChannelDown, Gone, Notice, Outcome

log = structlog.get_logger()
LOOK_FOR_URGENT = timedelta(seconds=0.2)
"""How often, while a campaign is sent, it is looked whether a customer has just done something."""
PAGE = 500
"""How many answers are written down in one transaction, while the next are on their way."""


class _Claim:
    """The rows that one step has claimed, in the order in which they are to be sent, under one claim id."""

    def __init__(self) -> None:
        self.claim_id = secrets.token_hex(8)
        self.claimed: list[Claimed] = []
        self.sent: dict[int, list[Claimed]] = {}
        self.has_campaign = False
        self._told: set[str] = set()
        self._waiting: OrderedDict[str, tuple[Notice, list[Claimed]]] = OrderedDict()

    def take(self, claimed: Sequence[Claimed], *, first: bool) -> None:
        """Add rows; all rows of one push token are one notice (one device, one pass type), and what is for a far end
        that waits already goes with it. `first`: before all others.

        What comes for a far end that was told in this very step stays aside, to be given back: whether it may be told
        again so soon, the ledger can say once it knows of the first time.
        """
        self.claimed += claimed
        self.has_campaign |= any(row.urgency >= CAMPAIGN for row in claimed)
        for token, rows in _by_token(claimed).items():
            if token in self._told:
                continue
            known = self._waiting.setdefault(token, (_notice(token, rows), rows))
            if known[1] is not rows:
                known[1].extend(rows)
            if first:
                self._waiting.move_to_end(token, last=False)

    def waiting_campaign(self) -> list[int]:
        """The rows of campaigns that are not yet sent."""
        return [row.delivery_id for _, rows in self._waiting.values() for row in rows if row.urgency >= CAMPAIGN]

    def hurry(self, versions: Mapping[int, int]) -> None:
        """A customer waits for these rows by now, and for these versions: they go first."""
        for token, (_, rows) in list(self._waiting.items()):
            if any(row.delivery_id in versions for row in rows):
                rows[:] = [
                    replace(row, version=versions[row.delivery_id], urgency=INTERACTIVE)
                    if row.delivery_id in versions
                    else row
                    for row in rows
                ]
                self._waiting.move_to_end(token, last=False)

    def next(self) -> Notice | None:
        """The next to be sent."""
        if not self._waiting:
            return None
        _, (notice, rows) = self._waiting.popitem(last=False)
        self.sent[notice.delivery_id] = rows
        self._told.add(notice.far_end)
        return notice


Page = Sequence[tuple[list[Claimed], Outcome]]


class AppleQueue(DeliveryQueue):
    """The delivery queue of one programme's iPhones.

    Args:
        signer: who signs now, the same object for as long as it is the same; asked once for each step.
    """

    kind = "apple"

    def __init__(
        self,
        program_id: str,
        announcer: Announcer,
        tools: Tools,
        *,
        signer: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(program_id, announcer, tools)
        self._announcer = announcer
        self._signer = signer
        self._signed_by: object = self
        self._refusals = Refusals()
        self._pacing = Pacing.of(tools.settings)
        self._settler = ThreadPoolExecutor(1, thread_name_prefix=f"settling:{self.kind}:{program_id}")

    def step(self) -> int:
        """Claim a batch, send it, settle it, for as long as batches come full, but no longer than a lease; returns the
        number of rows told, whatever the answers were. The next batch is claimed beside the settling of what the one
        before heard last.
        """
        settled, finish, until = 0, _nothing, self._tools.clock() + self._tools.settings.lease
        while (now := self._begin()) is not None and now < until:
            claim = _Claim()
            self._take(claim, now=now)
            settled += finish()
            finish = self._announce_claim(claim, before=now + self._tools.settings.lease - self._slowest)
            if len(claim.claimed) < self._tools.settings.batch:
                break
        settled += finish()
        if self._refusals.in_doubt:
            self._probe()
        self._write_state()
        return settled

    def _begin(self) -> datetime | None:
        """Now, or None if nothing may be claimed now."""
        self._check_signer()
        now = self._tools.clock()
        return None if self.stopping or self._refusals.in_doubt or self._is_halted(now=now) else now

    def _announce_claim(self, claim: _Claim, *, before: datetime) -> Callable[[], int]:
        """Announce what is claimed and let the answers be written down, page by page; returns what waits for that,
        gives back what was not sent, and says how many rows were told.
        """
        tools = self._tools
        told = self._tell(claim, before=before)
        settling: list[Future[int]] = []
        while page := list(itertools.islice(told, PAGE)):
            settling.append(self._settler.submit(self._settle_page, page, claim.claim_id, heard_at=tools.clock()))

        def finish() -> int:
            settled = sum(future.result() for future in settling)
            if settled < len(claim.claimed):
                with tools.sessions.begin() as db:
                    ledger.release(db, claim.claimed, claim_id=claim.claim_id, now=tools.clock())
            if claim.claimed and not settled:
                log.warning("nothing_sent_in_its_lease", program_id=self.program_id, claimed=len(claim.claimed))
            return settled

        return finish

    def close(self) -> None:
        """Write down what was heard, and close the channel."""
        self._settler.shutdown()
        super().close()

    def _check_signer(self) -> None:
        """Retry what Apple refused under another certificate, or to a worker with other settings: that was no fault of
        the phones.
        """
        signer = self._signer()
        if signer is self._signed_by:
            return
        self._refusals.forget()
        self._unpark()
        self._signed_by, self.halted_until = signer, None

    def _take(self, claim: _Claim, *, now: datetime, urgent_only: bool = False) -> None:
        settings = self._tools.settings
        with self._tools.sessions.begin() as db:
            claimed = ledger.claim(
                db,
                kind=self.kind,
                program_id=self.program_id,
                now=now,
                lease=settings.lease,
                batch=settings.batch,
                claim_id=claim.claim_id,
                urgent_only=urgent_only,
                pacing=self._pacing,
            )
            known = claim.waiting_campaign() if urgent_only else []
            hurried = ledger.hurried(db, known, claim_id=claim.claim_id) if known else {}
        claim.take(claimed, first=urgent_only)
        claim.hurry(hurried)

    def _tell(self, claim: _Claim, *, before: datetime) -> Iterator[tuple[list[Claimed], Outcome]]:
        """Announce what is claimed; what could not be sent in its lease stays there, to be given back."""
        for notice, outcome in self._announcer.announce(self._sendable(claim, before=before)):
            if isinstance(outcome, ChannelDown):
                self._halt(outcome.reason)
            yield claim.sent.pop(notice.delivery_id), outcome

    def _sendable(self, claim: _Claim, *, before: datetime) -> Iterator[Notice]:
        """The claimed notices, one by one, as the connection can take them. What a customer has just done overtakes a
        campaign that is being sent.
        """
        look_at = self._tools.clock() + LOOK_FOR_URGENT
        while (now := self._tools.clock()) < before and self.halted_until is None:
            if claim.has_campaign and now >= look_at and not self.stopping:
                with suppress(OperationalError):  # the database is away: whoever settles will say so
                    self._take(claim, now=now, urgent_only=True)
                look_at = now + LOOK_FOR_URGENT
            if (notice := claim.next()) is None:
                return
            yield notice

    def _settle_page(self, page: Page, claim_id: str, *, heard_at: datetime) -> int:
        """Write down a page of answers, beside the sending of the next; returns how many rows it was."""
        answers = [(min(row.card_id for row in rows), outcome) for rows, outcome in page]
        outcomes = self._refusals.judged(answers, now=heard_at)
        results = [
            (row, self._next_step(row, outcome))
            for (rows, _), outcome in zip(page, outcomes, strict=True)
            for row in rows
        ]
        late = self._settle(lambda db: ledger.settle(db, results, claim_id=claim_id, now=heard_at, pacing=self._pacing))
        self._count(outcomes, late)
        return len(results)

    def _next_step(self, row: Claimed, outcome: Outcome) -> Step:
        step = super()._next_step(row, outcome)
        if isinstance(step, Told):
            return Told(step.answer, self._tools.patience.after(row.repeats, self._tools.chance))
        return step

    def _probe(self) -> None:
        """Find out whether the channel itself is refused: phones that Apple took before, of other cards, are sent a
        push. If Apple knows but one of them, the refused phones are at fault; else nothing is held against them.
        """
        tools = self._tools
        with tools.sessions.begin() as db:
            tokens = choose_probes(
                db, self.program_id, besides=self._refusals.cards, pacing=self._pacing, now=tools.clock()
            )
        notices = [Notice(delivery_id=-number, far_end=token, version=0) for number, token in enumerate(tokens)]
        heard = [outcome for _, outcome in self._announcer.announce(notices)]
        if any(isinstance(outcome, Accepted | Gone) for outcome in heard):
            log.warning("channel_is_right", program_id=self.program_id, refused_cards=len(self._refusals.cards))
            self._refusals.trust(until=tools.clock() + 2 * tools.backoff.most)
            self.halted_until = None
            return
        self._refusals.in_doubt = False
        self._unpark()

    def _unpark(self) -> None:
        now = self._tools.clock()
        count = self._settle(lambda db: unpark(db, self.program_id, now=now))
        if count:
            log.warning("refused_phones_tried_again", program_id=self.program_id, phones=count)


def _nothing() -> int:
    return 0


def _by_token(claimed: Iterable[Claimed]) -> dict[str, list[Claimed]]:
    by_token: dict[str, list[Claimed]] = {}
    for row in claimed:
        by_token.setdefault(row.far_end, []).append(row)
    return by_token


def _notice(token: str, rows: Sequence[Claimed]) -> Notice:
    return Notice(delivery_id=rows[0].delivery_id, far_end=token, version=max(row.version for row in rows))
