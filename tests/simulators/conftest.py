"""Fixtures of the simulators' own tests: APNs, Google, and an issuer at Google."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.simulators.google_issuer import ISSUER, Issuer, Time, loyalty_class, loyalty_object
from wallet_service.simulators.apns import ApnsSimulator
from wallet_service.simulators.apns.control import ControlServer
from wallet_service.simulators.apple_pki import Chain
from wallet_service.simulators.google import GoogleSimulator

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def control(chain: Chain) -> Iterator[ControlServer]:
    with (
        ApnsSimulator(chain.root_pem + chain.intermediate_pem, clock=lambda: NOW) as simulator,
        ControlServer(simulator) as control,
    ):
        yield control


@pytest.fixture
def apns(control: ControlServer) -> ApnsSimulator:
    return control.apns


@pytest.fixture
def control_url(control: ControlServer) -> str:
    return control.url


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
