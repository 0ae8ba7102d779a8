"""The style guide: every macro of `web/templates/parts` with plausible values, in both layouts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask, Response, redirect, request
from jinja2 import ChoiceLoader, FileSystemLoader
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.documents.offers import OfferDocument
from wallet_service.documents.stores import StoreDocument
from wallet_service.errors import Fault, Invalid
from wallet_service.parsing import parse
from wallet_service.web.assets import STATIC, read_assets
from wallet_service.web.form_values import nest
from wallet_service.web.forms import Form
from wallet_service.web.frame import Entry, Frame
from wallet_service.web.headers import Audience
from wallet_service.web.locale import Reader
from wallet_service.web.pages import (
    PageSettings,
    current_reader,
    fragment,
    install_pages,
    page,
    read_as,
    reader_of_request,
)

NOW = datetime(2026, 11, 26, 13, 2, tzinfo=UTC)
_TEMPLATES = Path(__file__).parent / "templates"
_FRENCH = Reader("fr", ZoneInfo("Europe/Paris"))


@dataclass(frozen=True)
class Offer:
    """A row of the list."""

    title: str
    stores: str
    starts_at: datetime
    state: tuple[str, str, str]
    aimed: int
    proven: int | None


@dataclass(frozen=True)
class Step:
    """An entry of the timeline."""

    at: datetime
    title: str
    tone: str = ""
    text: str = ""
    steps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A drawing of a card."""

    address: str
    text: str
    caption: str
    width: int = 320
    height: int = 200


_OFFERS = (
    Offer("Une étole offerte dès 150 €", "Lyon Bellecour", NOW, ("En cours", "full", "good"), 1240, 1187),
    Offer(
        "Soirée privée",
        "Paris Marais, Lyon Bellecour",
        NOW + timedelta(days=2),
        ("Programmée", "quarter", ""),
        812,
        None,
    ),
    Offer("Ventes d’hiver", "12 magasins", NOW - timedelta(days=31), ("Terminée", "square", ""), 48210, 46033),
    Offer("Atelier parfum", "Bordeaux", NOW - timedelta(days=3), ("Annulée", "cross", "bad"), 96, 0),
)
_STEPS = (
    Step(
        NOW, "Achat de 79,90 € · +79 points", "good", "", ("reçu", "préparé 40 ms", "annoncé 41 ms", "récupéré 65 ms")
    ),
    Step(
        NOW - timedelta(hours=3),
        "Offre « Soirée privée »",
        "",
        "L’affichage par le téléphone n’est pas communiqué par Google.",
    ),
    Step(NOW - timedelta(days=1), "Refusé par Google", "bad", "Le compte de service n’a pas accès à cet émetteur."),
)


def create_guide() -> Flask:
    """The app: `/console`, `/offer`, `/store`, `/confirm`, `/public`; `?lang` chooses the language."""
    app = Flask(__name__, static_folder=None)
    loaders = [
        FileSystemLoader(_TEMPLATES),
        FileSystemLoader(STATIC.parent / "templates"),
    ]
    app.jinja_loader = ChoiceLoader(loaders)
    install_pages(app, PageSettings(assets=read_assets(), https=False))
    app.jinja_env.globals["w"] = w
    app.before_request(lambda: read_as(reader_of_request(ZoneInfo("Europe/Paris"))))
    app.add_url_rule("/", view_func=lambda: redirect("/console"))
    app.add_url_rule("/console", view_func=_console)
    app.add_url_rule("/console/results", view_func=_results)
    app.add_url_rule("/offer", view_func=_offer, methods=["GET", "POST"])
    app.add_url_rule("/store", view_func=_store)
    app.add_url_rule("/confirm", view_func=_confirm)
    app.add_url_rule("/public", view_func=_public, methods=["GET", "POST"])
    app.add_url_rule("/picture.svg", view_func=_picture)
    return app


def w(english: str, french: str, **values: object) -> str:
    """Words of the guide alone, in the reader's language: they are no entries of the product's catalogue."""
    words = french if current_reader().language == "fr" else english
    return Markup(words) % values if values else words


