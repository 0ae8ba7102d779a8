"""Pictures of an offer on a sample member's card: iPhone card, iPhone lock screen at the shop, Android card.

What is drawn is placed, composed and made into a pass and an object by the code that does it in production.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from cachetools import LRUCache, cached
from PIL import Image

from wallet_service.cards.facts import ProgramFacts
from wallet_service.cards.samples import sample_facts
from wallet_service.cards.template import ImageName, Template
from wallet_service.documents.types import texts_of
from wallet_service.errors import Invalid, SettingsError
from wallet_service.offers.choosing_places import MOST_PLACES
from wallet_service.offers.places import LiveOffer, LiveStore, MemberPlace, Plan, ProgramPlaces
from wallet_service.offers.targets import Targeting
from wallet_service.offers.windows import instant_of
from wallet_service.previews import draw_android, draw_iphone, draw_lock_screen
from wallet_service.previews.android_card import AndroidCard, card_of
from wallet_service.wallets.apple.passes.archive import archive, artwork_of, entry
from wallet_service.wallets.apple.passes.pass_json import pass_json
from wallet_service.wallets.card_views import program_view
from wallet_service.wallets.google.content.bodies import class_body, class_id_of, object_body
from wallet_service.wallets.protocol import CardView
from wallet_service.web.console.offers_fields import stores_in
from wallet_service.web.console.visit import program
from wallet_service.web.locale import Lazy, lazy
from wallet_service.web.pages import current_reader

_SCALE = 1.5
_LONGEST = 500
_SAMPLE_SPAN = timedelta(days=7)
_ANDROID_FRONT = frozenset(
    {"loyaltyPoints", "secondaryLoyaltyPoints", "rewardsTier", "secondaryRewardsTier", "accountName", "accountId"}
)
"""What Google Wallet shows on the card itself; texts are in its details."""
_ADDRESS = "https://cards.example.com"


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawing inside the page, with what it shows in words."""

    address: str
    text: str
    caption: str
    kind: str


@dataclass(frozen=True)
class Pictures:
    """Drawings, and what is to be said of them."""

    drawn: tuple[Picture, ...] = ()
    note: Lazy | None = None


NOTHING_DRAWN = Pictures()
NOT_YET = lazy("This cannot be drawn yet. Fill in title and text.")
_NO_TITLE = lazy("This card’s design does not show the offer’s title: it appears on the lock screen alone.")
NO_TYPEFACE = lazy("Pictures cannot be drawn here: their typeface is not installed. Ask who operates the service.")


def pictures_for(fields: Mapping[str, Any], locales: Sequence[str], language: str, *, now: datetime) -> Pictures:
    """Draw what is typed, right or wrong.

    Args:
        fields: as `offers_fields.fields_of` gives them.
        language: the language of the sample member; the first of `locales` where it is none of them.
    """
    template = program().composer.template
    wanted = language if language in locales else locales[0]
    locale = template.locale_for(wanted, program().document.locales[0])
    stores = _stores(fields)
    offer = _offer(fields, stores, now)
    at = max(now, offer.starts_at).replace(second=0, microsecond=0)
    try:
        plan = _plan(offer, stores, wanted, at)
        card = _card(template, plan, locale, at)
        return drawn(card, plan, stores, at)
    except Invalid:
        return Pictures(note=NOT_YET)
    except SettingsError:
        return Pictures(note=NO_TYPEFACE)


