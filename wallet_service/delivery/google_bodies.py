"""Google's bodies of stored cards, for audits, classes and plans: the cards as they were last published."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from wallet_service.cards.content import CardContent, FieldContent
from wallet_service.cards.program_cache import LoadedProgram, ProgramCache
from wallet_service.cards.template import Template
from wallet_service.delivery.queues import Tools
from wallet_service.storage.tables import Card, GoogleClass, GoogleObject
from wallet_service.wallets.card_views import card_view, program_view
from wallet_service.wallets.google.audit import Audit, Report
from wallet_service.wallets.google.channel import ClassAddress, GoogleChannel
from wallet_service.wallets.google.content.kinds import KINDS
from wallet_service.wallets.google.content.schema import Body
from wallet_service.wallets.protocol import CardView


def audit_of(
    tools: Tools,
    channel: GoogleChannel,
    program_id: str,
    *,
    put_back: bool,
    now: datetime,
    stopping: Callable[[], bool] = lambda: False,
) -> Report:
    """Audit every class of a programme; ends early when `stopping`.

    Raises:
        Unreachable: Google did not answer.
    """

    def wanted(db: Session, rows: Sequence[GoogleObject]) -> Mapping[str, Body]:
        cards = {card.id: card for card in db.scalars(select(Card).where(Card.id.in_([row.card_id for row in rows])))}
        views = (_view(db, tools.program_cache, cards[row.card_id], row, tools.settings.public_url) for row in rows)
        return {view.google_object_id or "": channel.object_body(view) for view in views}

    with tools.sessions() as db:
        found = db.execute(select(GoogleClass.kind, GoogleClass.class_id).where(GoogleClass.program_id == program_id))
        classes = [ClassAddress(KINDS[kind], class_id) for kind, class_id in found]
    audit = Audit(channel.transport, tools.sessions, program_id, wanted, put_back, stopping)
    return audit.run(classes, now=now)


def class_cards(db: Session, program_cache: ProgramCache, program_id: str, *, now: datetime) -> list[CardView]:
    """One nameless card for each class of the programme in its designs as they are seen now, also those of linked
    passes: what decides about a class, and no more.

    A design whose tier is on the class has one for each tier that Google knows already; the others come with their
    first card.
    """
    program = program_cache.program(db, program_id)
    return [card for template in program.templates(now) for card in _class_cards_of(db, program, template)]


def _class_cards_of(db: Session, program: LoadedProgram, template: Template) -> list[CardView]:
    program_id, locale = program.program_id, program.document.locales[0]
    tier = next((spec for spec in template.document.fields if spec.google == "tier"), None)
    if tier is None:
        variants = [""]
    else:
        mine = (GoogleClass.program_id == program_id, GoogleClass.variant != "")
        variants = list(db.scalars(select(GoogleClass.variant).where(*mine).order_by(GoogleClass.variant)))
    return [
        CardView(
            program=program_view(program.document),
            template=template,
            content=_content(template, tier.id if tier is not None else "", variant, locale),
            serial_number="",
            auth_token="",
            card_link="",
            version=0,
        )
        for variant in variants
    ]


def sample_cards(
    db: Session, program_cache: ProgramCache, program_id: str, public_url: str, *, most: int
) -> list[CardView]:
    """So many cards that are on Google, at random."""
    rows = db.execute(
        select(Card, GoogleObject)
        .join(GoogleObject, GoogleObject.card_id == Card.id)
        .where(Card.program_id == program_id, GoogleObject.told_digest.is_not(None))
        .order_by(func.random())
        .limit(most)
    )
    return [_view(db, program_cache, card, row, public_url) for card, row in rows]


def _view(db: Session, program_cache: ProgramCache, card: Card, row: GoogleObject, public_url: str) -> CardView:
    return card_view(db, program_cache, card, public_url=public_url, google_object_id=row.object_id)


def _content(template: Template, tier: str, variant: str, locale: str) -> CardContent:
    field = FieldContent(id=tier, kind="text", label="", value=variant, text=variant)
    return CardContent(
        locale=template.locale_for(locale, ""), template_digest=template.digest, fields=(field,) if tier else ()
    )
