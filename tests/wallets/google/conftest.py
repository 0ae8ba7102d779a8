"""A card of the sample designs as `wallets.google` gets it, and a simulator of Google."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from wallet_service.cards.composing import Composer
from wallet_service.cards.samples import SAMPLE_PLACES, sample_facts
from wallet_service.cards.template_folder import load_template
from wallet_service.simulators.google import GoogleSimulator
from wallet_service.wallets.google.client.calls import Answer
from wallet_service.wallets.protocol import CardView, ProgramView

DESIGNS = Path(__file__).parents[3] / "pass_templates"
ISSUER = "3388000000012345678"
OBJECT_ID = f"{ISSUER}.t-0f3c9a7e5b1d4c2f8e6a7b9c0d1e2f3a"
NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
PROGRAM = ProgramView(
    program_id="lumiere",
    name="Cercle Lumière",
    brand="Maison Lumière",
    locale="fr",
    organization_name="Maison Lumière SAS",
    pass_type_id=None,
    team_id=None,
    issuer_id=ISSUER,
)


@functools.cache
def composer(design: str) -> Composer:
    """The compiled sample design."""
    return Composer(load_template(DESIGNS / design))


def card_view(design: str = "points-card", locale: str = "fr", *, version: int = 1, **changes: Any) -> CardView:
    """The sample member's card, with `balance={"points": 3}` and the like changed; `offer=None` removes the offer."""
    facts = sample_facts(locale=locale, now=NOW)
    update = {
        root: getattr(facts, root).model_copy(update=part) if isinstance(part, dict) else part
        for root, part in changes.items()
        if root != "places"
    }
    places = changes.get("places", SAMPLE_PLACES)
    made = composer(design)
    return CardView(
        program=PROGRAM,
        template=made.template,
        content=made.compose(facts.model_copy(update=update), locale=locale, places=places, now=NOW),
        serial_number="sample0001",
        auth_token="0123456789abcdef",
        card_link="https://cards.example.com/c/sample",
        version=version,
        google_object_id=OBJECT_ID,
    )


@pytest.fixture
def google() -> Iterator[GoogleSimulator]:
    with GoogleSimulator() as simulator:
        yield simulator


@pytest.fixture(scope="session")
def service_account() -> dict[str, str]:
    """A key file as Google gives it, with a key of the test's own."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        "type": "service_account",
        "project_id": "maison-lumiere",
        "private_key_id": "5f0e1c7a9b2d4e6f8a0b1c2d3e4f5a6b7c8d9e0f",
        "private_key": pem,
        "client_email": "wallet@maison-lumiere.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.example.com/token",
    }


class Unpaced:
    """A rate for tests that are about something else: every call may leave at once."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.noted: list[int] = []

    def take(self, calls: int) -> float:
        """Count and let go."""
        self.taken.append(calls)
        return 0.0

    def note(self, answer: Answer) -> None:
        """Remember what was answered."""
        self.noted.append(answer.status)


MakeCard = Callable[..., CardView]
