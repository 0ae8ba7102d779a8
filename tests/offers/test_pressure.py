"""The rules on pressure: quiet hours where the member lives, a cap over all offers, the consent. Pure."""

from __future__ import annotations

import tomllib
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_service.documents.programs import PressureDocument, ProgramDocument, read_program
from wallet_service.errors import Invalid
from wallet_service.offers.pressure import (
    DECISIONS,
    Pressure,
    Recipient,
    decision_for,
    forecast,
    pressure_of,
    quiet_hours,
    zone_of_member,
)

PARIS, REUNION = "Europe/Paris", "Indian/Reunion"
NIGHT = quiet_hours(time(21), time(8))


@pytest.mark.parametrize(
    ("begin", "end", "now", "until"),
    [
        (time(21), time(8), datetime(2026, 11, 26, 19, 59, 59, tzinfo=UTC), None),
        (time(21), time(8), datetime(2026, 11, 26, 20, tzinfo=UTC), datetime(2026, 11, 27, 7, tzinfo=UTC)),
        (time(21), time(8), datetime(2026, 11, 27, 6, 59, tzinfo=UTC), datetime(2026, 11, 27, 7, tzinfo=UTC)),
        (time(21), time(8), datetime(2026, 11, 27, 7, tzinfo=UTC), None),
        (time(12), time(14), datetime(2026, 11, 27, 12, tzinfo=UTC), datetime(2026, 11, 27, 13, tzinfo=UTC)),
        # the nights on which clocks change are an hour shorter and an hour longer
        (time(21), time(8), datetime(2026, 3, 28, 21, tzinfo=UTC), datetime(2026, 3, 29, 6, tzinfo=UTC)),
        (time(21), time(8), datetime(2026, 10, 24, 21, tzinfo=UTC), datetime(2026, 10, 25, 7, tzinfo=UTC)),
        # an end that the clocks jump over is when they jump
        (time(21), time(2, 30), datetime(2026, 3, 28, 21, tzinfo=UTC), datetime(2026, 3, 29, 1, tzinfo=UTC)),
        (time(21), None, datetime(2026, 11, 26, 21, tzinfo=UTC), datetime(2026, 11, 26, 23, tzinfo=UTC)),
        (None, time(8), datetime(2026, 11, 26, 21, tzinfo=UTC), None),
        (None, time(8), datetime(2026, 11, 26, 23, tzinfo=UTC), datetime(2026, 11, 27, 7, tzinfo=UTC)),
        (time(8), time(8), datetime(2026, 11, 26, 23, tzinfo=UTC), None),
        (None, None, datetime(2026, 11, 26, 23, tzinfo=UTC), None),
        # the whole day, as older documents may have it: looked at again after a day
        (time(0), None, datetime(2026, 11, 26, 23, tzinfo=UTC), datetime(2026, 11, 27, 23, tzinfo=UTC)),
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall(
    begin: time | None, end: time | None, now: datetime, until: datetime | None
) -> None:
    assert quiet_hours(begin, end).until(PARIS, now) == until


def test_the_member_s_zone_is_the_one_that_is_said_else_the_favourite_store_s_else_the_programme_s() -> None:
    assert zone_of_member({"time_zone": REUNION}, PARIS, "Europe/London") == REUNION
    assert zone_of_member({"time_zone": "Mars/Olympus"}, PARIS, "Europe/London") == PARIS
    assert zone_of_member({}, None, "Europe/London") == "Europe/London"


NOW = datetime(2026, 11, 26, 19, tzinfo=UTC)
"""20:00 in Paris, 23:00 on La Réunion."""


@pytest.mark.parametrize(
    ("recipient", "notify", "decision"),
    [
        (Recipient(PARIS, has_consented=True), True, "sent"),
        (Recipient(REUNION, has_consented=True), True, "held"),
        (Recipient(PARIS, has_consented=True, recently=2), True, "capped"),
        (Recipient(REUNION, has_consented=True, recently=2), True, "held"),
        (Recipient(PARIS, has_consented=True, recently=1), True, "sent"),
        (Recipient(PARIS, has_consented=False, recently=2), True, "no_consent"),
        (Recipient(PARIS, has_consented=True, can_notify=False), True, "silent"),
        (Recipient(PARIS, has_consented=True), False, "silent"),
    ],
)
def test_what_becomes_of_a_notification(recipient: Recipient, notify: bool, decision: str) -> None:
    found, until = decision_for(Pressure(most=2, quiet=NIGHT), recipient, notify=notify, now=NOW)
    assert found == decision
    assert until == (datetime(2026, 11, 27, 4, tzinfo=UTC) if decision == "held" else None)


_recipients = st.builds(Recipient, st.sampled_from([PARIS, REUNION]), st.booleans(), st.integers(0, 3), st.booleans())


@given(st.lists(_recipients, max_size=20), st.booleans(), st.integers(0, 48))
def test_a_forecast_sums_to_the_recipients_and_says_what_would_be_decided(
    recipients: list[Recipient], notify: bool, hours: int
) -> None:
    rules, ends_at = Pressure(most=2, quiet=NIGHT), NOW + timedelta(hours=max(hours, 1))
    counts = forecast(rules, recipients, notify=notify, starts_at=NOW, ends_at=ends_at)
    assert counts.total() == len(recipients)
    assert counts.keys() <= set(DECISIONS)
    expected: Counter[str] = Counter()
    for one in recipients:
        decision, until = decision_for(rules, one, notify=notify, now=NOW)
        expected["expired" if until is not None and ends_at <= until else decision] += 1
    assert counts == expected


def test_hours_that_never_end_let_no_notification_out() -> None:
    rules = Pressure(quiet=quiet_hours(time(0), None))
    foreseen = forecast(rules, [Recipient(PARIS, True)], notify=True, starts_at=NOW, ends_at=NOW + timedelta(days=9))
    assert foreseen == {"expired": 1}
    assert not NIGHT.is_always
    assert not quiet_hours(time(0), time(23, 59)).is_always


def test_hours_that_cover_the_whole_day_are_refused_and_those_that_are_stored_still_load(tmp_path: Path) -> None:
    shipped = """
        id = "lumiere"
        name = "Lumière"
        brand = "Lumière"
        locales = ["fr"]
        time_zone = "Europe/Paris"
        template = "points-card"
    """
    file = tmp_path / "program.toml"
    file.write_text(f'{shipped}\n[pressure]\nquiet_from = "00:00"\n', encoding="utf-8")
    with pytest.raises(Invalid) as refused:
        read_program(file)
    assert [(fault.path, fault.code) for fault in refused.value.faults] == [("pressure.quiet_until", "always_quiet")]
    ProgramDocument.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    for hours in ('quiet_from = "00:00"\nquiet_until = "08:00"', 'quiet_from = "21:00"', 'quiet_until = "08:00"'):
        file.write_text(f"{shipped}\n[pressure]\n{hours}\n", encoding="utf-8")
        assert read_program(file).pressure.quiet_from in (time(0), time(21), None)


def test_the_programme_s_document_says_the_rules() -> None:
    document = PressureDocument.model_validate(
        {"marketing_per_week": 3, "marketing_days": 14, "quiet_from": "21:00", "quiet_until": "08:00"}
    )
    assert pressure_of(document) == Pressure(most=3, period=timedelta(days=14), quiet=NIGHT)
    assert pressure_of(PressureDocument()) == Pressure(most=None, period=timedelta(days=7))
