"""What a programme's new document contradicts of what is already issued: on phones, at Google, in the certificate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from wallet_service.cards.template import Template
from wallet_service.documents.programs import ProgramDocument
from wallet_service.storage.tables import Card, GoogleObject
from wallet_service.wallets.google.content.kinds import kind_of


def contradictions(
    db: Session, before: ProgramDocument, after: ProgramDocument, *, worn: Template, wanted: Template
) -> Iterator[str]:
    """In words, each with the number of cards concerned and what would happen to them.

    Args:
        worn, wanted: the design before and after.
    """
    if cards := _issued(db, before.id):
        yield from _on_apple(before, after, cards)
    if objects := _at_google(db, before.id):
        yield from _on_google(before, after, objects)
        own = _at_google(db, before.id, Card.linked_to.is_(None))
        if own and after.google is not None and kind_of(worn) is not kind_of(wanted):
            yield (
                f"template: its style makes {kind_of(wanted).name} objects at Google, and {own} cards are "
                f"{kind_of(worn).name} objects there, which stay as they are for ever"
            )


def contradictions_of_linked(
    db: Session, after: ProgramDocument, renewed: Iterable[tuple[Template, Template]]
) -> Iterator[str]:
    """The same of the designs of linked passes. `renewed`: each design that has a new version, before and after."""
    for worn, wanted in renewed:
        if after.google is None or kind_of(worn) is kind_of(wanted):
            continue
        if objects := _at_google(db, after.id, Card.linked_template == worn.template_id):
            yield (
                f"linked_templates: the style of {worn.template_id} makes {kind_of(wanted).name} objects at Google, "
                f"and {objects} passes are {kind_of(worn).name} objects there, which stay as they are for ever"
            )


def _on_apple(before: ProgramDocument, after: ProgramDocument, cards: int) -> Iterator[str]:
    if before.apple is None:
        return
    if after.apple is None:
        yield f"apple: {cards} cards are issued; without this table those on iPhones are never updated again"
    elif after.apple.team_id != before.apple.team_id:
        yield (
            f"apple.team_id is {before.apple.team_id} on {cards} cards already issued; phones refuse an update from "
            f"another team, and until a certificate of {after.apple.team_id} is imported nothing can be signed"
        )


def _on_google(before: ProgramDocument, after: ProgramDocument, objects: int) -> Iterator[str]:
    if before.google is None:
        return
    if after.google is None:
        yield f"google: {objects} cards are at Google; without this table they are never updated again"
        return
    if after.google.issuer_id != before.google.issuer_id:
        yield (
            f"google.issuer_id is {before.google.issuer_id} in the records of {objects} cards at Google, for ever; "
            "another issuer may not write them, and each would be refused"
        )


def rename_objects_not_at_google(db: Session, document: ProgramDocument) -> int:
    """Give objects that Google never had ids of the issuer that the programme has now; returns how many.

    They were made under a setting that is corrected; left as they are, each would be refused.
    """
    if document.google is None:
        return 0
    start = f"{document.google.issuer_id}.{document.google.id_prefix}"
    return len(db.scalars(_RENAME, {"program": document.id, "start": start, "length": len(start)}).all())


_RENAME = text("""
UPDATE google_objects o SET object_id = :start || replace(CAST(gen_random_uuid() AS text), '-', '')
FROM deliveries d
WHERE d.google_object_id = o.id AND d.program_id = :program AND o.told_digest IS NULL AND o.saved_at IS NULL
  AND left(o.object_id, :length) <> :start
RETURNING o.id
""")


def _issued(db: Session, program_id: str) -> int:
    return db.scalar(select(func.count()).select_from(Card).where(Card.program_id == program_id)) or 0


def _at_google(db: Session, program_id: str, *which: ColumnElement[bool]) -> int:
    mine = select(func.count()).select_from(GoogleObject).join(Card, Card.id == GoogleObject.card_id)
    return db.scalar(mine.where(Card.program_id == program_id, GoogleObject.told_digest.is_not(None), *which)) or 0
