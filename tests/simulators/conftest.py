"""What the simulators' own tests share: one development chain, and an issuer at Google's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.simulators.google_issuer import ISSUER, Issuer, Time, loyalty_class, loyalty_object
from wallet_service.simulators.apple_pki import Chain, make_chain
from wallet_service.simulators.google import GoogleSimulator

PASS_TYPE_ID = "pass.fr.maisonlumiere.fidelite"
TEAM_ID = "ML12345678"


@pytest.fixture(scope="session")
def chain() -> Chain:
    """A development chain for Maison Lumière."""
    return make_chain(PASS_TYPE_ID, TEAM_ID, "Maison Lumière", datetime.now(UTC))


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def google(time: Time) -> Iterator[GoogleSimulator]:
    with GoogleSimulator(clock=time, callback_wait=lambda _: False) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def key_file() -> dict[str, str]:
    """A key file made by an earlier simulator."""
    with GoogleSimulator() as earlier:
        return earlier.make_service_account(ISSUER)


@pytest.fixture
def issuer(google: GoogleSimulator, key_file: dict[str, str]) -> Iterator[Issuer]:
    one = Issuer(google, key_file)
    yield one
    one.session.close()


@pytest.fixture
def card(issuer: Issuer) -> Issuer:
    """An issuer with one class and one object."""
    issuer("POST", "loyaltyClass", loyalty_class())
    issuer("POST", "loyaltyObject", loyalty_object())
    return issuer
