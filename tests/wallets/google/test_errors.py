"""Each error of google-wallet.md, section 16, met by the whole service: how it ends."""

from __future__ import annotations

import pytest

from tests.conftest import OpenSystem
from tests.system import eventually
from tests.wallets.google.test_quota import saved_card

PASSING = [
    (401, "authError"),
    (403, "quotaExceeded"),
    (403, "rateLimitExceeded"),
    (404, "notFound"),
    (409, "alreadyExists"),
    (412, "conditionNotMet"),
    (429, "rateLimitExceeded"),
    (500, "internalError"),
    (502, "badGateway"),
    (503, "backendError"),
    (504, "timeout"),
]


def test_what_passes_is_told_in_the_end(open_system: OpenSystem) -> None:
    """One after the other on one card: each change arrives, whatever its first call was answered."""
    system = open_system(WALLET_RETRY_MOST_S="0.2", WALLET_GOOGLE_RATE_PER_S="200")
    with system.working():
        saved_card(system)
        object_id = system.rows("SELECT object_id FROM google_objects")[0]["object_id"]
        for number, (status, reason) in enumerate(PASSING, start=1):
            system.google.fail_next(status, reason, method="PATCH")
            system.set_points("M-1", number, sequence=number)
            eventually(
                lambda number=number: (
                    system.google.object(object_id).get("loyaltyPoints", {}).get("balance") == {"int": number}
                )
            )
            eventually(lambda: system.rows("SELECT FROM deliveries WHERE told_version = wanted_version"))
    refused = {(call.status, call.reason) for call in system.google.calls if call.status >= 400}
    assert set(PASSING) <= refused


@pytest.mark.parametrize(
    ("status", "reason", "parked"), [(400, "invalid", True), (413, "tooLarge", True), (403, "permissionDenied", False)]
)
def test_what_does_not_pass_is_kept_and_shown(open_system: OpenSystem, status: int, reason: str, parked: bool) -> None:
    """400 parks the card until its next change; a missing permission, of our class as well, stops the queue and loses
    nothing.
    """
    system = open_system(WALLET_RETRY_MOST_S="600")
    with system.working():
        serial_number = saved_card(system)
        before = len(system.google.calls)
        system.google.fail_next(status, reason, method="PATCH")
        asked = [] if parked else ["GET"]  # whose fault a 403 is, is asked of our own class
        for method in asked:
            system.google.fail_next(status, reason, method=method)
        system.set_points("M-1", 1, sequence=1)
        eventually(lambda: system.rows("SELECT FROM deliveries WHERE last_outcome LIKE :word", word=f"{status}%"))
        row = system.rows("SELECT parked, wanted_version > told_version AS owed FROM deliveries")[0]
        assert (row["parked"] is not None, row["owed"]) == (parked, True)
        assert system.card(serial_number)["far_ends"][0]["state"] == ("refused" if parked else "waiting")
        assert len(system.google.calls) == before + 1 + len(asked)
