"""From an outcome to the next step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.delivery.policy import Backoff, Forget, Halt, Park, Retry, Told, next_step
from wallet_service.wallets.protocol import Accepted, ChannelDown, Gone, Later, Outcome, Refused

BACKOFF = Backoff(first=timedelta(seconds=1), most=timedelta(minutes=5))
SINCE = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("outcome", "step"),
    [
        (Accepted("id"), Told("id")),
        (Refused("BadDeviceToken"), Park("BadDeviceToken")),
        (ChannelDown("BadCertificate"), Halt("BadCertificate")),
    ],
)
def test_each_outcome_has_its_step(outcome: Outcome, step: object) -> None:
    assert next_step(outcome, 1, BACKOFF, Random(1)) == step


@given(attempt=st.integers(1, 10_000), seed=st.integers())
def test_pauses_grow_to_a_ceiling_and_never_past_it(attempt: int, seed: int) -> None:
    pause = BACKOFF.after(attempt, Random(seed))
    assert timedelta(seconds=1) <= pause <= min(timedelta(seconds=2 ** min(attempt - 1, 12)), timedelta(minutes=5))


@pytest.mark.parametrize("attempt", [0, -1])
def test_an_attempt_that_was_given_back_is_like_the_first(attempt: int) -> None:
    assert BACKOFF.after(attempt, Random(1)) == timedelta(seconds=1)


@given(attempt=st.integers(1, 30), seed=st.integers())
def test_who_is_gone_and_came_back_is_tried_after_a_pause(attempt: int, seed: int) -> None:
    step = next_step(Gone(SINCE), attempt, BACKOFF, Random(seed))
    assert step == Forget(SINCE, BACKOFF.after(attempt, Random(seed)))


def test_the_far_sides_own_wish_is_respected() -> None:
    step = next_step(Later("TooManyRequests", timedelta(hours=1)), 1, BACKOFF, Random(1))
    assert step == Retry(timedelta(hours=1), "TooManyRequests")
