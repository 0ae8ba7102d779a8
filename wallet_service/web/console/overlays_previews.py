"""Pictures of a sample member's card with an overlay on it: iPhone and Android, drawn as the offers' are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from wallet_service.cards.composing import Composer
from wallet_service.cards.facts import ProgramFacts
from wallet_service.cards.overlays import overlaid_archive
from wallet_service.cards.samples import sample_facts
from wallet_service.cards.template import ImageName, Template
from wallet_service.cards.template_folder import template_from_archive
from wallet_service.documents.overlays import OverlayDocument
from wallet_service.errors import Invalid, SettingsError
from wallet_service.offers.places import Plan
from wallet_service.programs.overlays import document_of, images_of, version_beneath
from wallet_service.storage.tables import Overlay, Program, TemplateVersion
from wallet_service.wallets.card_views import program_view
from wallet_service.wallets.protocol import CardView
from wallet_service.web.console.offers_previews import NO_TYPEFACE, Pictures, drawn
from wallet_service.web.console.visit import program, session
from wallet_service.web.locale import lazy

_NOT_YET = lazy("This cannot be drawn. Correct the colours and texts first.")
_NOWHERE = Plan(places=(), radius_m=None, offer=None, favourite_store=None, valid_until=None)


def stored_pictures(known: Overlay, design: Template, language: str, *, now: datetime) -> Pictures:
    """Draw an overlay as it is stored."""
    return pictures_with(document_of(known), images_of(session(), known.id), design, language, now=now)


def pictures_with(
    document: OverlayDocument, images: Mapping[ImageName, bytes], design: Template, language: str, *, now: datetime
) -> Pictures:
    """Draw a design with an overlay on it.

    Args:
        design: what lies beneath, one of the programme's.
        language: the sample member's; the programme's first where the design has no words in it.
    """
    row = session().get_one(Program, program().program_id)
    at = now.replace(second=0, microsecond=0)
    try:
        beneath = session().get_one(TemplateVersion, version_beneath(row, design.template_id))
        template = template_from_archive(beneath.template_id, overlaid_archive(beneath.archive, document, images))
        return drawn(_card(template, language, at), _NOWHERE, (), at)
    except Invalid:
        return Pictures(note=_NOT_YET)
    except SettingsError:
        return Pictures(note=NO_TYPEFACE)


def empty_document(now: datetime) -> OverlayDocument:
    """An overlay that changes nothing."""
    return OverlayDocument(title="–", starts_at=now, ends_at=now + timedelta(days=1))


def _card(template: Template, language: str, at: datetime) -> CardView:
    document = program().document
    locale = template.locale_for(language, document.locales[0])
    facts = sample_facts(locale=locale, now=at).model_copy(
        update={"program": ProgramFacts(name=document.name, brand=document.brand, time_zone=document.time_zone)}
    )
    view = program_view(document)
    return CardView(
        program=view,
        template=template,
        content=Composer(template).compose(facts, locale=locale, now=at),
        serial_number=facts.card.serial_number,
        auth_token="0" * 32,
        card_link=facts.card.link,
        version=1,
        google_object_id=f"{view.issuer_id}.sample" if view.issuer_id is not None else None,
    )
