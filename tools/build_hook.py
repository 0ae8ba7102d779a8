"""Build hook: a wheel or a source distribution without the browser libraries is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_VENDOR = Path("wallet_service") / "web" / "static" / "vendor"


class VendorHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's class is generic only on paper
    """Looks for every file of the vendor manifest. Installing for development (editable) needs none yet."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds `version`: `standard` or `editable`."""
        if version == "editable":
            return
        vendor = Path(self.root) / _VENDOR
        manifest = vendor / "manifest.json"
        if not manifest.is_file():
            raise SystemExit("The browser libraries are missing: run `python -m tools.vendor` (or `make setup`) first")
        for package in json.loads(manifest.read_text(encoding="utf-8"))["packages"]:
            for each in package["files"]:
                if not (vendor / each["name"]).is_file():
                    raise SystemExit(f"{_VENDOR / each['name']} is missing: run `python -m tools.vendor` first")
