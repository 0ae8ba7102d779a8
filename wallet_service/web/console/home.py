"""Home: figures, the offers in progress, and what waits for somebody; each block for those who may see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import current_app, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from wallet_service.access.roles import Permission
from wallet_service.cards.program_cache import LoadedProgram
from wallet_service.delivery.overview import LATELY, MOST_COUNTED, Waiting, waiting_in
from wallet_service.delivery.stopped_channels import stopped_channels_of
from wallet_service.errors import WalletServiceError
from wallet_service.offers.places import LiveOffer, text_in
from wallet_service.programs.certificates import CertificateState, certificate_state
from wallet_service.storage.tables import Card, StoreImport
from wallet_service.web.console.gate import Console
from wallet_service.web.console.navigation import frame
from wallet_service.web.console.visit import actor, may, program, session
from wallet_service.web.context import now, services
from wallet_service.web.headers import Audience
from wallet_service.web.locale import Lazy, lazy, nlazy
from wallet_service.web.pages import current_reader, page

_HERE = "console.home_home"
_MOST_OFFERS = 20
_IMPORTS_FOR = timedelta(days=30)
"""For so long an import with refused rows waits for somebody."""
_PLATFORMS = {"apple": "Apple Wallet", "google": "Google Wallet"}


@dataclass(frozen=True)
class ToDo:
    """One thing that waits for somebody. `tone`: warn, or bad where cards suffer already."""

    words: Lazy
    tone: str = "warn"
    address: str | None = None


@dataclass(frozen=True)
class Step:
    """One step of the first run; `done` is a fact and nobody's click."""

    words: Lazy
    done: bool
    address: str | None = None


@dataclass(frozen=True)
class ShownOffer:
    """An offer in progress, as a list shows it."""

    title: str
    stores: tuple[str, ...]
    store_count: int
    ends_at: datetime
    address: str | None


def add_pages(console: Console) -> None:
    """Register the pages."""
    console.page("/", home, needs=Permission.STORES_READ)


def home() -> AnyResponse:
    """The first page after signing in."""
    db, here, at = session(), program(), now()
    sees_all = actor().store_ids is None
    runs_it = may(Permission.CERTIFICATES_WRITE)
    shows_figures = may(Permission.FIGURES_READ) and sees_all
    certificate, unreadable = _certificate(db, here.program_id, at)
    waiting = waiting_in(db, here.program_id, now=at) if may(Permission.DELIVERIES_READ) else ()
    steps = _steps(db, here, has_certificate=certificate is not None) if may(Permission.SETTINGS_READ) else ()
    return page(
        "console/home/home.html",
        Audience.CONSOLE,
        frame=frame(_HERE),
        shows_figures=shows_figures,
        figures=services().installed.of(here.program_id) if shows_figures else None,
        lately_days=LATELY.days,
        offers=_offers(here, at) if may(Permission.OFFERS_READ) else None,
        sees_all=sees_all,
        to_do=_to_do(db, here, waiting, certificate, unreadable=unreadable, at=at),
        waits_for_somebody=may(Permission.DELIVERIES_READ) or may(Permission.STORES_IMPORT),
        queues=[_queue(one) for one in waiting] if runs_it else None,
        certificate=certificate if runs_it else None,
        platforms=_PLATFORMS,
        steps=steps if not all(step.done for step in steps) else (),
        now=at,
    )


def _certificate(db: Session, program_id: str, at: datetime) -> tuple[CertificateState | None, bool]:
    """The certificate's state, and whether there is one that cannot be read; nothing for those who may not know."""
    if not may(Permission.CERTIFICATES_READ):
        return None, False
    try:
        return certificate_state(db, services().keys, program_id, now=at), False
    except WalletServiceError:
        return None, True


def _to_do(
    db: Session,
    here: LoadedProgram,
    waiting: tuple[Waiting, ...],
    certificate: CertificateState | None,
    *,
    unreadable: bool,
    at: datetime,
) -> list[ToDo]:
    found = []
    if unreadable:
        found.append(ToDo(lazy("The keys of this programme cannot be read. Ask who operates the service."), "bad"))
    if certificate is not None and certificate.warning is not None:
        found.append(_of_certificate(certificate))
    if may(Permission.DELIVERIES_READ):
        for channel in stopped_channels_of(db, here.program_id):
            name = _PLATFORMS[channel.kind]
            found.append(
                ToDo(
                    lazy("The channel to %(wallet)s has stopped: %(reason)s.", wallet=name, reason=channel.reason),
                    "bad",
                )
            )
    for one in waiting:
        if one.refused:
            words = nlazy(
                "%(num)s card was refused by %(wallet)s.",
                "%(num)s cards were refused by %(wallet)s.",
                one.refused,
                wallet=_PLATFORMS[one.kind],
            )
            found.append(ToDo(words, "bad"))
    if may(Permission.STORES_IMPORT):
        found += _of_imports(db, here.program_id, at)
    return found


