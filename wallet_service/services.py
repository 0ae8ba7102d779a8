"""The services that requests and commands share: built once, frozen, replaced whole in tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

from sqlalchemy.orm import Session, sessionmaker

from wallet_service.access.passwords import Passwords
from wallet_service.access.signing_in import SignIn
from wallet_service.cards.pacing import Pacing
from wallet_service.cards.program_cache import ProgramCache
from wallet_service.cards.publishing import Publisher
from wallet_service.clock import Clock, clock_from
from wallet_service.delivery.overview import InstalledCounts
from wallet_service.delivery.policy import Backoff, Patience
from wallet_service.delivery.queues import Tools
from wallet_service.delivery.worker import Worker
from wallet_service.errors import SettingsError
from wallet_service.issuing.issuer import Issuer
from wallet_service.mail.outbox import Outbox
from wallet_service.programs.key_ring import KeyRing
from wallet_service.settings import Settings
from wallet_service.storage.encryption import KeyedDigester, digester_for, sealer_for
from wallet_service.storage.engine import Database, open_database
from wallet_service.storage.schema import is_current
from wallet_service.storage.statements import Statements
from wallet_service.wallets.apple.certificates import Trust, apple_trust, development_trust
from wallet_service.wallets.google.callbacks.root_keys import KeyCache, fetch_from


@dataclass(frozen=True, kw_only=True)
class Services:
    """The services of one process."""

    settings: Settings
    clock: Clock
    database: Database
    sessions: sessionmaker[Session]
    program_cache: ProgramCache
    publisher: Publisher
    keys: KeyRing
    trust: Trust
    issuer: Issuer
    google_keys: KeyCache
    statements: Statements
    passwords: Passwords
    digester: KeyedDigester
    outbox: Outbox
    sign_in: SignIn
    installed: InstalledCounts

    def close(self) -> None:
        """Close in reverse order."""
        self.statements.close()
        self.database.close()

    def tools(self) -> Tools:
        """What the queues to the platforms work with."""
        settings = self.settings
        return Tools(
            sessions=self.sessions,
            settings=settings,
            clock=self.clock,
            program_cache=self.program_cache,
            backoff=Backoff(
                first=timedelta(seconds=settings.retry_first_s), most=timedelta(seconds=settings.retry_most_s)
            ),
            patience=Patience(
                first=timedelta(seconds=settings.announce_again_after_s),
                most=settings.announce_again_most,
            ),
            chance=Random(),  # noqa: S311 jitter, not secrecy
        )

    def worker(self) -> Worker:
        """A worker on these services."""
        return Worker(self.database, self.tools(), self.publisher, self.keys)


def build_services(
    settings: Settings,
    *,
    database: Database | None = None,
    clock: Clock | None = None,
    passwords: Passwords | None = None,
) -> Services:
    """Open the database and build the rest; the caller closes it. What is given takes the place of what settings name.

    Raises:
        SettingsError: a setting is wrong, or the database lacks this release's tables.
    """
    clock = clock or clock_from(settings.clock)
    database = database or open_database(settings)
    try:
        if not is_current(database.engine):
            raise SettingsError("the database has not this release's tables yet; run: wallet-service db upgrade")
        program_cache = ProgramCache()
        keys = KeyRing(sealer_for(settings), clock)
        passwords = passwords or Passwords.for_production()
        digester = digester_for(settings, "throttle")
        sessions = sessionmaker(database.engine, expire_on_commit=False)
        return Services(
            settings=settings,
            clock=clock,
            database=database,
            sessions=sessions,
            program_cache=program_cache,
            publisher=Publisher(
                program_cache=program_cache,
                public_url=settings.public_url,
                pacing=Pacing.of(settings),
            ),
            keys=keys,
            trust=_trust(settings.apple_root_file),
            issuer=Issuer(settings=settings, program_cache=program_cache, keys=keys),
            google_keys=KeyCache(fetch_from(settings.google_keys_url)),
            statements=Statements(database.libpq_url),
            passwords=passwords,
            digester=digester,
            outbox=Outbox.of(settings, sessions, clock),
            sign_in=SignIn(sessions, passwords, digester, keys.sealer),
            installed=InstalledCounts(sessions, clock),
        )
    except BaseException:
        database.close()
        raise


def _trust(root_file: Path | None) -> Trust:
    if root_file is None:
        return apple_trust()
    try:
        return development_trust(root_file.read_bytes())
    except OSError as error:
        raise SettingsError(f"WALLET_APPLE_ROOT_FILE cannot be read: {error}") from error
