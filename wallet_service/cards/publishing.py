"""Publishing: compose a card, compare, and if the holder can see a difference, make it pending at every far end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session, joinedload

from wallet_service.cards.composing import erased_content, next_change_at, notifying_field
from wallet_service.cards.content import CardContent
from wallet_service.cards.google_rows import wake_beside_cards
from wallet_service.cards.offers_shown import ComposedCard, decide_notifications, held_until, news_of
from wallet_service.cards.pacing import Pacing, paced
from wallet_service.cards.program_cache import Design, LoadedProgram, ProgramCache
from wallet_service.cards.reading_facts import read_facts
from wallet_service.metrics import OFFERS_NOT_COMPOSED
from wallet_service.offers.histories import histories_of
from wallet_service.offers.places import MemberPlace, Plan
from wallet_service.offers.targets import NO_HISTORY, History
from wallet_service.storage.change_number import next_change_numbers
from wallet_service.storage.notify import CHANNEL, hint
from wallet_service.storage.tables import Card, Member

log = structlog.get_logger()
INTERACTIVE, CAMPAIGN = 0, 1
"""What a customer has just done goes before what concerns everybody."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why cards are published: in words for the timeline, when it came in, how urgent it is, and over how long a time
    the phones are told of it.
    """

    what: str
    received_at: datetime
    urgency: int = INTERACTIVE
    spread: timedelta = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """Publishes cards; one for each process.

    Attributes:
        public_url: the installation's own address, without trailing slash.
    """

    program_cache: ProgramCache
    public_url: str
    pacing: Pacing

    def card_link(self, link_token: str) -> str:
        """The smart link of a card."""
        return f"{self.public_url}/c/{link_token}"

    def compose(
        self, card: Card, program: LoadedProgram, history: History = NO_HISTORY, *, now: datetime
    ) -> ComposedCard:
        """What the card shows at `now`, and until when that holds by itself (None: until its state changes)."""
        member, design = card.member, program.design_of(card, now)
        template = design.composer.template
        if member.erased_at is not None:
            wore = CardContent.model_validate(card.content).locale
            content = erased_content(template, locale=template.locale_for(wore, program.document.locales[0]))
            return ComposedCard(design=design, content=content, valid_until=None)
        locale = template.locale_for(member.locale, program.document.locales[0])
        place, without = MemberPlace.of(member, card.content, history), set[str]()
        while True:
            plan = program.places.plan_for(
                place, locale=locale, now=now, without=without, hours=program.composer.shows_hours
            )
            try:
                return self._composed(card, program, design, plan, locale, now=now)
            except Exception:
                if plan.offer is None:
                    raise
                # whatever is wrong with the offer that it would show, the card is shown without it
                OFFERS_NOT_COMPOSED.inc()
                log.exception("offer_left_out", card_id=card.id, offer=plan.offer.code, program_id=program.program_id)
                without.add(plan.offer.code)

    def _composed(
        self, card: Card, program: LoadedProgram, design: Design, plan: Plan, locale: str, *, now: datetime
    ) -> ComposedCard:
        offers = program.places.carried_by(plan) if card.state == "active" else ()
        shown = plan.offer
        if shown is not None and offers:
            shown = shown.model_copy(update={"news": news_of(card, offers[0].id)})
        facts = read_facts(
            card,
            program=program.document,
            card_link=self.card_link(card.link_token),
            offer=shown,
            store=plan.favourite_store,
        )
        if card.linked_to is not None:  # where stores and offers bring the card forward is the card's own affair
            facts = facts.model_copy(update={"offer": None})
            content = design.composer.compose(facts, locale=locale, now=now)
            instants = [next_change_at(facts, now), program.design_changes_at(card, now)]
            return ComposedCard(design=design, content=content, valid_until=_first(instants))
        content = design.composer.compose(facts, locale=locale, places=plan.places, radius_m=plan.radius_m, now=now)
        instants = [plan.valid_until, next_change_at(facts, now), program.design_changes_at(card, now)]
        title = shown.title if shown is not None else None
        return ComposedCard(design=design, content=content, valid_until=_first(instants), offers=offers, title=title)

    def publish_if_due(self, db: Session, card_id: int, *, now: datetime) -> None:
        """Compose a card whose time has come, if no worker has done so yet: whoever serves it calls this first, so that
        an offer that has ended is not served. The caller's transaction is to be ended at once.
        """
        due = select(Card.id).where(Card.id == card_id, Card.recompose_at <= now)
        locked = db.scalars(due.with_for_update(key_share=True)).all()
        if locked:
            cards = _loaded(db, locked)
            program = self.program_cache.program(db, cards[0].program_id)
            self.publish(db, program, cards, Cause("time", now), now=now)

    def publish(
        self, db: Session, program: LoadedProgram, cards: Sequence[Card], cause: Cause, *, now: datetime
    ) -> list[Card]:
        """Compose `cards` (locked, with member and balance loaded) and give a new version to those that look different.

        Call it last in the transaction: it takes change numbers. Returns the cards that changed.

        Args:
            program: as it is after the cards were locked. A walk that sets `recompose_at` for a newer picture of
                stores and offers waits for these locks, and so is never overtaken.
        """
        changed: list[Card] = []
        with db.no_autoflush:
            histories = histories_of(db, program.places, {card.member_pk: card.linked_to or card.id for card in cards})
        composed = [(card, self.compose(card, program, histories[card.member_pk], now=now)) for card in cards]
        offers = decide_notifications(db, program, composed, now=now)
        new_links: list[int] = []
        for card, one in composed:
            if card.id in offers.announcing:
                one = self.compose(card, program, histories[card.member_pk], now=now)
            card.recompose_at = _first([one.valid_until, held_until(card)])
            card.template_version_id = one.design.template_version_id
            # a notification that was held may have nothing to show but itself
            if one.content.digest() != card.digest or card.id in offers.notifying:
                if card.linked_to is not None and not card.digest:
                    new_links.append(card.id)
                _put_into(card, one, announces_offer=card.id in offers.announcing, now=now)
                changed.append(card)
        if changed:
            with db.no_autoflush:
                numbers = next_change_numbers(db, program.program_id, len(changed))
            for card, number in zip(changed, numbers, strict=True):
                card.version = number
            db.flush()
            _make_pending(db, program.program_id, [card.id for card in changed], cause, now=now, pacing=self.pacing)
        offers.settle(db, now=now)
        if new_links:
            wake_beside_cards(db, program.program_id, linked_ids=new_links, now=now)
        return changed


def claim_cards_due(db: Session, program_id: str, *, now: datetime, batch: int) -> list[Card]:
    """Lock up to `batch` cards whose content may have changed with the time; cards that others hold are left out."""
    due = (
        select(Card.id)
        .where(Card.program_id == program_id, Card.recompose_at <= now)
        .order_by(Card.recompose_at)
        .limit(batch)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return _loaded(db, db.scalars(due).all())


_COMPOSED_NEXT = text("""
SELECT p.program_id, earliest.recompose_at FROM programs p CROSS JOIN LATERAL (
    SELECT recompose_at FROM cards
    WHERE program_id = p.program_id AND recompose_at IS NOT NULL ORDER BY recompose_at LIMIT 1
) AS earliest
ORDER BY earliest.recompose_at, p.program_id
""")


def composed_next(db: Session) -> dict[str, datetime]:
    """When each programme has its next card to compose, the earliest first; reads one card of each."""
    return {row[0]: row[1] for row in db.execute(_COMPOSED_NEXT)}


def programs_due(db: Session, *, now: datetime) -> list[str]:
    """The programmes that have cards to compose, whose wait longest first."""
    return [program_id for program_id, at in composed_next(db).items() if at <= now]


def _first(instants: Sequence[datetime | None]) -> datetime | None:
    return min((instant for instant in instants if instant is not None), default=None)


def _loaded(db: Session, card_ids: Sequence[int]) -> list[Card]:
    query = (
        select(Card)
        .where(Card.id.in_(card_ids))
        .order_by(Card.id)
        .options(joinedload(Card.member).joinedload(Member.balance))
        .execution_options(populate_existing=True)
    )
    return list(db.scalars(query))


def _put_into(card: Card, composed: ComposedCard, *, announces_offer: bool, now: datetime) -> None:
    before, content = CardContent.model_validate(card.content) if card.content else None, composed.content
    template = composed.design.composer.template
    notifying = notifying_field(template, before, content, announces_offer=announces_offer)
    card.content = content.model_copy(update={"notify_field": notifying}).model_dump(mode="json")
    card.digest = content.digest()
    card.published_at = now
    # HTTP dates are whole seconds: two changes within one must still differ (spec apple-wallet 4.5)
    second = now.replace(microsecond=0)
    card.modified_at = max(second, card.modified_at + timedelta(seconds=1)) if card.modified_at else second


_OWE = """
WITH published AS (
    SELECT id, version FROM cards WHERE id {cards}
), remembered AS (
    INSERT INTO card_versions (card_id, version, cause, received_at, composed_at)
    SELECT id, version, :cause, :received_at, :now FROM published
), known AS (
    SELECT d.id, d.card_id, d.wanted_version, d.kind, d.first_told_at, d.first_answer,
        coalesce(device.device_library_id, o.object_id) AS far_end,
        CASE WHEN r.listed_version >= d.wanted_version THEN r.listed_at END AS listed_at,
        CASE WHEN r.fetched_version >= d.wanted_version THEN r.fetched_at END AS fetched_at,
        d.wanted_version > d.told_version AS open,
        CASE WHEN d.kind = 'google' THEN CAST(:now AS timestamptz)
            ELSE GREATEST(:now + random() * CAST(:spread AS interval), {paced}) END AS due_at
    FROM deliveries d
    LEFT JOIN registrations r ON r.id = d.registration_id
    LEFT JOIN devices device ON device.id = r.device_id
    LEFT JOIN google_objects o ON o.id = d.google_object_id
    WHERE d.card_id {cards} AND (d.kind = 'apple' OR d.wanted_version > 0)
    ORDER BY d.id FOR UPDATE OF d
), past AS (
    INSERT INTO past_deliveries
        (card_id, version, kind, far_end, told_at, told_answer, listed_at, fetched_at, superseded_at)
    SELECT card_id, wanted_version, kind, far_end, first_told_at, first_answer, listed_at, fetched_at, :now FROM known
), pending AS (
    UPDATE deliveries AS d
    SET wanted_version = c.version,
        wanted_at = :now, first_told_at = NULL, first_answer = NULL,
        attempts = CASE WHEN known.open THEN d.attempts ELSE 0 END, again_at = NULL,
        repeats = CASE WHEN d.stale_at IS NULL THEN 0 ELSE d.repeats END,
        urgency = CASE WHEN known.open THEN LEAST(d.urgency, :urgency) ELSE :urgency END,
        parked = CASE WHEN d.kind = 'google' AND d.parked <> 'removed' THEN NULL ELSE d.parked END,
        next_attempt_at = CASE WHEN d.claim IS NOT NULL
            OR known.open AND (:urgency > 0 OR d.attempts > 0 AND d.parked IS NULL) THEN d.next_attempt_at
            ELSE known.due_at END
    FROM known JOIN published AS c ON c.id = known.card_id
    WHERE d.id = known.id
    RETURNING d.id
)
SELECT pg_notify(:channel, :hint) WHERE EXISTS (SELECT FROM pending)
"""
_OWE_ONE, _OWE_MANY = (
    paced(_OWE.replace("{cards}", cards), urgency=":urgency") for cards in ("= :cards", "= ANY(:cards)")
)
"""The plan for one card is kept; for a list of unknown length PostgreSQL plans anew each time, as long as it works."""


def _make_pending(
    db: Session, program_id: str, card_ids: list[int], cause: Cause, *, now: datetime, pacing: Pacing
) -> None:
    """Raise `wanted_version` at every far end that is awake, write down what became of the version before, and wake
    the workers.

    A Google row sleeps (0) until somebody wants the object. A claimed row keeps its lease: settling finds
    the gap still open and makes it due again; one that failed keeps its pause. What a campaign owes comes due at some
    moment of its spread; what was pending already keeps its hour. Here each row looks at its own past only: what the
    device was told of its other cards is looked at when the row is claimed.
    """
    one = len(card_ids) == 1
    db.execute(
        _OWE_ONE if one else _OWE_MANY,
        {
            "cards": card_ids[0] if one else card_ids,
            "cause": cause.what,
            "received_at": cause.received_at,
            "urgency": cause.urgency,
            "now": now,
            "spread": cause.spread,
            "channel": CHANNEL,
            "hint": hint("tell", program_id),
        }
        | pacing.values(),
    )
