"""From stored rows to the frozen values that wallet platforms render."""

from __future__ import annotations

from sqlalchemy.orm import Session

from wallet_service.cards.content import CardContent
from wallet_service.cards.program_cache import LoadedProgram, ProgramCache
from wallet_service.documents.programs import ProgramDocument
from wallet_service.storage.tables import Card
from wallet_service.wallets.protocol import CardView, ProgramView


def program_view(document: ProgramDocument) -> ProgramView:
    """A programme as wallet platforms know it."""
    apple, google = document.apple, document.google
    return ProgramView(
        program_id=document.id,
        name=document.name,
        brand=document.brand,
        locale=document.locales[0],
        organization_name=apple.organization_name if apple else document.brand,
        pass_type_id=apple.pass_type_id if apple else None,
        team_id=apple.team_id if apple else None,
        issuer_id=google.issuer_id if google else None,
        nfc_key=apple.nfc_encryption_public_key if apple else None,
        sign_up=apple.sign_up if apple else False,
    )


def card_view(
    db: Session,
    program_cache: ProgramCache,
    card: Card,
    *,
    public_url: str,
    google_object_id: str | None = None,
    program: LoadedProgram | None = None,
) -> CardView:
    """The card as last published: the content that was announced, with the design that it was composed with.

    Who draws many cards of one programme gives it; otherwise it is looked up.
    """
    program = program or program_cache.program(db, card.program_id)
    return CardView(
        program=program_view(program.document),
        template=program_cache.template(db, card.template_version_id),
        content=CardContent.model_validate(card.content),
        serial_number=card.serial_number,
        auth_token=card.auth_token,
        card_link=f"{public_url}/c/{card.link_token}",
        version=card.version,
        google_object_id=google_object_id,
    )
