"""Pictures of a design on both phones, with a fictitious member; no account, no network.

What is drawn went the whole way: composed, made into a pass and an object by the code that does it in production, then
drawn by the simulated phones.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from wallet_service.cards.composing import Composer
from wallet_service.cards.samples import SAMPLE_PLACES, sample_facts
from wallet_service.cards.template import ImageName, Template
from wallet_service.simulators.apple_pki import make_chain
from wallet_service.simulators.phones.drawing import draw_android, draw_iphone
from wallet_service.wallets.apple.bundle import PassBuilder
from wallet_service.wallets.apple.certificates import identity_from_files
from wallet_service.wallets.google import schema
from wallet_service.wallets.google.calls import Body
from wallet_service.wallets.google.kinds import kind_of
from wallet_service.wallets.google.loyalty import (
    class_body,
    class_id_of,
    new_object_id,
    object_body,
)
from wallet_service.wallets.protocol import CardView, ProgramView

_ADDRESS = "https://cards.example.com"
_PASS_TYPE, _TEAM, _ISSUER = "pass.com.example.sample", "SAMPLE0001", "3388000000000000000"
_PROGRAM = ProgramView(
    program_id="sample",
    name="Cercle Lumière",
    brand="Maison Lumière",
    locale="fr",
    organization_name="Maison Lumière",
    pass_type_id=_PASS_TYPE,
    team_id=_TEAM,
    issuer_id=_ISSUER,
)


def draw_faces(template: Template, *, now: datetime) -> Iterator[tuple[str, bytes]]:
    """Draw both sides on an iPhone and the card on Android, in every language of the design.

    Yields:
        A file name without folder, and PNG bytes.

    Raises:
        Invalid: one of the platforms would refuse the card, with the path.
        SettingsError: the package with the pictures' typeface is not installed.
    """
    chain = make_chain(_PASS_TYPE, _TEAM, _PROGRAM.organization_name, now)
    identity = identity_from_files(chain.leaf_pem, chain.key_pem, intermediate=chain.intermediate_pem)
    passes = PassBuilder(identity, web_service_url=f"{_ADDRESS}/apple")
    for locale in sorted(template.words):
        card = _sample_card(template, locale, now)
        phone = locale.replace("-", "_")
        bundle = passes.build(card, at=now)
        yield f"{template.template_id}.{locale}.iphone.png", draw_iphone(bundle, locale=phone, now=now)
        yield (
            f"{template.template_id}.{locale}.iphone-back.png",
            draw_iphone(bundle, locale=phone, face="back", now=now),
        )
        made, item = _google_bodies(card)
        picture = draw_android(item, made, locale=phone, fetch_image=lambda url: _image_at(template, url))
        yield f"{template.template_id}.{locale}.android.png", picture


def _sample_card(template: Template, locale: str, now: datetime) -> CardView:
    facts = sample_facts(locale=locale, now=now)
    content = Composer(template).compose(facts, locale=locale, places=SAMPLE_PLACES, now=now)
    return CardView(
        program=_PROGRAM,
        template=template,
        content=content,
        serial_number=facts.card.serial_number,
        auth_token="0" * 32,
        card_link=facts.card.link,
        version=1,
        google_object_id=new_object_id(_ISSUER),
    )


def _google_bodies(card: CardView) -> tuple[Body, Body]:
    class_id = class_id_of(card.program, card.template.template_id)
    made = class_body(
        card.program, card.template, class_id=class_id, image_url=_image_url, callback_url=f"{_ADDRESS}/google/callback"
    )
    item = object_body(card, class_id=class_id, image_url=_image_url)
    kind = kind_of(card.template)
    schema.require_valid(kind.class_schema, made)
    schema.require_valid(kind.object_schema, item)
    return made, item


def _image_url(name: ImageName) -> str:
    return f"{_ADDRESS}/{name}.png"


def _image_at(template: Template, url: str) -> bytes | None:
    return next((png for name, png in template.images.items() if _image_url(name) == url), None)
