"""A bench whose worker dies, or never gets done, ends with words instead of waiting for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from tests.delivery.brands import add_phones, owe_campaign
from tests.system import System
from wallet_service.cli.bench import latency
from wallet_service.cli.bench.delivery import _settle_all, _WorkerArguments
from wallet_service.cli.bench.installation import BenchInstallation
from wallet_service.cli.bench.latency import _settle


def test_a_worker_that_dies_at_its_start(capfd: pytest.CaptureFixture[str]) -> None:
    nowhere = _WorkerArguments(
        database_url="postgresql://nobody@127.0.0.1:1/x", sink_url="https://127.0.0.1:1", ca_file=Path("none")
    )
    with pytest.raises(RuntimeError, match="a bench worker failed"):
        _settle_all(nowhere, 1)
    assert "cannot be reached" in capfd.readouterr().err


def test_what_is_never_done_and_what_was_refused(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "_SETTLED_WITHIN_S", 0.1)
    environment = {"WALLET_DATABASE_URL": system.services.database.url}
    site = BenchInstallation(folder=system.folder, url=system.url, environment=environment, key="", apns=system.apns)
    add_phones(system, "lumiere", 1)
    _settle(site)
    owe_campaign(system, "lumiere")
    with pytest.raises(RuntimeError, match=r"parked IS NULL says \(1,\)"):
        _settle(site)
    with system.services.sessions.begin() as db:
        db.execute(text("UPDATE deliveries SET parked = 'refused'"))
    with pytest.raises(RuntimeError, match=r"parked IS NOT NULL says \(1,\)"):
        _settle(site)
