"""What is counted is of few kinds, whatever sentences the platform and the network library find for it."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY

from tests.conftest import OpenSystem
from tests.delivery.brands import add_phones, owe_campaign
from wallet_service.delivery.apple_queue import AppleQueue
from wallet_service.delivery.channels import open_apple
from wallet_service.delivery.refusals import MANY_CARDS, Refusals
from wallet_service.metrics import ANNOUNCEMENTS
from wallet_service.wallets.google.client.calls import Answer
from wallet_service.wallets.protocol import Accepted, Gone, Later, Outcome, Refused, word_of

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PHONES = 60


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Accepted("5f0e1c7a"), ""),
        (Gone(NOW), ""),
        (Refused("BadDeviceToken"), "BadDeviceToken"),
        (Answer(403, "quotaExceeded", "Quota exceeded for issuer 3388").outcome(), "403 quotaExceeded"),
        (Answer(500, "", "Request 81 failed.").outcome(), "500"),
        (Refused("invalid: cardTitle: is longer than 100"), "invalid"),
        (Later("Google did not answer: ReadTimeout"), "Google did not answer"),
    ],
)
def test_a_reason_begins_with_its_word(outcome: Outcome, word: str) -> None:
    assert word_of(outcome) == word


def test_a_doubtful_channel_is_counted_by_what_apple_said() -> None:
    answers: list[tuple[int, Outcome]] = [(card, Refused("BadDeviceToken")) for card in range(MANY_CARDS + 2)]
    assert {word_of(outcome) for outcome in Refusals().judged(answers, now=NOW)} == {"BadDeviceToken"}


def test_many_time_outs_are_one_series(open_system: OpenSystem) -> None:
    """libcurl says after how many milliseconds; the row keeps that, the metric does not."""
    system = open_system(WALLET_APNS_TIMEOUT_S="1", WALLET_GOOGLE_TIMEOUT_S="1")
    add_phones(system, "lumiere", PHONES)
    tools = system.services.tools()
    line = open_apple("lumiere", tools, system.services.keys)
    with closing(AppleQueue("lumiere", line, tools, signer=line.signer)) as queue:
        owe_campaign(system, "lumiere", but_the_first=PHONES - 1)
        assert queue.step() == 1, "the connection has proved itself, and carries many at once"
        owe_campaign(system, "lumiere")
        before = timed_out()
        system.apns.delay(5)
        assert queue.step() == PHONES
        system.apns.delay(0)
    assert timed_out() - before == PHONES
    words = {sample.labels["reason"] for metric in ANNOUNCEMENTS.collect() for sample in metric.samples}
    assert not [word for word in words if "millisecond" in word]
    assert len(system.rows("SELECT FROM deliveries WHERE last_outcome LIKE 'libcurl 28: %millisecond%'")) == PHONES


def timed_out() -> float:
    """How often."""
    labels = {"kind": "apple", "outcome": "later", "reason": "libcurl 28"}
    return REGISTRY.get_sample_value("wallet_announcements_total", labels) or 0.0
