"""Expressions of a design are bounded, whatever they say (E20)."""

from __future__ import annotations

import tracemalloc

import pytest

from tests.cards.test_composing import NOW
from wallet_service.cards.expressions import LONGEST_TEXT, ExpressionError, compiled, roots_of
from wallet_service.cards.samples import sample_facts

ROOTS = roots_of(sample_facts(locale="fr", now=NOW), {})


@pytest.mark.parametrize(
    "source",
    [
        "'a' * 10000000000",
        "9 ** 9 ** 9",
        "balance.points ** 9",
        "'%1000000000d' % 5",
        "[1] * 10000000000",
        "'a' | replace('', 'b' * 9)",
        "'aaaaaaaaaa'" + " | replace('a', 'aaaaaaaaaa')" * 9,
        "'aaaaaaaaaa'" + " | join('aaaaaaaaaa')" * 9,
        "9999999999 * 9999999999",
        "(" * 900 + "1" + ")" * 900,
        "1 + " * 900 + "1",
        "member.card_number | replace('', member.card_number)" + " | replace('', 'aaaaaaaaaaaaaaaaaaaaaaaaaaa')" * 20,
    ],
)
def test_no_expression_takes_more_than_its_share(source: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ExpressionError):
            compiled(source)(ROOTS)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("source", ["'a' * 10000000000", "9 ** 9", "9999999999 * 9999999999"])
def test_what_no_card_can_work_out_is_said_when_the_design_is_checked(source: str) -> None:
    with pytest.raises(ExpressionError):
        compiled(source)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("balance.points * 2 + 1", 2501),
        ("balance.points // 100", 12),
        ("'a' + 'b'", "ab"),
        ("member.first_name | replace('a', '4')", "C4mille"),
        ("balance.badges | join(', ')", "first-visit"),
        ("balance.vouchers | map(attribute='code') | join('/')", "BA-7F3K"),
        ("balance.vouchers | join('/', attribute='code')", "BA-7F3K"),
    ],
)
def test_what_designs_say_is_worked_out_as_ever(source: str, value: object) -> None:
    assert compiled(source)(ROOTS) == value


def test_the_limit_is_a_text_of_its_length() -> None:
    assert len(compiled(f"'a' | replace('a', '{'b' * 1000}') | replace('b', 'cccccccccc')")(ROOTS)) == LONGEST_TEXT
