"""Expiry of the programmes' Apple certificates: for the metric, the log and a line for the console.

Apple: a Pass Type ID certificate lasts one year and cannot be prolonged, only replaced (spec apple-wallet, 1.7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from wallet_service.errors import WalletServiceError
from wallet_service.metrics import CERTIFICATE_DAYS_LEFT, UNREADABLE_KEYS
from wallet_service.programs.key_ring import KeyRing
from wallet_service.storage.tables import Program
from wallet_service.wallets.apple.certificates import PassIdentity

log = structlog.get_logger()
WARN_AT_DAYS = (60, 30, 14, 7, 1)


@dataclass(frozen=True, kw_only=True)
class CertificateState:
    """One programme's certificate.

    Attributes:
        days_left: whole days until passes can no longer be signed, counting a newer certificate that is imported
            already; negative: it is over.
        warning: the threshold of `WARN_AT_DAYS` that was passed last, 0 once it is over, None while there is time.
    """

    program_id: str
    pass_type_id: str
    not_after: datetime
    days_left: int
    warning: int | None

    def banner(self, locale: str) -> str | None:
        """A line for the console, in French or English; None while there is time."""
        if self.warning is None:
            return None
        french, days = locale.startswith("fr"), self.days_left
        if self.warning == 0:
            return (
                f"Le certificat Apple de {self.pass_type_id} a expiré : plus aucune carte n’est mise à jour sur iPhone."
                if french
                else f"The Apple certificate of {self.pass_type_id} is over: no card is updated on iPhones any more."
            )
        ends = f"{self.not_after:%d/%m/%Y}" if french else f"{self.not_after:%Y-%m-%d}"
        return (
            f"Le certificat Apple de {self.pass_type_id} expire dans {days} jour{'s' if days > 1 else ''} ({ends}). "
            "Importez-en un nouveau : les deux peuvent coexister."
            if french
            else f"The Apple certificate of {self.pass_type_id} ends in {days} day{'s' if days != 1 else ''} ({ends}). "
            "Import a new one now: the two may overlap."
        )


def certificate_states(db: Session, keys: KeyRing, *, now: datetime) -> list[CertificateState]:
    """The state of every programme's certificate, and the metric set to it. Programmes without one are left out, and so
    are those whose keys cannot be read: that is one brand's trouble, told by `/readyz` and `UNREADABLE_KEYS`.
    """
    states = []
    for program_id in db.scalars(select(Program.program_id).order_by(Program.program_id)):
        try:
            identities = keys.identities(db, program_id)
            keys.google_account(db, program_id)
        except WalletServiceError:
            UNREADABLE_KEYS.labels(program_id).set(1)
            continue
        UNREADABLE_KEYS.labels(program_id).set(0)
        if not identities:
            continue
        state = _state_of(program_id, identities, now)
        CERTIFICATE_DAYS_LEFT.labels(program_id).set(state.days_left)
        states.append(state)
    return states


def certificate_state(db: Session, keys: KeyRing, program_id: str, *, now: datetime) -> CertificateState | None:
    """The state of one programme's certificate; None where it has none.

    Raises:
        SettingsError: there are some, and none can be read.
    """
    identities = keys.identities(db, program_id)
    return _state_of(program_id, identities, now) if identities else None


def _state_of(program_id: str, identities: Sequence[PassIdentity], now: datetime) -> CertificateState:
    lasting = _first_to_end(identities)
    days = (lasting.not_after - now).days
    passed = [threshold for threshold in WARN_AT_DAYS if days < threshold]
    return CertificateState(
        program_id=program_id,
        pass_type_id=lasting.pass_type_id,
        not_after=lasting.not_after,
        days_left=days,
        warning=0 if days < 0 else min(passed, default=None),
    )


def _first_to_end(identities: Sequence[PassIdentity]) -> PassIdentity:
    """Of the certificates that last longest the one that ends first: where a token signs the passes, it has one, and
    the channel to APNs another.
    """
    by_kind: dict[type, PassIdentity] = {}
    for identity in sorted(identities, key=lambda identity: identity.not_after):
        by_kind[type(identity.signer)] = identity
    return min(by_kind.values(), key=lambda identity: identity.not_after)


class CertificateWatch:
    """Logs each threshold once for each process; looks at most once an hour."""

    def __init__(self) -> None:
        self._told: dict[str, int | None] = {}
        self._hour: datetime | None = None

    def look(self, db: Session, keys: KeyRing, *, now: datetime) -> list[CertificateState]:
        """Set the metric and log what is new; returns that."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        if hour == self._hour:
            return []
        self._hour = hour
        news = []
        for state in certificate_states(db, keys, now=now):
            if state.warning is not None and self._told.get(state.program_id) != state.warning:
                level = log.error if state.warning <= 7 else log.warning
                level("certificate_ends", program_id=state.program_id, days_left=state.days_left)
                news.append(state)
            self._told[state.program_id] = state.warning
        return news
