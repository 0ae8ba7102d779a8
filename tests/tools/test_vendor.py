"""The browser libraries: what the manifest says is what the wheel carries (console checks C100, C101, C102)."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tools import vendor

ROOT = Path(__file__).parent.parent.parent
OPEN_LICENCES = {"0BSD", "BSD-2-Clause", "ISC", "MIT"}


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    vendor.main()
    found: dict[str, Any] = json.loads((vendor.VENDOR / vendor.MANIFEST).read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def wheel(manifest: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel as a release builds it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_c100_the_wheel_holds_every_file_of_the_manifest_with_its_digest(
    manifest: dict[str, Any], wheel: zipfile.ZipFile
) -> None:
    names = set(wheel.namelist())
    files = [each for package in manifest["packages"] for each in package["files"]]
    assert len(files) > 12
    for each in files:
        inside = f"wallet_service/web/static/vendor/{each['name']}"
        assert inside in names
        assert hashlib.sha256(wheel.read(inside)).hexdigest() == each["sha256"], inside
    assert "wallet_service/web/static/vendor/manifest.json" in names


def test_c100_a_source_archive_holds_them_too_and_nothing_of_npm(manifest: dict[str, Any], tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    for package in manifest["packages"]:
        assert {f"wallet_service/web/static/vendor/{each['name']}" for each in package["files"]} <= names
    assert {"package.json", "package-lock.json", "THIRD-PARTY.md", "tools/build_hook.py"} <= names
    assert not [name for name in names if name.startswith(("node_modules/", ".venv/"))]


def test_c101_every_package_has_an_open_licence_whose_text_travels_with_it(
    manifest: dict[str, Any], wheel: zipfile.ZipFile
) -> None:
    notices = next(name for name in wheel.namelist() if name.endswith("THIRD-PARTY.md"))
    told = wheel.read(notices).decode()
    assert told == (ROOT / "THIRD-PARTY.md").read_text(encoding="utf-8") == vendor.notices_of(manifest)
    for package in manifest["packages"]:
        assert package["licence"] in OPEN_LICENCES, package["name"]
        assert f"| {package['name']} | {package['version']} | {package['licence']} |" in told
        text = wheel.read(f"wallet_service/web/static/vendor/licences/{package['name']}.txt").decode()
        assert "WARRANT" in text.upper(), package["name"]


def test_c102_the_wasm_is_of_the_release_that_its_script_names(manifest: dict[str, Any]) -> None:
    script = (vendor.VENDOR / "barcode-detector" / "zxing-exported.js").read_text(encoding="utf-8")
    named = set(re.findall(r"zxing-wasm@(\d+\.\d+\.\d+)", script))
    versions = {package["name"]: package["version"] for package in manifest["packages"]}
    assert named == {versions["zxing-wasm"]}
    assert (vendor.VENDOR / "barcode-detector" / "zxing_reader.wasm").read_bytes()[:4] == b"\0asm"


def test_a_wheel_without_a_library_is_refused(manifest: dict[str, Any], tmp_path: Path) -> None:
    copy = tmp_path / "source"
    ignored = shutil.ignore_patterns(".git", ".venv", "node_modules", "tests", "var", "docs")
    shutil.copytree(ROOT, copy, ignore=ignored)
    (copy / "wallet_service/web/static/vendor/idb.js").unlink()
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "wheel")]
    outcome = subprocess.run(build, cwd=copy, check=False, capture_output=True, text=True, timeout=120)
    assert outcome.returncode != 0
    assert "idb.js is missing: run `python -m tools.vendor` first" in outcome.stdout + outcome.stderr
    assert not list((tmp_path / "wheel").glob("*.whl"))


def test_a_changed_file_is_noticed(manifest: dict[str, Any], tmp_path: Path) -> None:
    copy = tmp_path / "vendor"
    shutil.copytree(vendor.VENDOR, copy)
    assert vendor.is_current(copy)
    (copy / "idb.js").write_text("// not what was fetched\n", encoding="utf-8")
    assert not vendor.is_current(copy)


def test_the_lock_names_exact_versions_and_no_address_of_a_file() -> None:
    package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))
    for name, version in (package["dependencies"] | package["devDependencies"]).items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version), name
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    assert all("resolved" not in each for each in lock["packages"].values())
    assert all("integrity" in each for path, each in lock["packages"].items() if path)
    settings = (ROOT / ".npmrc").read_text(encoding="utf-8")
    assert "omit-lockfile-registry-resolved=true" in settings
    assert "ignore-scripts=true" in settings
    assert "registry=" not in settings.replace("omit-lockfile-registry-resolved=", "")