def drawn(card: CardView, plan: Plan, stores: Sequence[LiveStore], at: datetime) -> Pictures:
    """Draw a card, and the lock screen at its first place.

    Raises:
        Invalid: it cannot be made into a pass or an object.
        SettingsError: the typeface is not installed.
    """
    reader, phone = current_reader(), card.content.locale.replace("-", "_")
    _, pictures = reader.gettext, list[Picture]()
    zone = stores[0].time_zone if stores else program().document.time_zone
    if card.program.pass_type_id is not None:
        bundle, design = _bundle(card), f"{card.program.organization_name} {card.template.digest}"
        words = _("iPhone card: %(fields)s", fields=_on_iphone(card))
        pictures.append(_picture("iphone", _iphone(bundle, phone, zone, at), words))
        if plan.places and (text := plan.places[0].text):
            words = _(
                "iPhone lock screen near %(store)s: %(brand)s – %(text)s",
                store=stores[0].name,
                brand=card.program.organization_name,
                text=text,
            )
            pictures.append(_picture("lock", _lock_screen(design, bundle, text, phone, zone, at), words))
    if card.program.issuer_id is not None:
        item, made = _google_bodies(card)
        shown = _on_android(card_of(item, made, phone))
        png = _android(orjson.dumps(item), orjson.dumps(made), phone, card.template)
        pictures.append(_picture("android", png, _("Android card: %(fields)s", fields=shown)))
    title = plan.offer.title if plan.offer is not None else ""
    is_shown = any(title in (field.text or "") for field in card.content.fields)
    return Pictures(tuple(pictures), None if is_shown else _NO_TITLE)


def _picture(kind: str, png: bytes, text: str) -> Picture:
    captions = {
        "iphone": lazy("iPhone"),
        "lock": lazy("iPhone, locked, at the store"),
        "android": lazy("Android"),
    }
    address = "data:image/webp;base64," + base64.b64encode(png).decode("ascii")
    return Picture(address=address, text=text, caption=captions[kind].to(current_reader()), kind=kind)


def _on_iphone(card: CardView) -> str:
    """What stands on the front, then what is behind it."""
    behind = {spec.id for spec in card.template.document.fields if spec.apple in ("back", "none")}
    fields = [(field.id in behind, f"{field.label} {field.text}".strip()) for field in card.content.fields]
    return _front_and_back(fields)


def _on_android(card: AndroidCard) -> str:
    fields = [(name not in _ANDROID_FRONT, f"{each.label} {each.text}".strip()) for name, each in card.fields.items()]
    return _front_and_back(fields)


def _front_and_back(fields: Sequence[tuple[bool, str]]) -> str:
    front, back = (", ".join(text for is_back, text in fields if is_back is side) for side in (False, True))
    if not back:
        return front
    return current_reader().gettext("%(front)s; in the details: %(back)s", front=front, back=back)


def _stores(fields: Mapping[str, Any]) -> list[LiveStore]:
    """The offer's first stores; where none is chosen, the programme's."""
    known = program().places.stores
    named = [str(each) for each in fields.get("store_ids") or () if each in known]
    ids = named or [each for each in stores_in((), fields.get("groups") or ()) if each in known]
    return [known[each] for each in ids[:MOST_PLACES]]


def _offer(fields: Mapping[str, Any], stores: Sequence[LiveStore], now: datetime) -> LiveOffer:
    zone = stores[0].time_zone if stores else program().document.time_zone
    starts_at = (_instant(fields, "starts_at", zone) or now).replace(second=0, microsecond=0)
    ends_at = _instant(fields, "ends_at", zone)
    if ends_at is None or ends_at <= max(starts_at, now):
        ends_at = max(starts_at, now) + _SAMPLE_SPAN
    title = _texts(fields, "title")
    return LiveOffer(
        code=str(fields.get("code") or "?"),
        title=title or {"": current_reader().gettext("Title of the offer")},
        text=_texts(fields, "text"),
        proximity_text=_texts(fields, "proximity_text"),
        store_ids=frozenset(),
        groups=frozenset(),
        starts_at=starts_at,
        ends_at=ends_at,
        targeting=Targeting(),
        radius_m=None,
        priority=0,
    )


def _texts(fields: Mapping[str, Any], name: str) -> dict[str, str]:
    typed = fields.get(name)
    texts = texts_of(typed, program().document.locales[0]) if isinstance(typed, str | dict) else {}
    return {locale: text[:_LONGEST] for locale, text in texts.items() if isinstance(text, str) and text.strip()}


