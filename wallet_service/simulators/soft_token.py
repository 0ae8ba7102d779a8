"""A PKCS#11 token in software, SoftHSM2 of Debian (`apt install softhsm2`), with one key in it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

_MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so")
_PIN = "1234"
_configuration: str | None = None


def softhsm() -> str | None:
    """The module of SoftHSM2; None where it is not installed."""
    module = next((module for module in _MODULES if Path(module).exists()), None)
    return module if module is not None and shutil.which("softhsm2-util") else None


def soft_token(folder: Path, key_pem: bytes, *, token: str = "passes", key: str = "pass-key") -> dict[str, str]:
    """Make a token in `folder` that holds the key (PKCS#8 PEM); returns its address: module, token, key, pin.

    The module reads its configuration from `SOFTHSM2_CONF` once, when a process first loads it. So that nobody's own
    tokens are touched, this process gets one of its own with the first call; later tokens are made beside the first.
    """
    global _configuration
    module = softhsm()
    if module is None:
        raise FileNotFoundError("SoftHSM2 is not installed")
    if _configuration is None:
        (folder / "tokens").mkdir()
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
        _configuration = os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    pem = folder / f"{token}.pk8"
    pem.write_bytes(key_pem)
    where = ("--token", token, "--pin", _PIN)
    for words in (
        ("--init-token", "--free", "--label", token, "--so-pin", _PIN, "--pin", _PIN),
        ("--import", str(pem), "--label", key, "--id", "a1", *where),
    ):
        subprocess.run(["softhsm2-util", *words], check=True, capture_output=True)
    pem.unlink()
    return {"module": module, "token": token, "key": key, "pin": _PIN}
