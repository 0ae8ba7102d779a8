"""Many cards, 5 % errors, a strict count of calls: all converge, nothing is too fast. google-wallet.md, section 25."""

from __future__ import annotations

from wallet_service.cli.bench.google import measure_google


def test_item_35_all_cards_converge_without_one_call_too_many() -> None:
    """Two worker processes and Google in a third; the bench itself fails if a card is owed or shows something else."""
    tally = measure_google(cards=150, rate=40, workers=2, batch=1)
    assert tally.too_fast == 0
    assert tally.calls >= 150
    assert tally.errors >= 1


def test_item_36_batches_converge_too() -> None:
    tally = measure_google(cards=200, rate=80, workers=2, batch=8)
    assert tally.too_fast == 0
    assert tally.calls >= 200
