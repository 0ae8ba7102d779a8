"""The OpenAPI document against the service: no server error, and no answer that it does not name (schemathesis)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import requests

from tests.system import System

# All checks. Two have room for what a JSON schema cannot say: rules between fields and facts that others own (422), and
# a batch in which one event is refused (207).
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "410", "422"]

[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "410", "413", "415", "422", "207"]
"""


def test_schemathesis_finds_no_server_error_and_no_undocumented_answer(system: System, tmp_path: Path) -> None:
    """E20."""
    system.enrol()
    (tmp_path / "schemathesis.toml").write_text(CONFIG, encoding="utf-8")
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(tmp_path / "schemathesis.toml")),
        *("run", f"{system.url}/api/openapi.json", "--header", f"Authorization: Bearer {system.api.key}"),
        *("--max-examples", "30", "--phases", "examples,coverage,fuzzing", "--seed", "1"),
    ]
    environment = os.environ | {"NO_COLOR": "1"}
    ran = subprocess.run(
        command, env=environment, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=250
    )
    assert ran.returncode == 0, ran.stdout


def test_every_call_says_what_it_needs_before_the_body_is_looked_at(system: System) -> None:
    """E20: 403 for a body that is no JSON, too; and the document names every refusal."""
    with system.services.sessions.begin() as db:
        db.connection().exec_driver_sql("UPDATE api_keys SET scopes = '{}'")
    document = requests.get(f"{system.url}/api/openapi.json", timeout=30).json()
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            address = path.removeprefix("/api/v1").replace("_id}", "}").replace("{offer}", "1")
            answer = system.api(method.upper(), address.replace("{delivery}", "1"), b"{no json")
            assert answer.status_code == 403, (method, path, answer.text)
            assert answer.headers["Cache-Control"] == "no-store"
            assert {"400", "401", "403", "404", "409", "413", "415", "422", "503"} <= call["responses"].keys()
