"""E19: one JSON line for whatever is logged, by whomever, and no value of a request or a row in it."""

from __future__ import annotations

import json
import subprocess
import sys

import requests
from sqlalchemy import text
from structlog.testing import capture_logs

from tests.storage.silent_line import SilentLine
from tests.system import System, running_system
from tests.web.test_landing import DESKTOP
from wallet_service.logs import told_without_values
from wallet_service.simulators.apple_pki import Chain
from wallet_service.storage import engine

_SCRIPT = """
import logging, threading, warnings, structlog
from wallet_service.logs import configure_logs, log_uncaught
configure_logs("json"); log_uncaught()
def fail():
    raise KeyError("M-12345 is nobody's to read, nor is 0123456789abcdef0123456789abcdef")
try:
    fail()
except KeyError:
    structlog.get_logger().exception("ours", card_id=7)
    logging.getLogger("procrastinate.worker").exception("a job of %s failed\\nin two lines", "M-12345")
warnings.warn("old")
thread = threading.Thread(target=fail, name="loop"); thread.start(); thread.join()
fail()
"""


def test_e19_every_line_is_json_and_holds_no_value() -> None:
    ended = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["ours", "library", "library", "thread_failed", "process_failed"]
    assert lines[0]["exception"][0]["at"][-1].endswith(" fail")
    assert lines[1]["logger"] == "procrastinate.worker"
    assert "M-12345" not in ended.stderr
    assert "0123456789abcdef" not in ended.stderr


def test_e19_an_exception_is_told_without_what_it_quotes() -> None:
    secret = "Xk3_9dPq0-aaaaaaaaaaaaaaaaaaaaaa"
    told = told_without_values(ValueError(f"the link '{secret}' of {secret}\nDETAIL: Key (member_id)=(M-1)"))
    assert told == "ValueError: the link … of …"


def test_e19_a_failure_is_logged_by_the_pattern_of_its_path(system: System) -> None:
    link = system.enrol()["links"]["card"]
    with system.services.sessions.begin() as db:
        db.execute(text("ALTER TABLE template_versions RENAME COLUMN archive TO gone"))
    system.services.program_cache._programs.clear()
    system.services.program_cache._composers.clear()
    with capture_logs() as logs:
        assert requests.get(link, headers={"User-Agent": DESKTOP}, timeout=10).status_code == 500
    (failed,) = [line for line in logs if line["event"] == "request_failed"]
    assert failed["route"] == "/c/<link_token>"
    assert link.rsplit("/", 1)[1] not in str({**failed, "exc_info": str(failed["exc_info"][1])})


def test_e19_while_the_database_is_away_each_audience_hears_it_in_its_own_shape(
    new_database: object, chain: Chain, tmp_path: object
) -> None:
    database = new_database()  # type: ignore[operator]
    with SilentLine(database) as line, running_system(engine.connect(line.url), chain, tmp_path) as system:  # type: ignore[arg-type]
        link = system.enrol()["links"]["card"]
        line.fail("reset")
        answers = {
            path: requests.request(method, f"{system.url}{path}", headers={"Accept-Language": "fr"}, timeout=30)
            for method, path in (
                ("GET", "/metrics"),
                ("GET", "/c/" + link.rsplit("/", 1)[1]),
                ("POST", "/google/callback"),
                ("GET", "/api/v1/deliveries"),
                ("GET", "/apple//v1/passes/pass.example.lumiere/none"),
            )
        }
        line.fail("none")
    database.close()
    assert {answer.status_code for answer in answers.values()} <= {503, 401}
    metrics, page, google, api, _ = answers.values()
    assert metrics.text.startswith("the database does not answer")
    assert "Votre lien est bon" in page.text
    assert (google.status_code, google.content) == (503, b"")
    assert api.headers["Content-Type"] == "application/problem+json"
