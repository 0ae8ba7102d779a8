"""What the simulators' own tests share: one development chain, and a client that is not ours."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wallet_service.simulators.apple_pki import Chain, make_chain

PASS_TYPE_ID = "pass.fr.maisonlumiere.fidelite"
TEAM_ID = "ML12345678"


@pytest.fixture(scope="session")
def chain() -> Chain:
    """A development chain for Maison Lumière."""
    return make_chain(PASS_TYPE_ID, TEAM_ID, "Maison Lumière", datetime.now(UTC))
