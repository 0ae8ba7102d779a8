"""The production processes of the demo: `serve` and `worker`, started as an operator would, stopped together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import requests

from wallet_service.errors import SettingsError

_READY_WITHIN_S, _STOP_WITHIN_S = 30.0, 10.0


def free_port(preferred: int) -> int:
    """`preferred` if nobody listens there, else any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            number: int = probe.getsockname()[1]
            return number
    raise SettingsError("no port is free on this machine")


@contextmanager
def running(name: str, arguments: list[str], environment: Mapping[str, str], log_folder: Path) -> Iterator[None]:
    """`wallet-service ARGUMENTS` in a process of its own; its log goes to `log_folder`/`name`.log."""
    with (log_folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "wallet_service", *arguments],
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the demo, which stops its children in order
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_ready(url: str, log_folder: Path) -> None:
    """Until the web process answers and a worker is alive.

    Raises:
        SettingsError: not in time; the ends of the logs are in the message.
    """
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{url}/readyz", timeout=1).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.05)
    ends = "\n".join(f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in log_folder.glob("*.log"))
    raise SettingsError(f"the demo's processes did not start within {_READY_WITHIN_S:.0f} s\n{ends}")
