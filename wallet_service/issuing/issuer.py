"""Issuing cards to wallets: a freshly signed pass, or a save link. Only keys and the database are touched, never the
network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from wallet_service.cards.content import CardContent
from wallet_service.cards.google_rows import wake_linked_passes
from wallet_service.cards.program_cache import ProgramCache
from wallet_service.documents.programs import ProgramDocument
from wallet_service.errors import Invalid, NotInWallet, SettingsError, Unreachable
from wallet_service.programs.key_ring import KeyRing
from wallet_service.settings import Settings
from wallet_service.storage.notify import wake_workers
from wallet_service.storage.tables import Card, Delivery, GoogleClass, GoogleObject
from wallet_service.wallets.apple.devices import RequestedPass
from wallet_service.wallets.apple.passes.archive import PassBuilder
from wallet_service.wallets.apple.passes.rules import Rules
from wallet_service.wallets.card_views import card_view, program_view
from wallet_service.wallets.google.classes import require_published
from wallet_service.wallets.google.content import bodies
from wallet_service.wallets.google.content.kinds import kind_of
from wallet_service.wallets.google.save_link import TOO_LONG, SaveLinks
from wallet_service.wallets.protocol import CardView, ProgramView

Made = TypeVar("Made")
_NEEDED = frozenset(("id", "classId", "state", "cardNumber"))


@dataclass(frozen=True, slots=True)
class _Ready:
    """The builder of a programme's passes, and the state of the database that it was read from."""

    state: tuple[str, str]
    builder: PassBuilder
    program: ProgramView