def _frame(current: str, *trail: tuple[str, str]) -> Frame:
    entries = (
        (w("Home", "Accueil"), "home", 0),
        (w("Offers", "Offres"), "offer", 3),
        (w("Stores", "Magasins"), "store", 0),
        (w("Members", "Membres"), "members", 0),
        (w("Channels", "Canaux"), "channel", 0),
        (w("Figures", "Chiffres"), "figures", 0),
        (w("Settings", "Réglages"), "settings", 0),
    )
    addresses = {"home": "/console", "offer": "/offer", "store": "/store"}
    return Frame(
        program="Cercle Lumière",
        programs=(Entry("Cercle Lumière", "/console"), Entry("Maison Noé", "/console")),
        navigation=tuple(Entry(label, addresses.get(icon, f"/{icon}"), icon, count) for label, icon, count in entries),
        current=current,
        person="Léa Martin",
        account_address="/account",
        sign_out_address="/sign-out",
        search_address="/members/search",
        trail=trail,
    )


def _values() -> dict[str, Any]:
    pictures = (
        Picture("/picture.svg", "Carte de Claire : 1 240 points, statut Or", "iPhone"),
        Picture("/picture.svg", "Carte de Claire sur Android : 1 240 points", "Android"),
    )
    return {"offers": _OFFERS, "steps": _STEPS, "pictures": pictures, "now": NOW}


def _console() -> Response:
    return page("guide/console.html", Audience.CONSOLE, frame=_frame("/console"), **_filtered())


def _results() -> Response:
    values = _filtered()
    said = w("%(count)s offers", "%(count)s offres", count=len(values["offers"]))
    return fragment("guide/console.html", "results", Audience.CONSOLE, frame=_frame("/console"), said=said, **values)


def _filtered() -> dict[str, Any]:
    wanted = request.args.get("q", "")
    offers = [offer for offer in _OFFERS if wanted.casefold() in offer.title.casefold()]
    return {**_values(), "offers": offers, "q": wanted}


def _offer() -> AnyResponse:
    labels = {
        "title.fr": w("Title", "Titre"),
        "proximity_text.fr": w("Lock screen text", "Texte d’écran verrouillé"),
        "title.en": w("Title", "Titre"),
        "proximity_text.en": w("Lock screen text", "Texte d’écran verrouillé"),
        "store_ids": w("Stores", "Magasins"),
        "starts_at": w("From", "Du"),
        "ends_at": w("Until", "Au"),
        "uses_total": w("Uses in total", "Utilisations au total"),
        "notify": w("Notify cardholders", "Notifier les porteurs"),
    }
    raw, faults, status = {}, [], HTTPStatus.OK
    if request.method == "POST":
        raw = request.form.to_dict(flat=False)
        try:
            parse(OfferDocument, nest(OfferDocument, {"code": ["NOEL"], **raw}, current_reader()))
        except Invalid as error:
            faults, status = list(error.faults), HTTPStatus.UNPROCESSABLE_ENTITY
        else:
            return redirect("/console", code=HTTPStatus.SEE_OTHER)
    form = Form(OfferDocument, raw, faults, current_reader(), labels)
    frame = _frame("/offer", (w("Offers", "Offres"), "/offer"))
    return page(
        "guide/offer.html", Audience.EDITOR, status=status, frame=frame, form=form, refused=form.is_refused, **_values()
    )


def _store() -> Response:
    labels = {"name": w("Name", "Nom"), "latitude": w("Latitude", "Latitude"), "longitude": w("Longitude", "Longitude")}
    raw = {"name": [""], "latitude": ["2,35"], "longitude": ["48,85"]}
    faults = [
        Fault("name", "", "missing"),
        Fault("latitude", "", "swapped"),
        Fault("", "", "conflict"),
    ]
    form = Form(StoreDocument, raw, faults, current_reader(), labels)
    return page("guide/store.html", Audience.CONSOLE, frame=_frame("/store"), form=form, refused=form.is_refused)


def _confirm() -> Response:
    return page("guide/confirm.html", Audience.CONSOLE, frame=_frame("/offer", (w("Offers", "Offres"), "/offer")))


def _public() -> Response:
    return page("guide/public.html", Audience.PUBLIC)


def _picture() -> Response:
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 200">'
        '<rect width="320" height="200" rx="14" fill="#1f2340"/><circle cx="42" cy="40" r="18" fill="#ecc680"/>'
        '<path d="M24 150h120M24 172h70" stroke="#ecc680" stroke-width="6"/></svg>'
    )
    return Response(drawn, mimetype="image/svg+xml")
