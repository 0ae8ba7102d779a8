"""Which Chromium the browser routes drive: the system's own, or what `CHROMIUM` names."""

from __future__ import annotations

import os
import shutil

MISSING = "browser routes: left out, for there is no Chromium on this machine; install the system's package chromium"


def chromium_path() -> str | None:
    """The Chromium of this machine, or None."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def are_left_out() -> bool:
    """Whether the routes are not run at all: never in CI, where their absence is a failure."""
    return chromium_path() is None and not os.environ.get("CI")
