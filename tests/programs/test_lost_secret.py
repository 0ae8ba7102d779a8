"""E21: what the operations guide promises after a lost `WALLET_SECRET_KEY`, and about programmes without keys."""

from __future__ import annotations

import pytest
import requests
from sqlalchemy import text

from tests.system import System
from tests.web.test_landing import ANDROID, IPHONE, get
from wallet_service.errors import SettingsError
from wallet_service.storage.encryption import Sealer


def lose_secret(system: System) -> None:
    """Everything that is sealed was sealed under another secret."""
    other = Sealer("another secret that nobody has any more")
    with system.services.sessions.begin() as db:
        for table in ("apple_identities", "program_secrets"):
            db.execute(text(f"UPDATE {table} SET sealed = :sealed"), {"sealed": other.seal(b"{}", "x")})
    system.services.keys._opened.clear()


def readiness(system: System) -> str:
    """What `/readyz` says of the programme's keys."""
    said: str = requests.get(f"{system.url}/readyz", timeout=10).json()["checks"]["keys"]["lumiere"]
    return said


def test_e21_keys_that_are_imported_again_are_sealed_anew(system: System) -> None:
    keys, now = system.services.keys, system.clock()
    with system.services.sessions() as db:
        identity, account = keys.identity(db, "lumiere"), keys.google_account(db, "lumiere")
    assert identity is not None
    assert account is not None
    lose_secret(system)
    assert "sealed under another WALLET_SECRET_KEY" in readiness(system)
    with system.services.sessions() as db, pytest.raises(SettingsError):
        keys.identity(db, "lumiere")
    with system.services.sessions.begin() as db:
        assert keys.store_identity(db, "lumiere", identity, now=now)
        assert keys.store_google_account(db, "lumiere", account, now=now)
        assert not keys.store_identity(db, "lumiere", identity, now=now)
        assert not keys.store_google_account(db, "lumiere", account, now=now)
    assert readiness(system) == "ok"
    with system.services.sessions() as db:
        assert keys.identity(db, "lumiere") == identity


def test_e21_a_readable_certificate_signs_in_place_of_an_unreadable_newer_one(system: System) -> None:
    with system.services.sessions.begin() as db:
        db.execute(
            text("""
                INSERT INTO apple_identities (program_id, digest, sealed, not_before, not_after, imported_at)
                SELECT program_id, 'newer', 'nothing that opens', not_before + interval '1 minute', not_after, now()
                FROM apple_identities
            """)
        )
    with system.services.sessions() as db:
        first, again = (system.services.keys.identity(db, "lumiere") for _ in range(2))
        assert first is not None
        assert first is again
        assert system.services.keys.identities(db, "lumiere") == [first]


def test_e21_a_programme_without_its_keys_is_not_ok_and_no_customer_is_told_that_the_link_is_wrong(
    system: System,
) -> None:
    card = system.enrol()
    with system.services.sessions.begin() as db:
        db.execute(text("DELETE FROM apple_identities"))
        db.execute(text("DELETE FROM program_secrets"))
    assert readiness(system) == (
        "there is no Apple certificate: run wallet-service certs import; "
        "there is no Google service account: apply the programme with google.service_account_file"
    )
    for agent, link in ((IPHONE, "card"), (ANDROID, "google")):
        page = get(card["links"][link], agent)
        assert page.status_code == 503
        assert "Votre lien est bon" in page.text