def _instant(fields: Mapping[str, Any], name: str, zone: str) -> datetime | None:
    local, stored = fields.get(f"{name}_local"), fields.get(name)
    if isinstance(local, datetime):
        try:
            return instant_of(local, zone)
        except (Invalid, OverflowError):
            return None
    return datetime.fromisoformat(stored).astimezone(UTC) if isinstance(stored, str) else None


def _plan(offer: LiveOffer, stores: Sequence[LiveStore], locale: str, at: datetime) -> Plan:
    """What goes on the card of somebody who lives at the first store."""
    here = stores[0] if stores else None
    places = ProgramPlaces(revision=0, stores={each.store_id: each for each in stores}, offers=(offer,))
    member = MemberPlace(
        tier=None,
        favourite_store_id=here.store_id if here is not None else None,
        home=here.point if here is not None else None,
    )
    hours = program().composer.shows_hours
    return places.plan_for(member, locale=locale, now=at, hours=hours)


def _card(template: Template, plan: Plan, locale: str, at: datetime) -> CardView:
    document, sample = program().document, sample_facts(locale=locale, now=at)
    facts = sample.model_copy(
        update={
            "offer": plan.offer,
            "store": plan.favourite_store or sample.store,
            "program": ProgramFacts(name=document.name, brand=document.brand, time_zone=document.time_zone),
        }
    )
    content = program().composer.compose(
        facts, locale=locale, places=plan.places, radius_m=plan.radius_m, now=at.astimezone(ZoneInfo("UTC"))
    )
    view = program_view(document)
    return CardView(
        program=view,
        template=template,
        content=content,
        serial_number=facts.card.serial_number,
        auth_token="0" * 32,
        card_link=facts.card.link,
        version=1,
        google_object_id=f"{view.issuer_id}.sample" if view.issuer_id is not None else None,
    )


def _bundle(card: CardView) -> bytes:
    """A pass for drawing alone: nobody signed it, and no phone would take it."""
    document = orjson.dumps(pass_json(card, web_service_url=f"{_ADDRESS}/apple"))
    images = artwork_of(card.template, card.content.stamps, card.content.locale)
    return archive((entry("pass.json", document),), images)


def _google_bodies(card: CardView) -> tuple[dict[str, Any], dict[str, Any]]:
    class_id = class_id_of(card.program, card.template.template_id)
    made = class_body(
        card.program, card.template, class_id=class_id, image_url=_image_url, callback_url=f"{_ADDRESS}/google"
    )
    item = object_body(card, class_id=class_id, image_url=_image_url)
    return {**item, "id": class_id}, made


def _image_url(name: ImageName) -> str:
    return f"{_ADDRESS}/{name}.png"


_KEPT = 64


@lru_cache(maxsize=_KEPT)
def _iphone(bundle: bytes, phone: str, zone: str, at: datetime) -> bytes:
    return _as_webp(draw_iphone(bundle, locale=phone, scale=_SCALE, time_zone=zone, now=at))


@cached(LRUCache[tuple[object, ...], bytes](_KEPT), key=lambda design, _bundle, *rest: (design, *rest), lock=Lock())
def _lock_screen(design: str, bundle: bytes, text: str, phone: str, zone: str, at: datetime) -> bytes:
    """Of the pass it shows the icon and the name alone, so that another title needs no other picture."""
    return _as_webp(draw_lock_screen(bundle, text=text, locale=phone, scale=_SCALE, time_zone=zone, now=at))


@cached(LRUCache[tuple[object, ...], bytes](_KEPT), key=lambda *key: (*key[:3], key[3].digest), lock=Lock())
def _android(item: bytes, made: bytes, phone: str, template: Template) -> bytes:
    drawn = draw_android(
        orjson.loads(item),
        orjson.loads(made),
        locale=phone,
        scale=_SCALE,
        fetch_image=lambda url: next((png for name, png in template.images.items() if _image_url(name) == url), None),
    )
    return _as_webp(drawn)


def _as_webp(png: bytes) -> bytes:
    """A fifth of the size, for pictures travel inside the page with every change."""
    smaller = io.BytesIO()
    Image.open(io.BytesIO(png)).save(smaller, "WEBP", quality=85, method=2)
    return smaller.getvalue()
