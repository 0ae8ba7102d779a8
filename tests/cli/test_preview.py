"""`templates preview` draws what both phones show."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from click.testing import CliRunner
from PIL import Image, ImageChops

from tests.cards.conftest import DESIGNS
from wallet_service.cli.templates import templates


def test_every_language_on_both_phones(tmp_path: Path) -> None:
    run = CliRunner().invoke(templates, ["preview", str(DESIGNS / "points-card"), "--out", str(tmp_path / "faces")])
    assert run.exit_code == 0, run.output
    names = {
        f"points-card.{locale}.{face}.png"
        for locale in ("en", "fr")
        for face in ("iphone", "iphone-back", "iphone-back-dark", "iphone-lock", "iphone-lock-dark", "android")
    }
    pictures = {path.name: Image.open(io.BytesIO(path.read_bytes())) for path in (tmp_path / "faces").iterdir()}
    assert pictures.keys() == names
    for face in ("iphone", "iphone-back", "android"):
        english, french = (pictures[f"points-card.{locale}.{face}.png"].convert("RGB") for locale in ("en", "fr"))
        assert english.size != french.size or ImageChops.difference(english, french).getbbox()


def test_both_phones_on_one_picture(tmp_path: Path) -> None:
    run = CliRunner().invoke(templates, ["preview", "--together", str(DESIGNS / "points-card"), "--out", str(tmp_path)])
    assert run.exit_code == 0, run.output
    assert {path.name for path in tmp_path.iterdir()} == {"points-card.en.png", "points-card.fr.png"}
    english, french = (
        Image.open(io.BytesIO((tmp_path / f"points-card.{locale}.png").read_bytes())).convert("RGB")
        for locale in ("en", "fr")
    )
    assert english.width > 1.3 * english.height
    lock_screen = (int(english.width * 0.4), 0, int(english.width * 0.6), english.height)
    assert ImageChops.difference(english.crop(lock_screen), french.crop(lock_screen)).getbbox()


def test_a_wrong_design_is_not_drawn(tmp_path: Path) -> None:
    design = Path(shutil.copytree(DESIGNS / "points-card", tmp_path / "points-card"))
    (design / "images/logo.png").unlink()
    run = CliRunner().invoke(templates, ["preview", str(design), "--out", str(tmp_path / "faces")])
    assert run.exit_code == 1
    assert "images/logo.png: is missing" in str(run.exception)
    assert not (tmp_path / "faces").exists()
