"""The benches run, and measure what they say; the figures themselves belong to quiet machines."""

from __future__ import annotations

import pytest

from wallet_service.cli.bench import apple


def test_building_is_measured_beside_bare_signing() -> None:
    figures = apple.measure_build(2, rounds=1)
    assert [figure.what.split(",")[0] for figure in figures] == ["points card", "with ten places", "stamp card"]
    assert all(figure.ratio is not None and 0 < figure.ratio < 2 for figure in figures)


def test_announcing_is_measured_against_a_real_sink(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where h2load is missing, the row says so."""
    monkeypatch.setenv("PATH", "/nonexistent")
    (figure,) = apple.measure_apns((200,))
    assert figure.rate > 0
    assert (figure.yardstick, figure.ratio) == ("h2load is not installed", None)
    apple.show("Announcing", [figure])
    assert "200 pushes" in capsys.readouterr().out
