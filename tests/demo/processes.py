"""A `wallet-service` command in a process of its own, followed by what it prints."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress


class Command:
    """A running command; its standard output and error are read as they come."""

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "wallet_service", *arguments],
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._changed = threading.Condition()
        self._lines: list[str] = []
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="command-output")
        self._reader.start()

    @property
    def output(self) -> str:
        """All that it has printed."""
        with self._changed:
            return "".join(self._lines)

    def wait_for(self, pattern: str, timeout_s: float = 30.0) -> str:
        """Wait until `pattern` has been printed; return what its last group matched, else all of it."""

        def found() -> re.Match[str] | None:
            return re.search(pattern, "".join(self._lines))

        with self._changed:
            self._changed.wait_for(lambda: found() or self._ended, timeout_s)
            match = found()
            assert match is not None, f"{pattern!r} was not printed, but:\n{''.join(self._lines)}"
            return match[match.lastindex or 0]

    def say(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end; return its exit status."""
        self._process.send_signal(number)
        return self.wait()

    def wait(self, timeout_s: float = 60.0) -> int:
        """Until it ends by itself."""
        status = self._process.wait(timeout_s)
        self._reader.join()
        return status

    def kill(self) -> None:
        """End it and all that it has started, whatever they do."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


@contextmanager
def command(*arguments: str, **environment: str) -> Iterator[Command]:
    """`wallet-service ARGUMENTS`, killed in the end if it is still there."""
    running = Command(arguments, environment)
    try:
        yield running
    finally:
        running.kill()
