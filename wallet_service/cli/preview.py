"""Pictures of a design on both phones, with a fictitious member; no account, no network.

What is drawn went the whole way: composed, made into a pass and an object by the code that does it in production, then
drawn by the simulated phones.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time
from zoneinfo import ZoneInfo

from wallet_service.cards.composing import Composer, notifying_field
from wallet_service.cards.content import CardContent
from wallet_service.cards.facts import Facts
from wallet_service.cards.samples import SAMPLE_PLACES, sample_facts
from wallet_service.cards.template import ImageName, Template
from wallet_service.previews import draw_android, draw_iphone, draw_lock_screen, draw_together
from wallet_service.previews.field_text import Place
from wallet_service.simulators.apple_pki import make_chain
from wallet_service.simulators.phones.screen import notification_for
from wallet_service.simulators.phones.wallet_rules import open_bundle
from wallet_service.values import Money
from wallet_service.wallets.apple.certificates import identity_from_files
from wallet_service.wallets.apple.passes.archive import PassBuilder
from wallet_service.wallets.google.content import schema
from wallet_service.wallets.google.content.bodies import (
    class_body,
    class_id_of,
    new_object_id,
    object_body,
)
from wallet_service.wallets.google.content.kinds import kind_of
from wallet_service.wallets.google.content.schema import Body
from wallet_service.wallets.protocol import CardView, ProgramView

_ADDRESS = "https://cards.example.com"
_TIME_ZONE = "Europe/Paris"
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
    passes, _ = _pass_builder(now)
    for locale in sorted(template.words):
        card = _sample_card(template, sample_facts(locale=locale, now=now), locale, now)
        phone = locale.replace("-", "_")
        bundle = passes.build(card, at=now)
        name = f"{template.template_id}.{locale}"
        yield f"{name}.iphone.png", draw_iphone(bundle, locale=phone, now=now)
        if "poster" in template.document.apple:
            yield f"{name}.iphone-poster.png", draw_iphone(bundle, locale=phone, face="poster", now=now)
        for suffix, dark in (("", False), ("-dark", True)):
            back = draw_iphone(bundle, locale=phone, face="back", dark=dark, now=now)
            yield f"{name}.iphone-back{suffix}.png", back
            lock_screen = draw_lock_screen(bundle, text=SAMPLE_PLACES[0].text, locale=phone, dark=dark, now=now)
            yield f"{name}.iphone-lock{suffix}.png", lock_screen
        yield f"{template.template_id}.{locale}.android.png", _android(card, phone)


def draw_brochure(template: Template, *, now: datetime) -> Iterator[tuple[str, bytes]]:
    """Draw one picture for each language: the iPhone's card, its lock screen after a change, and the Android card.

    The phones' clocks say 9:41 of the day of `now`, as in the adverts.

    Yields, Raises:
        As `draw_faces`.
    """
    zone = ZoneInfo(_TIME_ZONE)
    now = datetime.combine(now.astimezone(zone), time(9, 41), zone)
    passes, root_pem = _pass_builder(now)
    for locale in sorted(template.words):
        phone = locale.replace("-", "_")
        facts = sample_facts(locale=locale, now=now)
        before = _sample_card(template, _earlier(facts), locale, now)
        card = _sample_card(template, facts, locale, now, before=before.content)
        bundle = passes.build(card, at=now)
        old, new = (open_bundle(one, roots_pem=root_pem) for one in (passes.build(before, at=now), bundle))
        told = notification_for(old, new, Place(phone, _TIME_ZONE, now))
        pictures = (
            draw_iphone(bundle, locale=phone, now=now),
            draw_lock_screen(bundle, text=told.text if told else None, locale=phone, now=now),
            _android(card, phone),
        )
        yield f"{template.template_id}.{locale}.png", draw_together(pictures)


def _earlier(facts: Facts) -> Facts:
    """The sample member before the last purchase."""
    balance = {"points": 1170, "stamps": 6, "cashback": Money(amount=1540, currency="EUR")}
    return facts.model_copy(update={"balance": facts.balance.model_copy(update=balance)})


def _pass_builder(now: datetime) -> tuple[PassBuilder, bytes]:
    """A builder with a throwaway certificate, and the root that it hangs on, PEM."""
    chain = make_chain(_PASS_TYPE, _TEAM, _PROGRAM.organization_name, now)
    identity = identity_from_files(chain.leaf_pem, chain.key_pem, intermediate=chain.intermediate_pem)
    return PassBuilder(identity, web_service_url=f"{_ADDRESS}/apple"), chain.root_pem


def _android(card: CardView, phone: str) -> bytes:
    made, item = _google_bodies(card)
    return draw_android(item, made, locale=phone, fetch_image=lambda url: _image_at(card.template, url))


def _sample_card(
    template: Template, facts: Facts, locale: str, now: datetime, *, before: CardContent | None = None
) -> CardView:
    content = Composer(template).compose(facts, locale=locale, places=SAMPLE_PLACES, now=now)
    notifying = notifying_field(template, before, content, announces_offer=True)
    content = content.model_copy(update={"notify_field": notifying})
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
