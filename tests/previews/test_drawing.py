"""Pictures of what phones show: the right size, the right colours, the codes readable, every change visible."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import segno
from PIL import Image, ImageChops

from tests.simulators.pass_maker import IMAGES, make_pass, pass_content, png
from wallet_service.errors import Invalid
from wallet_service.previews import draw_android, draw_iphone, draw_lock_screen
from wallet_service.previews.canvas import Canvas
from wallet_service.previews.codes import code128_widths
from wallet_service.simulators.apple_pki import Chain

NOW = datetime(2026, 11, 21, 8, 41, tzinfo=UTC)
CLASS = {
    "issuerName": "Maison Lumière",
    "programName": "Le Cercle",
    "hexBackgroundColor": "#1c2440",
    "programLogo": {"sourceUri": {"uri": "https://maisonlumiere.example/logo.png"}},
    "heroImage": {"sourceUri": {"uri": "https://maisonlumiere.example/hero.png"}},
}


def opened(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    assert picture.format == "PNG"
    return picture


def differ(first: bytes, second: bytes) -> bool:
    return ImageChops.difference(opened(first), opened(second)).getbbox(alpha_only=False) is not None


def loyalty_object(**more: Any) -> dict[str, Any]:
    return {
        "id": "1.carte",
        "state": "ACTIVE",
        "loyaltyPoints": {"label": "Points", "balance": {"int": 120}},
        "accountName": "Camille Dubois",
        "barcode": {"type": "QR_CODE", "value": "ML0001"},
        **more,
    }


@pytest.fixture(scope="module")
def front(chain: Chain) -> Callable[..., bytes]:
    def draw(scale: float = 1, images: dict[str, bytes] | None = None, **content: Any) -> bytes:
        bundle = make_pass(pass_content(**content), chain, images or IMAGES)
        return draw_iphone(bundle, scale=scale, now=NOW)

    return draw


def test_the_front_has_its_size_and_colour(front: Callable[..., bytes]) -> None:
    picture = opened(front(scale=2))
    assert picture.size == (780, 1040)
    assert picture.getpixel((60, 600)) == (28, 36, 64, 255)
    assert picture.getpixel((0, 0)) == (0, 0, 0, 0)


def test_every_change_of_the_card_is_seen(front: Callable[..., bytes]) -> None:
    plain = front()
    assert not differ(plain, front())
    assert differ(plain, front(points=121))
    assert differ(plain, front(logoText="Maison Lumiere"))
    assert differ(plain, front(voided=True))
    assert differ(plain, front(expirationDate="2026-11-20T00:00Z"))
    assert differ(plain, front(images={**IMAGES, "strip@2x.png": png(750, 288, "#dec48c")}))


def test_the_qr_code_is_the_one_that_was_asked_for(front: Callable[..., bytes]) -> None:
    picture = opened(front(scale=3)).convert("L")
    expected = [list(row) for row in segno.make("ML0001", error="m", micro=False).matrix]
    side = len(expected)
    # The code is 132 points wide, centred, and stands 32 points above the card's lower inner edge.
    left, top, module = (390 / 2 - 66) * 3, (496 - 16 - 22 - 132) * 3, 132 * 3 / side
    dots = picture.tobytes()

    def dark(x: int, y: int) -> int:
        return int(dots[int(top + (y + 0.5) * module) * picture.width + int(left + (x + 0.5) * module)] < 128)

    seen = [[dark(x, y) for x in range(side)] for y in range(side)]
    assert seen == expected


def test_code_128_can_be_read_back() -> None:
    widths = code128_widths("ML-0001 a")
    assert sum(widths) == 11 * (9 + 2) + 13
    symbols = ["".join(str(width) for width in widths[at : at + 6]) for at in range(0, len(widths) - 7, 6)]
    table = {"".join(map(str, code128_widths(chr(32 + value))[6:12])): value for value in range(95)}
    values = [table[symbol] for symbol in symbols[1:-1]]
    assert "".join(chr(32 + value) for value in values) == "ML-0001 a"
    check = (104 + sum(place * value for place, value in enumerate(values, start=1))) % 103
    assert (len(table), table[symbols[-1]]) == (95, check)
    with pytest.raises(ValueError, match="ASCII"):
        code128_widths("é")


def test_a_code_128_card_and_the_other_formats_are_drawn(front: Callable[..., bytes]) -> None:
    def card(barcode_format: str) -> bytes:
        code = {"format": barcode_format, "message": "ML0001", "messageEncoding": "iso-8859-1"}
        return front(barcodes=[code])

    pictures = [card(f"PKBarcodeFormat{name}") for name in ("QR", "Code128", "PDF417", "Aztec")]
    assert all(differ(pictures[0], one) for one in pictures[1:])
    assert differ(pictures[2], pictures[3])


def test_the_back_grows_with_its_fields(chain: Chain) -> None:
    def back(*values: str) -> Image.Image:
        fields = [{"key": str(index), "label": "Note", "value": value} for index, value in enumerate(values)]
        content = pass_content(storeCard={"backFields": fields})
        return opened(draw_iphone(make_pass(content, chain), face="back", scale=1))

    assert back("une ligne").height < back("une ligne", "une autre").height
    assert back("mot " * 60).height > back("mot").height + 60


def test_the_lock_screen_tells_the_time_of_the_phone(chain: Chain) -> None:
    bundle = make_pass(pass_content(), chain)

    def screen(**more: Any) -> bytes:
        return draw_lock_screen(bundle, **{"text": "Vous avez 120 points", "now": NOW, "scale": 1, **more})

    assert opened(screen()).size == (412, 866)
    assert not differ(screen(), screen())
    assert differ(screen(), screen(time_zone="UTC"))
    assert differ(screen(), screen(locale="en_GB"))
    assert differ(screen(), screen(dark=True))
    assert differ(screen(), screen(text="Vous avez 121 points"))


def test_the_android_card_shows_its_images_and_state() -> None:
    images = {
        "https://maisonlumiere.example/logo.png": png(660, 660, "#ffffff"),
        "https://maisonlumiere.example/hero.png": png(1032, 336, "#ff0000"),
    }
    item = loyalty_object()
    bare = opened(draw_android(item, CLASS, scale=1))
    full = opened(draw_android(item, CLASS, scale=1, fetch_image=images.get))
    assert full.height - bare.height == pytest.approx(124, abs=1)
    assert full.getpixel((206, full.height - 60)) == (255, 0, 0, 255)
    assert full.getpixel((62, 60)) == (255, 255, 255, 255)
    assert bare.getpixel((206, 30)) == (28, 36, 64, 255)
    plain = draw_android(item, CLASS, scale=1)
    assert differ(plain, draw_android(loyalty_object(state="EXPIRED"), CLASS, scale=1))
    linear = loyalty_object(barcode={"type": "CODE_128", "value": "ML0001"})
    assert differ(plain, draw_android(linear, CLASS, scale=1))


def test_every_letter_that_french_needs_has_its_own_shape() -> None:
    def shape(letter: str) -> bytes:
        canvas = Canvas(40, 40, 1, (255, 255, 255))
        canvas.text(5, 30, letter, size=24, colour=(0, 0, 0))
        return canvas.image.tobytes()

    missing = shape("\uffff")
    for letter in "éèêëàâçùûüîïôöœæÉÈÀÇŒ€«»’–…·●○★☆":
        assert shape(letter) != missing, letter


def test_long_text_is_made_smaller_and_then_cut() -> None:
    canvas = Canvas(300, 40, 1)
    words = "Camille-Alexandrine de la Rochefoucauld"
    assert canvas.text(0, 20, words, size=18, colour=(0, 0, 0), most=100, least_size=12) <= 100
    assert canvas.text(0, 20, "Or", size=18, colour=(0, 0, 0), most=100) == canvas.measure("Or", 18)
    assert canvas.lines("un deux trois", 18, canvas.measure("un deux", 18) + 1) == ["un deux", "trois"]


def test_what_is_no_pass_is_not_drawn() -> None:
    with pytest.raises(Invalid):
        draw_iphone(b"%PDF-1.7")