@dataclass(frozen=True, kw_only=True)
class Issuer:
    """Issues cards for every programme; one for each process. Builders are kept for as long as their keys are
    current.
    """

    settings: Settings
    program_cache: ProgramCache
    keys: KeyRing
    _kept: dict[tuple[str, str], tuple[object, object]] = field(default_factory=dict)
    _ready: dict[str, _Ready] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def pass_file(self, db: Session, card: Card, *, now: datetime) -> bytes:
        """The card as last published, as a signed `.pkpass`.

        Raises:
            NotFound: the programme is not on Apple Wallet.
            SettingsError: its certificate was never imported, or is over.
        """
        builder, _ = self._builder(db, card.program_id, now=now)
        return builder.build(card_view(db, self.program_cache, card, public_url=self.settings.public_url), at=now)

    def requested_pass_file(
        self, requested: RequestedPass, serial_number: str, sessions: sessionmaker[Session], *, now: datetime
    ) -> bytes:
        """The pass that a phone requests, as last published; without the database, unless the programme is another
        than the last time.

        Raises:
            NotFound, SettingsError: as `pass_file`.
        """
        state = (requested.program_row, requested.identity)
        kept = self._ready.get(requested.program_id)
        template = self.program_cache.cached_template(requested.template_version_id)
        if kept is None or kept.state != state or template is None or not kept.builder.in_time(now):
            with sessions() as db:
                template = self.program_cache.template(db, requested.template_version_id)
                builder, document = self._builder(db, requested.program_id, now=now)
            kept = _Ready(state, builder, program_view(document))
            with self._lock:
                self._ready[requested.program_id] = kept
        view = CardView(
            program=kept.program,
            template=template,
            content=CardContent.model_validate_json(requested.content or b""),
            serial_number=serial_number,
            auth_token=requested.auth_token,
            card_link=f"{self.settings.public_url}/c/{requested.link_token}",
            version=requested.version,
        )
        return kept.builder.build(view, at=now)

    def signature(self, db: Session, program_id: str, token: bytes, *, now: datetime) -> bytes:
        """A programme's signature of a sign-up token, as Wallet checks it.

        Raises:
            NotFound, SettingsError: as `pass_file`.
        """
        builder, _ = self._builder(db, program_id, now=now)
        return builder.sign(token, at=now)

    def _builder(self, db: Session, program_id: str, *, now: datetime) -> tuple[PassBuilder, ProgramDocument]:
        document = self.program_cache.program(db, program_id).document
        if document.apple is None:
            raise NotInWallet("this programme is not on Apple Wallet")
        identity = self.keys.identity(db, program_id)
        if identity is None:
            raise SettingsError(f"no Apple certificate for {program_id}: run wallet-service certs import")
        plain_http = self.settings.public_url.startswith("http://")
        builder = self._keep(
            ("apple", program_id),
            identity,
            lambda: PassBuilder(
                identity,
                web_service_url=f"{self.settings.public_url}/apple",
                rules=Rules(plain_http=plain_http and not self.settings.is_production, nfc=True),
            ),
        )
        if not builder.in_time(now):
            raise SettingsError(f"the Apple certificate of {program_id} is over: import a new one")
        return builder, document

    def want_on_google(self, db: Session, card: Card, *, now: datetime) -> None:
        """Wake the card's Google row: somebody is about to save it.

        Raises:
            NotFound: the programme is not on Google Wallet.
        """
        db.refresh(
            card, with_for_update={"key_share": True}
        )  # a publish under way must be seen, or it would skip the row
        row = self._google_row(db, card)
        if row.wanted_version < card.version:
            row.wanted_version, row.wanted_at, row.next_attempt_at = card.version, now, now
            wake_linked_passes(db, card, now=now)
            wake_workers(db, card.program_id)

    def google_link(self, db: Session, card: Card, *, now: datetime) -> str:
        """Google's save link: skinny once Google has the object, else with the whole object inside, and with its class
        where Google has not that either.

        Raises:
            NotFound: the programme is not on Google Wallet.
            SettingsError: its service account was never imported.
            Unreachable: Google has not the object yet, and it is too long for a link of its own.
        """
        row = self._google_row(db, card)
        account = self.keys.google_account(db, card.program_id)
        google = self.program_cache.program(db, card.program_id).document.google
        if google is None:
            raise NotInWallet("this programme is not on Google Wallet")
        if account is None:
            raise SettingsError(f"no Google service account for {card.program_id}")
        require_published(demo=google.demo, is_production=self.settings.is_production)
        links = self._keep(
            ("google", card.program_id),
            account,
            lambda: SaveLinks(account, save_url=self.settings.google_save_url),
        )
        known = db.scalars(select(GoogleObject).where(GoogleObject.id == row.google_object_id)).one()
        view = card_view(
            db, self.program_cache, card, public_url=self.settings.public_url, google_object_id=known.object_id
        )
        kind = kind_of(view.template)
        if known.told_digest is not None:
            return links.skinny(known.object_id, now=now, kind=kind)
        variant = bodies.variant_of(view.template, view.content)
        class_id = bodies.class_id_of(view.program, view.template.template_id, google.id_prefix, variant)
        public_url = self.settings.public_url
        first_class = None
        if db.get(GoogleClass, class_id) is None:
            first_class = bodies.first_class(
                view.program,
                view.template,
                class_id=class_id,
                image_url=lambda name: public_url + view.template.image_path(name),
                callback_url=f"{public_url}/google/callback",
            )
        body = bodies.first_body(view, class_id=class_id)
        # a card with long texts travels without them: Google gets them from the worker
        for carried in (body, {name: part for name, part in body.items() if name in _NEEDED or isinstance(part, dict)}):
            try:
                return links.fat(carried, first_class, now=now, kind=kind)
            except Invalid as error:
                if error.faults[0].code != TOO_LONG:
                    raise
        raise Unreachable("Google has not this card yet, and it is too long to travel in a link")

    def _google_row(self, db: Session, card: Card) -> Delivery:
        row = db.scalar(select(Delivery).where(Delivery.card_id == card.id, Delivery.kind == "google"))
        if row is None:
            raise NotInWallet("this programme is not on Google Wallet")
        return row

    def _keep(self, place: tuple[str, str], key: object, make: Callable[[], Made]) -> Made:
        known = self._kept.get(place)
        if known is None or known[0] is not key:
            known = (key, make())
            with self._lock:
                self._kept[place] = known
        return known[1]  # type: ignore[return-value]  # each place holds what its own `make` returns
