"""Opening the queues of a programme: one for each platform it is on, with its channel."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from wallet_service.delivery.apple_queue import AppleQueue
from wallet_service.delivery.google_queue import GoogleQueue
from wallet_service.delivery.queues import DeliveryQueue, Tools
from wallet_service.documents.programs import GoogleDocument
from wallet_service.errors import SettingsError
from wallet_service.programs.key_ring import KeyRing, ServiceAccount
from wallet_service.wallets.apple.certificates import PassIdentity
from wallet_service.wallets.apple.push.apns import ApnsChannel
from wallet_service.wallets.apple.push.renewing_channel import RenewingChannel
from wallet_service.wallets.google.channel import GoogleChannel
from wallet_service.wallets.google.client.rate import SharedRate
from wallet_service.wallets.google.renewing_channel import RenewingGoogleChannel


def open_queues(
    db: Session, program_id: str, tools: Tools, keys: KeyRing, *, known: Collection[tuple[str, str]]
) -> Iterator[DeliveryQueue]:
    """The queues that this programme has keys for and that are not `known` (kind, programme) yet.

    Raises:
        SettingsError: a key cannot be read; after the queue of the other platform, if that one can be opened.
    """
    unreadable: SettingsError | None = None
    try:
        if ("apple", program_id) not in known and keys.push_identity(db, program_id) is not None:
            line = open_apple(program_id, tools, keys)
            yield AppleQueue(program_id, line, tools, signer=line.signer)
    except SettingsError as error:
        unreadable = error
    if ("google", program_id) not in known and _google_terms(db, program_id, tools, keys) is not None:
        yield GoogleQueue(program_id, renewing_google_channel(program_id, tools, keys), tools, keys.sealer)
    if unreadable is not None:
        raise unreadable


def open_apple(program_id: str, tools: Tools, keys: KeyRing) -> RenewingChannel:
    """The channel to APNs of one programme, on whichever certificate signs in at the time."""
    settings = tools.settings

    def who_signs_now() -> PassIdentity | None:
        with tools.sessions() as db:
            return keys.push_identity(db, program_id)

    def dial(identity: PassIdentity) -> ApnsChannel:
        return ApnsChannel(
            settings.apns_url,
            identity,
            ca_file=settings.apns_ca_file,
            timeout=timedelta(seconds=settings.apns_timeout_s),
            now=tools.clock,
        )

    return RenewingChannel(who_signs_now, dial)


def renewing_google_channel(program_id: str, tools: Tools, keys: KeyRing) -> RenewingGoogleChannel[GoogleDocument]:
    """The channel to Google of one programme, on whichever account and settings it has at the time."""

    def wanted() -> tuple[ServiceAccount, GoogleDocument] | None:
        with tools.sessions() as db:
            return _google_terms(db, program_id, tools, keys)

    return RenewingGoogleChannel(wanted, lambda account, document: open_google(document, account, tools))


def _google_terms(
    db: Session, program_id: str, tools: Tools, keys: KeyRing
) -> tuple[ServiceAccount, GoogleDocument] | None:
    document = tools.program_cache.program(db, program_id).document.google
    account = keys.google_account(db, program_id) if document is not None else None
    return (account, document) if document is not None and account is not None else None


def open_google(document: GoogleDocument, account: Mapping[str, Any], tools: Tools) -> GoogleChannel:
    """The channel to Google of one programme, at the pace that all processes share."""
    settings = tools.settings
    return GoogleChannel(
        settings.google_api_url,
        account,
        public_url=settings.public_url,
        rate=SharedRate(tools.sessions, document.issuer_id, per_s=settings.google_rate_per_s),
        id_prefix=document.id_prefix,
        timeout_s=settings.google_timeout_s,
        in_flight=settings.google_in_flight,
        batch=settings.google_batch,
        clock=tools.clock,
    )
