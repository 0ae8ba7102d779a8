"""Opening the lanes of a programme: which platforms it is on, and over which channel each is told."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta

from sqlalchemy.orm import Session

from wallet_service.delivery.lanes import AppleLane, GoogleLane, Lane, Tools
from wallet_service.programs.keys import KeyRing
from wallet_service.wallets.apple.apns import ApnsChannel
from wallet_service.wallets.apple.certificates import PassIdentity
from wallet_service.wallets.apple.renewal import RenewingChannel
from wallet_service.wallets.google.rest import GoogleChannel


def open_lanes(
    db: Session, program_id: str, tools: Tools, keys: KeyRing, *, known: Collection[tuple[str, str]]
) -> Iterator[Lane]:
    """The lanes that this programme has keys for and that are not `known` (kind, programme) yet."""
    settings = tools.settings
    if ("apple", program_id) not in known and keys.identity(db, program_id) is not None:
        yield AppleLane(program_id, _apns(program_id, tools, keys), tools)
    google_document = tools.catalogue.program(db, program_id).document.google
    account = keys.google_account(db, program_id) if google_document is not None else None
    if ("google", program_id) not in known and google_document is not None and account is not None:
        google = GoogleChannel(
            settings.google_api_url,
            account,
            public_url=settings.public_url,
            id_prefix=google_document.id_prefix,
            timeout_s=settings.google_timeout_s,
            may_notify=lambda _notice: True,  # the fourth in a day is refused by Google, and then told silently
            clock=tools.clock,
        )
        yield GoogleLane(program_id, google, tools)


def _apns(program_id: str, tools: Tools, keys: KeyRing) -> RenewingChannel:
    settings = tools.settings

    def who_signs_now() -> PassIdentity | None:
        with tools.sessions() as db:
            return keys.identity(db, program_id)

    def dial(identity: PassIdentity) -> ApnsChannel:
        return ApnsChannel(
            settings.apns_url,
            identity,
            ca_file=settings.apns_ca_file,
            timeout=timedelta(seconds=settings.apns_timeout_s),
            now=tools.clock,
        )

    return RenewingChannel(who_signs_now, dial)