def _of_certificate(state: CertificateState) -> ToDo:
    if state.warning == 0:
        return ToDo(lazy("Apple’s certificate has expired: no card is updated on iPhones any more."), "bad")
    words = nlazy(
        "Apple’s certificate expires in %(num)s day. Import a new one: the two may overlap.",
        "Apple’s certificate expires in %(num)s days. Import a new one: the two may overlap.",
        state.days_left,
    )
    return ToDo(words, "bad" if state.days_left < 8 else "warn")


def _of_imports(db: Session, program_id: str, at: datetime) -> list[ToDo]:
    """The newest import, where it left rows out: a later one has taken the place of those before it."""
    newest = db.execute(
        select(StoreImport.id, StoreImport.file_name, StoreImport.counts)  # and not the file itself
        .where(StoreImport.program_id == program_id, StoreImport.created_at > at - _IMPORTS_FOR)
        .where(StoreImport.state == "applied")
        .order_by(StoreImport.id.desc())
        .limit(1)
    ).first()
    refused = newest.counts.get("refused", 0) if newest is not None else 0
    if newest is None or not refused:
        return []
    words = nlazy(
        "%(num)s row of “%(file)s” was refused.",
        "%(num)s rows of “%(file)s” were refused.",
        refused,
        file=newest.file_name,
    )
    return [ToDo(words, address=url_for("console.store_imports_rehearsal", number=newest.id))]


def _offers(here: LoadedProgram, at: datetime) -> list[ShownOffer]:
    """The offers in progress at the person's stores, the next to end first."""
    reader, own = current_reader(), actor().store_ids
    running = sorted(
        (offer for offer in here.places.offers if offer.starts_at <= at < offer.ends_at),
        key=lambda offer: (offer.ends_at, offer.code),
    )
    found = []
    for offer in running:
        store_ids = here.places.stores_of(offer)
        if own is not None:
            store_ids = tuple(store_id for store_id in store_ids if store_id in own)
            if not store_ids:
                continue
        found.append(_shown(here, offer, store_ids, reader.language))
    return found[:_MOST_OFFERS]


def _shown(here: LoadedProgram, offer: LiveOffer, store_ids: tuple[str, ...], language: str) -> ShownOffer:
    pages_of_offers = "console.offers_offers" in current_app.view_functions
    return ShownOffer(
        title=text_in(offer.title, language) or offer.code,
        stores=tuple(here.places.stores[store_id].name for store_id in store_ids[:3]),
        store_count=len(store_ids),
        ends_at=offer.ends_at,
        address=f"{url_for('console.offers_offers')}/{offer.id}" if pages_of_offers else None,
    )


def _queue(one: Waiting) -> dict[str, object]:
    reader = current_reader()

    def counted(count: int) -> str:
        more = reader.gettext("more than %(count)s", count=MOST_COUNTED - 1)
        return more if count == MOST_COUNTED else reader.number(count)

    return {
        "name": _PLATFORMS[one.kind],
        "due": counted(one.due),
        "oldest_due_at": one.oldest_due_at,
        "refused": counted(one.refused),
    }


def _steps(db: Session, here: LoadedProgram, *, has_certificate: bool) -> tuple[Step, ...]:
    """The first run. Each is asked for by a statement that ends at the first row."""
    document = here.document
    account = document.google is not None and services().keys.google_account(db, here.program_id) is not None
    has_card = db.scalar(select(Card.id).where(Card.program_id == here.program_id).limit(1)) is not None
    on_apple, on_google = document.apple is not None and has_certificate, account
    wallets = (
        Step(lazy("Apple certificate"), on_apple),
        Step(lazy("Google issuer"), on_google),
    )
    others = (
        Step(lazy("Stores"), bool(here.places.stores), url_for("console.stores_stores")),
        Step(lazy("First card"), has_card),
    )
    # a programme may well be in one wallet alone: once it works, the other is no step that is left to do
    one_is_enough = has_card and (on_apple or on_google)
    return (Step(lazy("Card design"), True), *(() if one_is_enough else wallets), *others)
