"""Never more than 20 requests in a second. Item 35 of google-wallet.md, section 25, for one channel."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wallet_service.wallets.google.pacing import Pacing


class Clockwork:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@given(st.lists(st.floats(0, 0.3), max_size=120), st.integers(1, 25))
def test_item_35_no_window_of_a_second_holds_more(gaps: list[float], per_second: int) -> None:
    clockwork = Clockwork()
    pacing = Pacing(per_second, time_s=clockwork.time, wait=clockwork.wait)
    sent = []
    for gap in gaps:
        clockwork.now += gap
        pacing()
        sent.append(clockwork.now)
    for earlier, later in zip(sent, sent[per_second:], strict=False):
        assert later - earlier >= 1.0 - 1e-9


def test_item_35_the_full_rate_is_used() -> None:
    clockwork = Clockwork()
    pacing = Pacing(time_s=clockwork.time, wait=clockwork.wait)
    for _ in range(200):
        pacing()
    assert 8.9 < clockwork.now - 1000.0 < 9.1
