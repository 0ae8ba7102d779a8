"""The typeface of the pictures: Roboto, from the package `font-roboto` (Apache licence)."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import as_file, files
from typing import Literal

from PIL import ImageFont

from wallet_service.errors import SettingsError

Weight = Literal["Light", "Regular", "Medium", "Bold"]


@lru_cache(maxsize=256)
def font(weight: Weight, pixels: int) -> ImageFont.FreeTypeFont:
    """The typeface in one weight and size.

    Raises:
        SettingsError: the package `font-roboto` is not installed.
    """
    try:
        resource = files("font_roboto") / "files" / f"Roboto-{weight}.ttf"
    except ModuleNotFoundError as error:
        raise SettingsError("pictures need the package font-roboto") from error
    with as_file(resource) as path:
        return ImageFont.truetype(path, pixels)
