"""A PKCS#11 token in software, SoftHSM2 of Debian (`apt install softhsm2`), with keys in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

_MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so")
_TOKEN, _PIN = "passes", "1234"
_configuration: str | None = None


def softhsm() -> str | None:
    """The module of SoftHSM2; None where it is not installed."""
    module = next((module for module in _MODULES if Path(module).exists()), None)
    return module if module is not None and shutil.which("softhsm2-util") else None


def soft_token(folder: Path, key_pem: bytes, *, key: str = "pass-key") -> dict[str, str]:
    """Put a key (PKCS#8 PEM) into this process's token, made in `folder` at the first call; returns the key's address:
    module, token, key, pin.

    The module reads its configuration from `SOFTHSM2_CONF`, and looks for tokens, once, when a process first loads it;
    so that nobody's own tokens are touched, the process has one of its own.
    """
    global _configuration
    module = softhsm()
    if module is None:
        raise FileNotFoundError("SoftHSM2 is not installed")
    if _configuration is None:
        (folder / "tokens").mkdir()
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
        _configuration = os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
        _run("--init-token", "--free", "--label", _TOKEN, "--so-pin", _PIN, "--pin", _PIN)
    pem = folder / f"{key}.pk8"
    pem.write_bytes(key_pem)
    number = hashlib.sha256(key.encode()).hexdigest()[:16]
    _run("--import", str(pem), "--label", key, "--id", number, "--token", _TOKEN, "--pin", _PIN)
    pem.unlink()
    return {"module": module, "token": _TOKEN, "key": key, "pin": _PIN}


def _run(*words: str) -> None:
    subprocess.run(["softhsm2-util", *words], check=True, capture_output=True)
