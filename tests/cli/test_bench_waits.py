"""A bench whose worker dies, or never gets done, ends with words instead of waiting for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from tests.delivery.brands import add_phones, owe_campaign
from tests.house import House
from wallet_service.cli import bench_latency
from wallet_service.cli.bench_delivery import _settle_all, _Workplace
from wallet_service.cli.bench_latency import _settle
from wallet_service.cli.bench_site import BenchSite


def test_a_worker_that_dies_at_its_start(capfd: pytest.CaptureFixture[str]) -> None:
    nowhere = _Workplace(
        database_url="postgresql://nobody@127.0.0.1:1/x", sink_url="https://127.0.0.1:1", ca_file=Path("none")
    )
    with pytest.raises(RuntimeError, match="a bench worker failed"):
        _settle_all(nowhere, 1)
    assert "cannot be reached" in capfd.readouterr().err


def test_what_is_never_done_and_what_was_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_latency, "_SETTLED_WITHIN_S", 0.1)
    environment = {"WALLET_DATABASE_URL": house.services.database.url}
    site = BenchSite(folder=house.folder, url=house.url, environment=environment, key="", apns=house.apns)
    add_phones(house, "lumiere", 1)
    _settle(site)
    owe_campaign(house, "lumiere")
    with pytest.raises(RuntimeError, match=r"parked IS NULL says \(1,\)"):
        _settle(site)
    with house.services.sessions.begin() as db:
        db.execute(text("UPDATE deliveries SET parked = 'refused'"))
    with pytest.raises(RuntimeError, match=r"parked IS NOT NULL says \(1,\)"):
        _settle(site)
