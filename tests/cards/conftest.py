"""A copy of the sample design that a test may damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

DESIGNS = Path(__file__).parents[2] / "pass_templates"


@pytest.fixture
def design(tmp_path: Path) -> Path:
    """The points card, in a folder of the test's own."""
    return Path(shutil.copytree(DESIGNS / "points-card", tmp_path / "points-card"))


@pytest.fixture
def stamp_design(tmp_path: Path) -> Path:
    """The stamp card, in a folder of the test's own."""
    return Path(shutil.copytree(DESIGNS / "stamp-card", tmp_path / "stamp-card"))
