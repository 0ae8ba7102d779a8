"""The types of values from outside: what is taken, in which form it is kept, and the code of what is refused."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import pytest
from babel.numbers import list_currencies
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.documents.types import (
    EARLIEST,
    LATEST,
    Code,
    Day,
    DayOrInstant,
    FreeForm,
    Identifier,
    Instant,
    Locale,
    LocalTime,
    LongText,
    Points,
    ShortText,
    Texts,
    TimeOfDay,
    TimeZone,
)
from wallet_service.errors import Invalid
from wallet_service.parsing import parse, read_json
from wallet_service.values import Money, Value, minor_digits


class Sheet(Value):
    """One field of each type."""

    instant: Instant | None = None
    day: Day | None = None
    until: DayOrInstant | None = None
    local: LocalTime | None = None
    clock: TimeOfDay | None = None
    locale: Locale | None = None
    zone: TimeZone | None = None
    line: ShortText | None = None
    lines: LongText | None = None
    code: Code | None = None
    identifier: Identifier | None = None
    texts: Texts | None = None
    points: Points | None = None
    money: Money | None = None
    free: FreeForm | None = None


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("instant", "2026-12-01T09:00:00+01:00", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("instant", "2026-12-01t09:00:00.5z", datetime(2026, 12, 1, 9, 0, 0, 500_000, tzinfo=UTC)),
        ("until", "2031-12-31", date(2031, 12, 31)),
        ("until", "2031-12-31T00:00:00Z", datetime(2031, 12, 31, tzinfo=UTC)),
        ("local", "2026-12-01T09:00", datetime(2026, 12, 1, 9)),  # noqa: DTZ001
        ("locale", "fr_FR", "fr-FR"),
        ("locale", "FR-fr", "fr-FR"),
        ("locale", "es-419", "es-419"),
        ("locale", "zh-hant", "zh-Hant"),
        ("locale", "en-FR", "en-FR"),
        ("zone", "America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("lines", "a\r\nb", "a\nb"),
        ("code", "БОН 20", "БОН 20"),
        ("texts", {"fr_FR": "x"}, {"fr-FR": "x"}),
    ],
)
def test_what_is_taken_is_kept_in_one_form(field: str, value: Any, kept: Any) -> None:
    assert getattr(parse(Sheet, {field: value}), field) == kept


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("instant", "2026-12-01T09:00:00", "instant_without_offset"),
        ("instant", "2026-12-01", "instant_without_offset"),
        ("instant", datetime(2026, 12, 1), "instant_without_offset"),  # noqa: DTZ001
        ("instant", 1764234000, "instant"),
        ("instant", "1764234000", "instant"),
        ("instant", True, "instant"),
        ("instant", "2026-02-30T09:00:00Z", "instant"),
        ("instant", "9999-12-31T23:59:59Z", "instant_out_of_range"),
        ("instant", "9999-12-31T23:59:59-14:00", "instant_out_of_range"),
        ("instant", "0001-01-01T00:00:00+14:00", "instant_out_of_range"),
        ("day", "2026-02-30", "day"),
        ("day", "2026-12-01T00:00:00Z", "day"),
        ("day", 20261201, "day"),
        ("day", "9999-12-31", "day_out_of_range"),
        ("until", "2031-12-31T10:00:00", "instant_without_offset"),
        ("until", "9999-12-31", "day_out_of_range"),
        ("until", "1969-12-31", "day_out_of_range"),
        ("local", "2026-12-01T09:00+01:00", "offset_in_local_time"),
        ("local", "9999-12-31T23:59", "local_time_out_of_range"),
        ("clock", 2130, "time_of_day"),
        ("clock", "25:00", "time_of_day"),
        ("locale", "french", "language_tag"),
        ("locale", "xx-YY", "language_tag"),
        ("texts", {"fr_FR": "x", "fr-FR": "y"}, "doubled_language"),
        ("zone", "Europe", "time_zone"),
        ("zone", "America/Argentina", "time_zone"),
        ("zone", "x" * 300, "string_too_long"),
        ("zone", "../etc/passwd", "time_zone"),
        ("line", "a\nb", "control_character"),
        ("line", " ", "blank"),
        ("lines", "a\x07", "control_character"),
        ("code", "", "string_too_short"),
        ("code", "a\u200bb", "not_printable"),
        ("code", " a", "not_printable"),
        ("identifier", "a/b", "not_an_identifier"),
        ("identifier", "..", "not_an_identifier"),
        ("points", True, "int_type"),
        ("points", "5", "int_type"),
        ("points", 12.0, "int_type"),
        ("points", 2**53, "less_than_equal"),
        ("free", {"x": "y" * 20_000}, "too_large"),
        ("free", {"x": ["\ud83d"]}, "half_character"),
        ("free", {"x": "\0"}, "nul_character"),
    ],
)
def test_what_is_refused_has_a_code_of_its_own(field: str, value: Any, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse(Sheet, {field: value})
    assert [fault.code for fault in refused.value.faults] == [code]
    assert refused.value.faults[0].path.startswith(field)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.timezones()))  # noqa: DTZ001
def test_an_instant_is_taken_exactly_if_every_calendar_has_it(instant: datetime) -> None:
    text = instant.isoformat()
    is_written_so = re.fullmatch(r".*[+-]\d\d:\d\d", text)  # an offset with seconds is none of RFC 3339's
    if is_written_so and EARLIEST <= instant <= LATEST:
        assert parse(Sheet, {"instant": text}).instant == datetime.fromisoformat(text)
        return
    with pytest.raises(Invalid):
        parse(Sheet, {"instant": text})


@pytest.mark.parametrize(("code", "digits"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("AFN", 2), ("RSD", 2)])
def test_minor_units_are_those_of_iso_4217(code: str, digits: int) -> None:
    assert minor_digits(code) == digits


def test_a_currency_is_in_use_or_refused() -> None:
    taken = []
    for code in [*list_currencies(), "EUX"]:
        try:
            taken.append(parse(Money, {"amount": 1, "currency": code}).currency)
        except Invalid as error:
            faults = error.faults
            assert [fault.code for fault in faults] == ["currency"]
    assert {"EUR", "CHF", "USD", "JPY"} <= set(taken)
    assert not {"FRF", "DEM", "XAU", "XXX", "EUX"} & set(taken)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [(2**53, "EUR"), (9 * 10**15, "EUR"), (10**13, "JPY"), (True, "EUR"), ("5", "EUR"), (5.0, "EUR")],
)
def test_money_that_a_wallet_cannot_carry_is_refused(amount: Any, currency: str) -> None:
    with pytest.raises(Invalid):
        parse(Money, {"amount": amount, "currency": currency})


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        (b"{", "", "not_json"),
        (b"\xff", "", "not_json"),
        (b"[" * 100_000, "", "too_deep"),
        (b'{"a": ' * 40 + b"1" + b"}" * 40, "a" + ".a" * 31, "too_deep"),
        (b'{"a": {"b": 1, "b": 2}}', "a.b", "doubled_key"),
        (b'{"a": [NaN]}', "a[0]", "not_a_number"),
        (b'{"a": 1e999}', "a", "not_a_number"),
        (b'{"a": 9223372036854775808}', "a", "integer_too_large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "", "not_json"),
        (b'{"a": ["\\u0000"]}', "a[0]", "nul_character"),
        (b'{"a\\u0000": 1}', "a\\x00", "nul_character"),
        (b'{"a": "\\ud83d"}', "a", "half_character"),
        (b'{"\\ud83d": 1}', "\\ud83d", "half_character"),
    ],
)
def test_json_that_says_nothing_or_two_things_is_refused_with_its_path(body: bytes, path: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_json(body)
    first = refused.value.faults[0]
    assert (first.path, first.code) == (path, code)


def test_json_is_read_as_it_is() -> None:
    assert read_json('{"a": [1, -0.5, "é\\ud83d\\ude00", null, true], "b": 9223372036854775807}'.encode()) == {
        "a": [1, -0.5, "é😀", None, True],
        "b": 2**63 - 1,
    }
