"""The images of a bundle: sizes of the guidelines, made from one source each (checklist 10)."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.wallets.apple.conftest import DOCUMENT, IMAGES, make_template, png
from wallet_service.cards.content import Stamps
from wallet_service.cards.template import ImageName, TemplateDocument
from wallet_service.errors import Invalid
from wallet_service.wallets.apple.passes.images import bundle_images, stamp_grid


def opened(data: bytes) -> Image.Image:
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    return Image.open(io.BytesIO(data)).convert("RGB")


def designed(style: str = "store_card", **images: bytes | None) -> dict[str, bytes]:
    document = TemplateDocument.model_validate(DOCUMENT.model_dump() | {"style": style})
    kept: dict[ImageName, bytes] = {name: data for name, data in (IMAGES | images).items() if data is not None}  # type: ignore[misc]
    return bundle_images(make_template(document, kept), None)


def test_item_10_every_size() -> None:
    sizes = {name: opened(data).size for name, data in designed().items()}
    assert sizes == {
        "icon.png": (38, 38), "icon@2x.png": (76, 76), "icon@3x.png": (114, 114),
        "logo.png": (160, 50), "logo@2x.png": (320, 100), "logo@3x.png": (480, 150),
        "strip.png": (375, 144), "strip@2x.png": (750, 288), "strip@3x.png": (1125, 432),
    }  # fmt: skip


def test_each_style_has_its_own_images() -> None:
    assert opened(designed("event_ticket")["strip@3x.png"]).size == (1125, 294)
    assert not [name for name in designed("generic") if name.startswith("strip")]
    assert {name.split(".")[0].split("@")[0] for name in designed(logo=None, strip=None)} == {"icon"}


def test_another_shape_is_cropped_and_a_tall_logo_is_fitted() -> None:
    square = designed(strip=png(1200, 1200))
    assert opened(square["strip.png"]).size == (375, 144)
    tall = designed(logo=png(200, 600))
    assert opened(tall["logo@3x.png"]).size == (50, 150)


def test_transparency_stays() -> None:
    image = Image.new("RGBA", (256, 256), (0, 0, 0, 0))
    out = io.BytesIO()
    image.save(out, "PNG")
    made = Image.open(io.BytesIO(designed(icon=out.getvalue())["icon@3x.png"]))
    assert made.convert("RGBA").getpixel((50, 50)) == (0, 0, 0, 0)


def test_too_small_or_broken_sources_are_refused_with_their_path() -> None:
    with pytest.raises(Invalid) as refused:
        designed(icon=png(113, 114), logo=png(479, 149), strip=b"\x89PNG nonsense")
    assert [str(fault) for fault in refused.value.faults] == [
        "images.icon: is 113 x 114 pixels; it needs 114 in width and 114 in height",
        "images.logo: is 479 x 149 pixels; it needs 480 in width or 150 in height",
        "images.strip: is not a PNG that can be read",
    ]
    with pytest.raises(Invalid, match=r"images\.icon: is missing"):
        designed(icon=None)


def test_a_photograph_is_reduced() -> None:
    noisy = Image.effect_noise((1125, 432), 60).convert("RGB")
    out = io.BytesIO()
    noisy.save(out, "PNG")
    strip = designed(strip=out.getvalue())["strip@3x.png"]
    with Image.open(io.BytesIO(strip)) as made:
        assert made.mode == "P"


def stamp_strip(earned: int, total: int) -> Image.Image:
    return opened(bundle_images(make_template(), Stamps(earned=earned, total=total))["strip@3x.png"])


def test_the_stamp_strip_shows_the_count() -> None:
    def full(image: Image.Image, index: int) -> bool:
        columns, rows = stamp_grid(10, 375 / 144)
        cell = min(1125 / columns, 432 / rows)
        left, top = (1125 - columns * cell) / 2, (432 - rows * cell) / 2
        row, column = divmod(index, columns)
        spot = image.getpixel((int(left + (column + 0.5) * cell), int(top + (row + 0.5) * cell)))
        return spot == (255, 255, 255)

    for earned in (0, 3, 10):
        image = stamp_strip(earned, 10)
        assert [full(image, index) for index in range(10)] == [index < earned for index in range(10)]


def test_a_stamp_card_needs_its_stamps() -> None:
    kept: dict[ImageName, bytes] = {name: data for name, data in IMAGES.items() if name != "stamp_empty"}
    with pytest.raises(Invalid, match=r"images\.stamp_empty: is missing"):
        bundle_images(make_template(images=kept), Stamps(earned=1, total=8))


@pytest.mark.parametrize(
    ("total", "grid"),
    [(1, (1, 1)), (5, (5, 1)), (6, (3, 2)), (8, (4, 2)), (10, (5, 2)), (12, (6, 2)), (30, (10, 3))],
)
def test_stamps_stand_in_even_rows(total: int, grid: tuple[int, int]) -> None:
    assert stamp_grid(total, 375 / 144) == grid
