"""Whoever asks whether the service can work has an answer in time, and takes nobody else's thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from sqlalchemy.exc import OperationalError

from tests.storage.silent_line import SilentLine
from tests.system import running_system
from wallet_service.simulators.apple_pki import Chain
from wallet_service.storage import engine
from wallet_service.storage.engine import Database
from wallet_service.web.readiness import LIMIT_S, Checks, Readiness


def timed(url: str) -> tuple[int, float]:
    """The status, and how many seconds it took."""
    began = time.monotonic()
    return requests.get(url, timeout=30).status_code, time.monotonic() - began


def test_a_database_that_does_not_answer_is_told_in_time(
    new_database: Callable[[], Database], chain: Chain, tmp_path: Path
) -> None:
    database = new_database()
    with SilentLine(database) as line, running_system(engine.connect(line.url), chain, tmp_path) as system:
        ready = f"{system.url}/readyz"
        assert requests.get(ready, timeout=30).json()["checks"]["database"] == "ok"
        line.fail("black hole")
        with ThreadPoolExecutor(9) as probes:
            answers = list(probes.map(timed, [ready] * 9))
        assert {status for status, _ in answers} == {503}
        assert max(took_s for _, took_s in answers) < 10
        assert sorted(took_s for _, took_s in answers)[-2] < LIMIT_S, "one request waits, the others do not"
        assert requests.get(ready, timeout=30).json() == {"ready": False, "checks": {"database": "unreachable"}}
        line.fail("none")
        assert requests.get(ready, timeout=30).json()["checks"]["database"] == "ok"
        line.fail("reset")
    database.close()


def test_a_look_that_hangs_is_left_behind_and_one_that_fails_is_told() -> None:
    hanging, looks = threading.Event(), 0

    def look() -> Checks:
        nonlocal looks
        looks += 1
        if looks == 1:
            hanging.wait(60)
        if looks == 2:
            raise OperationalError("SELECT 1", {}, Exception("gone"))
        if looks == 3:
            raise ArithmeticError("a bug")
        return {"database": "ok"}

    readiness = Readiness(look)
    assert readiness.checks() == readiness.checks() == {"database": "unreachable"}
    with pytest.raises(ArithmeticError):
        readiness.checks()
    assert readiness.checks() == {"database": "ok"}
    hanging.set()
